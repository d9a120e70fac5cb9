"""Whom connections trust, and why one failed where that is a trouble of its own: a name, or a certificate."""

from __future__ import annotations

import os
import socket
import ssl
from functools import cache

from domain.errors import Unreachable
from domain.health import Kind

_TOLD: dict[Kind, tuple[str, str]] = {
    "dns": ("its name does not resolve", "look at the name (getent hosts), then at the resolver"),
    "certificate": ("its certificate is not accepted", "renew it where TLS ends, or trust who issued it here"),
}


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


def unreachable(thing: str, error: Exception, *, kind: Kind, next_step: str) -> Unreachable:
    """The error to raise where `thing` was not reached; `kind` and `next_step` as long as it is none of the two.

    Of the client's error its type is told at most: its text may quote a header with a token.
    """
    kind = kind_of(error, kind)
    what, step = _TOLD.get(kind, (type(error).__name__, next_step))
    return Unreachable(thing, f"cannot be reached ({what})", step, kind=kind)


def trust() -> ssl.SSLContext:
    """The system's trusted roots, or those of $SSL_CERT_FILE; read once, since it takes longer than most calls."""
    return _trust(os.environ.get("SSL_CERT_FILE"))


@cache
def _trust(_: str | None) -> ssl.SSLContext:
    return ssl.create_default_context()
