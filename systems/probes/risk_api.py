"""Probe of the Risk Platform API, with the token that the notebooks' platform user has."""

from __future__ import annotations

import httpx

from domain.errors import Failed, Refused, Unreachable
from environments.settings import RiskApiSettings
from systems.network import trust, unreachable
from systems.probes.look import Seen

TIMEOUT_SECONDS = 10.0
SLOW_SECONDS = 2.0


def look_at_risk_api(risk_api: RiskApiSettings) -> Seen:
    """It lists portfolios to the token, soon enough to work with."""
    thing = f"Risk API at {risk_api.url}"
    try:
        response = httpx.get(
            f"{risk_api.url}/api/v1/portfolios",
            params={"limit": 1},
            headers={"Authorization": f"Bearer {risk_api.token.get_secret_value()}"},
            timeout=TIMEOUT_SECONDS,
            verify=trust(),
        )
    except httpx.TimeoutException:
        cause = f"no answer within {TIMEOUT_SECONDS:.0f} s"
        raise Unreachable(thing, cause, "look at its load", kind="risk-api-slow") from None
    except httpx.TransportError as error:
        step = "check that it runs and RISK_API_URL"
        raise unreachable(thing, error, kind="risk-api-down", next_step=step) from None
    seconds = response.elapsed.total_seconds()
    if response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        cause = f"answered {response.status_code}: it does not take the token"
        raise Refused(thing, cause, "renew RISK_API_TOKEN", kind="risk-api-token")
    if response.status_code != httpx.codes.OK:
        raise Failed(
            thing, f"answered {response.status_code} for the list of portfolios", "read its log", kind="risk-api-error"
        )
    what = f"lists portfolios to the token in {seconds * 1000:.0f} ms"
    if seconds > SLOW_SECONDS:
        step = f"look at its load: reports expect less than {SLOW_SECONDS:.0f} s"
        return Seen(what, "degraded", step, "risk-api-slow")
    return Seen(what)
