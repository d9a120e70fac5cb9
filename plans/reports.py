"""The catalogue of reports, and what one run would do.

A report is a notebook below `notebooks/reports` and one parameters model: the form in the Prefect UI, the
options of the command line and the notebook's `parameters` cell are all that model. Whatever can be known
to be wrong before a kernel starts is refused here, since papermill only warns of a name it does not know and
computes a VaR for a confidence of `true` without an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from domain.errors import Refused
from domain.plan import Action, Plan
from domain.reports import Coverage, Parameter, ReportRun

ReportName = Literal["daily-market-risk"]


def _iso_day(value: object) -> object:
    """Pydantic would read the number 5 as a day in 1970."""
    if isinstance(value, str) and len(value) == len("2022-12-28"):
        return value
    if value is None or type(value) is date:
        return value
    raise ValueError("write the day as 2022-12-28")


IsoDay = Annotated[date, BeforeValidator(_iso_day)]


class DailyMarketRisk(BaseModel):
    """What the daily market risk report is made from.

    Attributes:
        portfolio: id in the Risk Platform.
        as_of: a trading day; none for the newest day with prices.
        confidence: of VaR and expected shortfall, e.g. 0.99.
        window_days: trading days of history behind the figures.
        backtest_days: trading days before `as_of` on which the VaR is held against what happened.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    portfolio: str = Field(default="us-equity-core", pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=63)
    as_of: IsoDay | None = None
    confidence: float = Field(default=0.99, strict=True, ge=0.9, lt=1, allow_inf_nan=False)
    window_days: int = Field(default=500, strict=True, ge=60, le=2000)
    backtest_days: int = Field(default=250, strict=True, ge=0, le=2000)

    @model_validator(mode="after")
    def _the_tail_is_not_empty(self) -> DailyMarketRisk:
        beyond = self.window_days * (1 - self.confidence)
        if beyond < 0.999:  # 100 x (1 - 0.99) is a hair below 1 in binary
            raise ValueError(
                f"a window of {self.window_days} days holds {beyond:.1f} days beyond a confidence of "
                f"{self.confidence:g}: widen window_days or lower confidence"
            )
        return self

    @property
    def days_needed(self) -> int:
        """Days with prices up to `as_of`: a return needs two."""
        return self.window_days + self.backtest_days + 1


@dataclass(frozen=True)
class ReportDefinition:
    """One report of the catalogue; `notebook` is a file below `notebooks/reports`."""

    title: str
    notebook: str
    parameters: type[DailyMarketRisk]


CATALOGUE: dict[ReportName, ReportDefinition] = {
    "daily-market-risk": ReportDefinition("Daily market risk", "daily_market_risk.ipynb", DailyMarketRisk),
}


def plan_report(
    name: ReportName, parameters: DailyMarketRisk, coverage: Coverage, *, notebook_sha256: str, run_id: str
) -> Plan[ReportRun]:
    """One run of report `name`: which notebook, on which inputs, kept under which key.

    Raises:
        Refused: the portfolio's data does not allow it: no prices on `as_of`, or too short a history.
    """
    definition = CATALOGUE[name]
    thing = f"report {name!r} of {parameters.portfolio!r}"
    as_of = parameters.as_of or coverage.last_date
    if coverage.last_trading_day != as_of:
        cause = f"{as_of} has no prices; the last trading day before it is {coverage.last_trading_day}"
        raise Refused(thing, cause, f"set as_of to {coverage.last_trading_day}")
    if coverage.trading_days < parameters.days_needed:
        cause = (
            f"it needs {parameters.days_needed} days of prices up to {as_of}, "
            f"and there are {coverage.trading_days} (from {coverage.first_date})"
        )
        raise Refused(thing, cause, "choose a later as_of, or fewer window_days or backtest_days")
    run = ReportRun(
        report=name,
        notebook=definition.notebook,
        notebook_sha256=notebook_sha256,
        parameters=_cell_values(parameters, as_of),
        as_of=as_of,
        run_id=run_id,
    )
    reason = (
        f"{', '.join(f'{key} {value}' for key, value in run.parameters.items())}; "
        f"{coverage.trading_days} days of prices; {run.notebook} {notebook_sha256[:12]}"
    )
    return Plan(title=f"{definition.title}, {as_of}", actions=(Action("run and publish", f"{run.key}/", reason, run),))


def _cell_values(parameters: DailyMarketRisk, as_of: date) -> dict[str, Parameter]:
    """The values of the notebook's `parameters` cell: JSON scalars, the day as text."""
    values: dict[str, Parameter] = parameters.model_dump(mode="json")
    return {**values, "as_of": as_of.isoformat()}
