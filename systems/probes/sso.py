"""Probe of the identity provider: it answers, it takes the Hub's client secret, and its clock agrees with ours."""

from __future__ import annotations

from datetime import timedelta
from email.utils import parsedate_to_datetime

import httpx

from domain.clock import in_words, utc_now
from domain.errors import Failed, Refused
from environments.settings import SsoSettings
from systems.network import trust, unreachable
from systems.probes.look import Seen

TIMEOUT_SECONDS = 10.0
MAX_SKEW = timedelta(seconds=60)


def look_at_sso(sso: SsoSettings) -> Seen:
    """Trade in a code that nobody was given, as the Hub trades in its own: that is refused, the client is not.

    RFC 6749, 5.2: the provider looks at the client first and answers `invalid_client` when its secret is wrong,
    `invalid_grant` when only the code is.
    """
    if sso.url is None:
        return Seen("this environment does not say where people log in", "not configured")
    thing = f"SSO at {sso.url}"
    try:
        response = httpx.post(
            f"{sso.url}/oauth2/token",
            data={
                "grant_type": "authorization_code",
                "code": "riskhub-check",
                "client_id": sso.client_id or "",
                "client_secret": sso.client_secret.get_secret_value() if sso.client_secret else "",
            },
            timeout=TIMEOUT_SECONDS,
            verify=trust(),
        )
    except httpx.TransportError as error:
        step = "people at work go on, nobody else logs in: call whoever runs it"
        raise unreachable(thing, error, kind="sso-down", next_step=step) from None
    if response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise Failed(thing, f"answered {response.status_code}", "call whoever runs it", kind="sso-down")
    said = _error(response)
    if sso.client_secret and said in ("invalid_client", "unauthorized_client"):
        raise Refused(
            thing,
            f"does not take the secret of client {sso.client_id}: nobody can log in",
            "put the secret that the provider has into OAUTH_CLIENT_SECRET (Secret hub), then restart the Hub",
            kind="sso-client",
        )
    skew = _skew(response)
    if skew is not None and abs(skew) > MAX_SKEW:
        which = "ahead of" if skew > timedelta(0) else "behind"
        raise Failed(
            thing,
            f"its clock is {in_words(abs(skew))} {which} ours: tokens count as expired, or as not valid yet",
            "compare both with a third (chronyc tracking), and correct the wrong one",
            kind="clock-skew",
        )
    known = f"knows client {sso.client_id}" if sso.client_secret else "answers; the client's secret is not known here"
    return Seen(f"{known}; its clock agrees with ours")


def _error(response: httpx.Response) -> str:
    try:
        said = response.json().get("error")
    except (ValueError, AttributeError):
        return ""
    return said if isinstance(said, str) else ""


def _skew(response: httpx.Response) -> timedelta | None:
    """How far its clock is ahead of ours."""
    try:
        return parsedate_to_datetime(response.headers["date"]) - utc_now()
    except (KeyError, ValueError):
        return None
