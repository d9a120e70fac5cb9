"""Reports: what the data allows, what is to be made, and under which key it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

Parameter = str | int | float


@dataclass(frozen=True)
class Coverage:
    """The price history behind one portfolio.

    Attributes:
        last_trading_day: the newest day with prices on or before the day asked for.
        trading_days: days with prices up to `last_trading_day`, that day included.
    """

    portfolio: str
    first_date: date
    last_date: date
    last_trading_day: date
    trading_days: int


@dataclass(frozen=True)
class ReportRun:
    """One report to make. `key` is where it is kept: never used twice, since the run id is part of it."""

    report: str
    notebook: str
    notebook_sha256: str
    parameters: Mapping[str, Parameter]
    as_of: date
    run_id: str

    @property
    def key(self) -> str:
        return f"reports/{self.report}/{self.as_of.isoformat()}/{self.run_id}"
