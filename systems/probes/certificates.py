"""Probe of the certificates that this environment's addresses show: how long each is still good."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from domain.clock import utc_now
from systems.probes.look import Seen

TIMEOUT_SECONDS = 5.0


def look_at_certificates(urls: Iterable[str], *, min_days: int) -> Seen:
    """Each is accepted here, and has more than `min_days` days left.

    An address that does not answer is told by the probe of its part.
    """
    addresses = sorted({(url.hostname, url.port or 443) for each in urls if (url := urlsplit(each)).scheme == "https"})
    if not addresses:
        return Seen("no address of this environment is https", "not configured")
    with ThreadPoolExecutor(len(addresses)) as pool:
        looked = dict(zip(addresses, pool.map(_look, addresses), strict=True))
    refused = [f"{host}:{port}: {found}" for (host, port), found in looked.items() if isinstance(found, str)]
    if refused:
        return Seen(
            "; ".join(refused), "failed", "renew it where TLS ends, with every certificate between", "certificate"
        )
    ends = {address: found for address, found in looked.items() if isinstance(found, datetime)}
    soon = {address: end for address, end in ends.items() if end - utc_now() < timedelta(days=min_days)}
    told = ", ".join(f"{host} until {end:%Y-%m-%d}" for (host, _), end in sorted((soon or ends).items()))
    if soon:
        return Seen(f"fewer than {min_days} days left: {told}", "degraded", "renew it where TLS ends", "certificate")
    return Seen(told or "none of the addresses answers")


def _look(address: tuple[str, int]) -> datetime | str | None:
    """When the certificate ends, or why it is not accepted; None where nobody answers."""
    try:
        with (
            socket.create_connection(address, TIMEOUT_SECONDS) as plain,
            ssl.create_default_context().wrap_socket(plain, server_hostname=address[0]) as secure,
        ):
            shown = secure.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    except OSError:
        return None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(shown["notAfter"])), UTC)
