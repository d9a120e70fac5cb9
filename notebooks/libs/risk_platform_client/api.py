"""A read-only client of the Risk Platform API.

Every call has a deadline and is tried again only where that helps (no connection, 429, 5xx); pages are
fetched to their end. Prices come as US dollars, indexed by day; market values are US dollars.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

import httpx
import pandas as pd

PAGE = 5000
ATTEMPTS = 3
WORTH_A_RETRY = frozenset({429, 500, 502, 503, 504})


class RiskPlatformError(Exception):
    """The API said no, or did not answer. The message tells which call and why; it never holds the token."""


class RiskPlatformAPI:
    """The API at `url`, asked with `token`; both come from RISK_API_URL and RISK_API_TOKEN by default.

    Args:
        timeout: seconds for each attempt.

    Example:
        >>> api = RiskPlatformAPI()
        >>> prices = api.prices(["AAPL", "MSFT"], start="2022-01-01")
    """

    def __init__(self, url: str | None = None, token: str | None = None, *, timeout: float = 10) -> None:
        url = url or os.environ.get("RISK_API_URL")
        token = token or os.environ.get("RISK_API_TOKEN")
        if not url or not token:
            missing = "RISK_API_TOKEN" if url else "RISK_API_URL"
            raise RiskPlatformError(f"{missing} is not set: start the notebook on the platform, or set it")
        self.url = url.rstrip("/")
        self._http = httpx.Client(
            base_url=f"{self.url}/api/v1/", headers={"Authorization": f"Bearer {token}"}, timeout=timeout
        )

    def __repr__(self) -> str:
        return f"RiskPlatformAPI({self.url!r})"

    def portfolios(self) -> pd.DataFrame:
        """All portfolios; index `id`, columns name, description, currency, instruments (a list of ids)."""
        return pd.DataFrame(self._items("portfolios")).set_index("id")

    def portfolio(self, portfolio: str) -> dict[str, Any]:
        """One portfolio: id, name, description, currency, instruments."""
        return self._get(f"portfolios/{portfolio}")

    def positions(self, portfolio: str, as_of: date | str | None = None) -> pd.DataFrame:
        """What `portfolio` holds at the last close on or before `as_of` (default: the newest close).

        Returns:
            One row a position, index `instrument`; quantity (shares), price and market_value (US dollars),
            weight (share of the total market value, sums to 1), as_of (the close's day).
        """
        frame = pd.DataFrame(self._items(f"portfolios/{portfolio}/positions", as_of=_day(as_of))).set_index(
            "instrument"
        )
        frame["as_of"] = pd.to_datetime(frame["as_of"])
        frame["weight"] = frame["market_value"] / frame["market_value"].sum()
        return frame

    def instruments(self) -> pd.DataFrame:
        """All instruments; index `id`, columns name, sector, currency."""
        return pd.DataFrame(self._items("instruments")).set_index("id")

    def prices(
        self, instruments: Iterable[str], start: date | str | None = None, end: date | str | None = None
    ) -> pd.DataFrame:
        """Daily closes in US dollars, adjusted for splits and dividends.

        Returns:
            Days (ascending `DatetimeIndex` named date, `start` and `end` included) x instruments, in the
            order asked for; NaN where there was no price.
        """
        wanted = list(instruments)
        items = self._items("prices", instrument=wanted, layout="wide", start=_day(start), to=_day(end))
        return _by_day(pd.DataFrame(items, columns=["date", *wanted]))

    def market_data(self, series: str, start: date | str | None = None, end: date | str | None = None) -> pd.DataFrame:
        """One market data series; days x columns. Its unit and source name are in `frame.attrs`."""
        frame = _by_day(pd.DataFrame(self._items(f"market-data/{series}", start=_day(start), to=_day(end))))
        described = self._get(f"market-data/{series}", limit=1)
        frame.attrs.update({key: described[key] for key in ("name", "unit", "frequency")})
        return frame

    def model_parameters(self, model: str) -> dict[str, float | int | str]:
        """The parameters in force for `model`."""
        parameters: dict[str, float | int | str] = self._get(f"models/{model}/parameters")["parameters"]
        return parameters

    def regulatory_benchmarks(self) -> dict[str, Any]:
        """Basel's backtesting zones and multipliers (MAR33) and the confidence levels they hold for."""
        return self._get("benchmarks/regulatory")

    def _items(self, path: str, **query: Any) -> list[dict[str, Any]]:
        return list(self._pages(path, query))

    def _pages(self, path: str, query: dict[str, Any]) -> Iterator[dict[str, Any]]:
        offset: int | None = 0
        while offset is not None:
            page = self._get(path, **query, limit=PAGE, offset=offset)
            yield from page["items"]
            offset = page["next_offset"]

    def _get(self, path: str, **query: Any) -> Any:
        parameters = {"from" if key == "start" else key: value for key, value in query.items() if value is not None}
        for attempt in range(1, ATTEMPTS + 1):
            last = attempt == ATTEMPTS
            try:
                response = self._http.get(path, params=parameters)
            except httpx.TransportError as error:
                if last:
                    raise RiskPlatformError(f"{self.url} did not answer {path}: {type(error).__name__}") from None
            else:
                if response.status_code not in WORTH_A_RETRY or last:
                    return self._content(path, response)
            time.sleep(0.2 * 2**attempt)
        raise AssertionError("the last attempt returns or raises")

    def _content(self, path: str, response: httpx.Response) -> Any:
        if response.is_success:
            return response.json()
        is_problem = response.headers.get("content-type", "").startswith("application/problem+json")
        detail = response.json().get("detail", "") if is_problem else response.reason_phrase
        raise RiskPlatformError(f"{self.url} answered {response.status_code} to {path}: {detail}")


def _day(day: date | str | None) -> str | None:
    return None if day is None else pd.Timestamp(day).date().isoformat()


def _by_day(frame: pd.DataFrame) -> pd.DataFrame:
    frame["date"] = pd.to_datetime(frame["date"])
    return frame.set_index("date").astype(float)
