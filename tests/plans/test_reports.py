"""Reports are refused for what can be known before a kernel starts."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from domain.errors import Refused
from domain.plan import Plan
from domain.reports import Coverage, ReportRun
from environments.loader import PROJECT
from plans.reports import CATALOGUE, DailyMarketRisk, plan_report

LAST = date(2022, 12, 28)
COVERAGE = Coverage("us-equity-core", date(1990, 1, 2), LAST, last_trading_day=LAST, trading_days=8313)


def plan(coverage: Coverage = COVERAGE, **parameters: Any) -> Plan[ReportRun]:
    wanted = DailyMarketRisk(**parameters)
    return plan_report("daily-market-risk", wanted, coverage, notebook_sha256="ab" * 32, run_id="20261123T060000Z-1")


def test_a_plan_names_notebook_inputs_and_a_key_of_its_own() -> None:
    (action,) = plan().actions
    assert action.target == "reports/daily-market-risk/2022-12-28/20261123T060000Z-1/"
    assert "portfolio us-equity-core" in action.reason
    assert action.on.parameters == {
        "portfolio": "us-equity-core",
        "as_of": "2022-12-28",
        "confidence": 0.99,
        "window_days": 500,
        "backtest_days": 250,
    }


def test_other_parameters_are_another_plan() -> None:
    assert plan().digest != plan(confidence=0.975).digest


def test_the_whole_history_is_enough_and_a_day_less_is_not() -> None:
    exactly = Coverage("us-equity-core", LAST, LAST, LAST, trading_days=751)
    assert plan(exactly).actions
    one_less = Coverage("us-equity-core", LAST, LAST, LAST, trading_days=750)
    with pytest.raises(Refused, match="needs 751 days of prices up to 2022-12-28, and there are 750"):
        plan(one_less)


def test_a_day_without_prices_is_refused_with_the_day_before_it() -> None:
    friday = date(2022, 12, 23)
    christmas = Coverage("us-equity-core", date(1990, 1, 2), LAST, last_trading_day=friday, trading_days=8311)
    with pytest.raises(Refused, match=r"2022-12-25 has no prices.*Next: set as_of to 2022-12-23"):
        plan(christmas, as_of="2022-12-25")


@pytest.mark.parametrize(
    "parameters",
    [
        {"confidence": True},
        {"confidence": 0.05},
        {"confidence": 1.0},
        {"confidence": "0.99"},
        {"confidence": float("nan")},
        {"window_days": 59},
        {"window_days": 2001},
        {"window_days": True},
        {"backtest_days": -1},
        {"portfolio": "../other"},
        {"portfolio": "us-equity-core\n"},
        {"portfolio": ""},
        {"as_of": "yesterday"},
        {"as_of": 5},
        {"as_of": "2022-13-01"},
        {"horizon": 10},
    ],
)
def test_a_parameter_that_would_give_a_wrong_number_is_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        DailyMarketRisk(**parameters)


def test_a_window_without_a_day_beyond_the_confidence_is_refused() -> None:
    assert DailyMarketRisk(window_days=100, confidence=0.99)
    with pytest.raises(ValidationError, match=r"holds 0\.5 days beyond a confidence of 0\.999"):
        DailyMarketRisk(window_days=500, confidence=0.999)


def test_every_report_of_the_catalogue_has_its_notebook() -> None:
    for definition in CATALOGUE.values():
        assert (PROJECT / "notebooks" / "reports" / definition.notebook).is_file()
