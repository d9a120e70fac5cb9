"""Whom connections trust, and why one failed where that is a trouble of its own: a name, or a certificate."""

from __future__ import annotations

import os
import socket
import ssl
from functools import cache

from domain.health import Kind


def kind_of(error: BaseException, otherwise: Kind) -> Kind:
    """`dns` or `certificate` where the client's error came from that, however it was wrapped; else `otherwise`."""
    seen: set[int] = set()
    at: BaseException | None = error
    while at is not None and id(at) not in seen:
        seen.add(id(at))
        if isinstance(at, socket.gaierror):
            return "dns"
        if isinstance(at, ssl.SSLCertVerificationError):
            return "certificate"
        at = at.__cause__ or at.__context__
    return otherwise


def in_words(error: BaseException) -> str:
    """How messages tell it: the type, since a client's text may quote a header with a token, and what is known."""
    known = {"dns": "its name does not resolve", "certificate": "its certificate is not accepted"}
    return known.get(kind_of(error, "hub-down"), type(error).__name__)


def trust() -> ssl.SSLContext:
    """The system's trusted roots, or those of $SSL_CERT_FILE; read once, since it takes longer than most calls."""
    return _trust(os.environ.get("SSL_CERT_FILE"))


@cache
def _trust(_: str | None) -> ssl.SSLContext:
    return ssl.create_default_context()
