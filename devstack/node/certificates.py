"""The cluster's certificate authority and everybody's certificates and kubeconfigs, made at the first start."""

from __future__ import annotations

import ipaddress
import json
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from devstack.node import network
from domain.clock import utc_now

_YEARS = timedelta(days=3650)
_API_NAMES = (
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)
NODE_NAME = "node1"
# file -> common name, organisation
_CLIENTS = {
    "admin": ("admin", "system:masters"),
    "controller-manager": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
    "kube-proxy": ("system:kube-proxy", ""),
    "aggregator": ("front-proxy-client", ""),
}


def make_certificates(folder: Path) -> None:
    """Certificates and keys below `folder`, unless they are there; and a kubeconfig for each client.

    Args:
        folder: private to its owner; `admin.kubeconfig` in it is the cluster's master key.
    """
    if (folder / "admin.kubeconfig").exists():
        return
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = ec.generate_private_key(ec.SECP256R1())
    authority = _authority(key)
    (folder / "ca.crt").write_bytes(authority.public_bytes(Encoding.PEM))
    _write_key(folder / "ca.key", key)
    accounts = rsa.generate_private_key(public_exponent=65537, key_size=2048)  # signs service accounts' tokens
    _write_key(folder / "service-accounts.key", accounts)
    addresses = ("127.0.0.1", network.API_SERVICE, network.NODE)
    issuer = (authority, key)
    _issue(folder, "apiserver", issuer, common_name="kube-apiserver", names=_API_NAMES, addresses=addresses)
    _issue(
        folder,
        "kubelet",
        issuer,
        common_name=f"system:node:{NODE_NAME}",
        organisation="system:nodes",
        names=(NODE_NAME,),
        addresses=(network.NODE,),
    )
    for name, (common_name, organisation) in _CLIENTS.items():
        _issue(folder, name, issuer, common_name=common_name, organisation=organisation)
    for name in ("kubelet", *_CLIENTS):
        _write_kubeconfig(folder, name)


Authority = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def _authority(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = _name("riskhub-node", "")
    return (
        _builder(name, name, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def _issue(
    folder: Path,
    file: str,
    authority: Authority,
    *,
    common_name: str,
    organisation: str = "",
    names: tuple[str, ...] = (),
    addresses: tuple[str, ...] = (),
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    alternatives = [*map(x509.DNSName, names), *(x509.IPAddress(ipaddress.ip_address(each)) for each in addresses)]
    builder = (
        _builder(_name(common_name, organisation), authority[0].subject, key)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
    )
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    (folder / f"{file}.crt").write_bytes(builder.sign(authority[1], hashes.SHA256()).public_bytes(Encoding.PEM))
    _write_key(folder / f"{file}.key", key)


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = utc_now()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _YEARS)
    )


def _name(common_name: str, organisation: str) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organisation:
        parts.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation))
    return x509.Name(parts)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> None:
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _write_kubeconfig(folder: Path, name: str) -> None:
    server = f"https://{network.NODE}:{network.API_PORT}"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "riskhub-node", "cluster": {"server": server, "certificate-authority": str(folder / "ca.crt")}}
        ],
        "users": [
            {
                "name": name,
                "user": {
                    "client-certificate": str(folder / f"{name}.crt"),
                    "client-key": str(folder / f"{name}.key"),
                },
            }
        ],
        "contexts": [{"name": "riskhub-node", "context": {"cluster": "riskhub-node", "user": name}}],
        "current-context": "riskhub-node",
    }
    path = folder / f"{name}.kubeconfig"
    path.touch(mode=0o600)
    path.write_text(json.dumps(document))  # JSON is YAML, and kubectl reads either
