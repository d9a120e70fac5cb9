"""The Risk Platform API as operations need it: how much price history a portfolio has.

Analysts' own client, with pandas, is `notebooks/libs/risk_platform_client`.
"""

from __future__ import annotations

from datetime import date
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from domain.errors import Damaged, Refused, Unreachable
from domain.reports import Coverage
from environments.settings import RiskApiSettings

TIMEOUT = 10.0


class _Coverage(BaseModel):
    portfolio: str
    first_date: date
    last_date: date
    last_trading_day: date
    trading_days: int


def read_coverage(settings: RiskApiSettings, portfolio: str, as_of: date | None = None) -> Coverage:
    """The price history of `portfolio` up to `as_of` (default: all of it).

    Raises:
        Refused: no such portfolio, a day outside the data, or a token that is not accepted.
        Unreachable: the API did not answer.
        Damaged: it answered something else.
    """
    thing = f"Risk API at {settings.url}"
    try:
        response = httpx.get(
            f"{settings.url}/api/v1/portfolios/{quote(portfolio, safe='')}/coverage",
            params={"as_of": as_of.isoformat()} if as_of else {},
            headers={"Authorization": f"Bearer {settings.token.get_secret_value()}"},
            timeout=TIMEOUT,
        )
    except httpx.TransportError as error:
        raise Unreachable(thing, f"it did not answer ({type(error).__name__})", "check the Risk API") from None
    if response.status_code in (401, 403):
        raise Refused(thing, "it does not accept the token", "set risk_api.token (RISK_API_TOKEN) and run again")
    if response.status_code in (404, 422):
        raise Refused(thing, _detail(response), "correct the report's parameters")
    if response.status_code >= 400:
        raise Unreachable(thing, f"it answered {response.status_code}", "check the Risk API")
    try:
        return Coverage(**_Coverage.model_validate_json(response.content).model_dump())
    except ValidationError as error:
        raise Damaged(thing, f"its answer has {error.error_count()} faults", "check risk_api.url") from None


def _detail(response: httpx.Response) -> str:
    if response.headers.get("content-type", "").startswith("application/problem+json"):
        return str(response.json().get("detail", response.reason_phrase))
    return f"it answered {response.status_code}"
