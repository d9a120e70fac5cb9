"""Faults of certificates: the Risk API behind TLS, with one that ends soon or has ended."""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from devstack.faults.fault import changed
from devstack.process import LOOPBACK
from devstack.stack import Stack
from domain.clock import utc_now
from environments import Environment


@contextmanager
def ending(_: Stack, env: Environment) -> Iterator[Environment]:
    with _behind_tls(env, timedelta(days=5)) as changed_env:
        yield changed_env


@contextmanager
def ended(_: Stack, env: Environment) -> Iterator[Environment]:
    with _behind_tls(env, timedelta(days=-1)) as changed_env:
        yield changed_env


@contextmanager
def _behind_tls(env: Environment, left: timedelta) -> Iterator[Environment]:
    """The Risk API is reached by TLS, whose certificate everybody here trusts and has so long left."""
    with TemporaryDirectory() as folder, socket.create_server((LOOPBACK, 0)) as server:
        shown = Path(folder, "shown.pem")
        _write_certificate(shown, left)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(shown)
        target = urlsplit(env.risk_api.url)
        assert target.hostname and target.port  # noqa: S101 - the stack's own address
        Thread(target=_serve, args=(server, context, (target.hostname, target.port)), daemon=True).start()
        before = os.environ.get("SSL_CERT_FILE")
        os.environ["SSL_CERT_FILE"] = str(shown)
        try:
            yield changed(env, "risk_api", url=f"https://{LOOPBACK}:{server.getsockname()[1]}")
        finally:
            del os.environ["SSL_CERT_FILE"]
            if before is not None:
                os.environ["SSL_CERT_FILE"] = before


def _serve(server: socket.socket, context: ssl.SSLContext, target: tuple[str, int]) -> None:
    """Until `server` is closed."""
    with suppress(OSError):
        while True:
            plain, _ = server.accept()
            Thread(target=_relay, args=(plain, context, target), daemon=True).start()


def _relay(plain: socket.socket, context: ssl.SSLContext, target: tuple[str, int]) -> None:
    """One request, and its answer until either side ends."""
    with suppress(OSError), context.wrap_socket(plain, server_side=True) as client:
        client.settimeout(10)
        with socket.create_connection(target, 10) as behind:
            while asked := client.recv(65536):
                behind.settimeout(10)
                behind.sendall(asked)
                client.sendall(behind.recv(1 << 20))
                behind.settimeout(0.5)  # an answer may come in several pieces
                with suppress(TimeoutError):
                    while more := behind.recv(1 << 20):
                        client.sendall(more)


def _write_certificate(path: Path, left: timedelta) -> None:
    """A self-signed certificate of this machine and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "risk-api")])
    address = x509.IPAddress(ipaddress.ip_address(LOOPBACK))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(utc_now() - timedelta(days=90))
        .not_valid_after(utc_now() + left)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.touch(mode=0o600)
    path.write_bytes(certificate.public_bytes(Encoding.PEM) + secret)
