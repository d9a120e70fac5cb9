"""Probe of the Risk Platform API, with the token that the notebooks' platform user has."""

from __future__ import annotations

import time

import httpx

from domain.errors import Failed, Refused, Unreachable
from environments.settings import RiskApiSettings
from systems.probes.look import Seen

TIMEOUT_SECONDS = 10.0
SLOW_SECONDS = 2.0


def look_at_risk_api(risk_api: RiskApiSettings) -> Seen:
    """It lists portfolios to the token, soon enough to work with."""
    thing = f"Risk API at {risk_api.url}"
    started = time.monotonic()
    try:
        response = httpx.get(
            f"{risk_api.url}/api/v1/portfolios",
            params={"limit": 1},
            headers={"Authorization": f"Bearer {risk_api.token.get_secret_value()}"},
            timeout=TIMEOUT_SECONDS,
        )
    except httpx.TimeoutException:
        raise Unreachable(thing, f"no answer within {TIMEOUT_SECONDS:.0f} s", "look at its load") from None
    except httpx.TransportError as error:
        cause = f"cannot be reached ({type(error).__name__})"  # its text may quote the header with the token
        raise Unreachable(thing, cause, "check that it runs and RISK_API_URL") from None
    seconds = time.monotonic() - started
    if response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise Refused(thing, f"answered {response.status_code}: it does not take the token", "renew RISK_API_TOKEN")
    if response.status_code != httpx.codes.OK:
        raise Failed(thing, f"answered {response.status_code} for the list of portfolios", "read its log")
    what = f"lists portfolios to the token in {seconds * 1000:.0f} ms"
    if seconds > SLOW_SECONDS:
        return Seen(what, "degraded", f"look at its load: reports expect less than {SLOW_SECONDS:.0f} s")
    return Seen(what)
