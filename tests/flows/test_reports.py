"""The report chapter, whole, on the running stack."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from prefect.exceptions import ParameterTypeError

from devstack.stack import Stack
from domain.record import Record
from environments.loader import state_folder
from environments.settings import Environment
from flows.chapter import record_of
from flows.reports import run_report
from plans.reports import DailyMarketRisk
from systems.objects import get_object, list_objects

pytestmark = pytest.mark.usefixtures("prefect_of_the_stack")


def run(*, execute: bool, **parameters: object) -> Record:
    state = run_report("local", "daily-market-risk", DailyMarketRisk(**parameters), execute, return_state=True)
    made = record_of(state)
    assert made is not None
    return made


def key(link: str) -> str:
    return link.removeprefix("s3://").split("/", 1)[1]


def test_a_dry_run_plans_and_starts_nothing(env: Environment) -> None:
    before = list(list_objects(env.objects, "reports/"))
    made = run(execute=False)
    assert made.state == "planned"
    assert made.actions[0].target.startswith("reports/daily-market-risk/2022-12-28/")
    assert list(list_objects(env.objects, "reports/")) == before


def test_a_report_is_run_published_and_verified(env: Environment) -> None:
    made = run(execute=True, portfolio="us-defensive-income", confidence=0.975)
    assert made.state == "complete", made.summary
    assert [finding.state for finding in made.findings] == ["ok"]
    manifest = json.loads(get_object(env.objects, key(made.links["manifest"])))
    assert manifest["parameters"]["portfolio"] == "us-defensive-income"
    assert manifest["figures"] == made.measures
    assert b"US defensive income" in get_object(env.objects, key(made.links["report"]))
    assert not list((state_folder() / "reports").iterdir())


def test_too_short_a_history_is_refused_before_a_kernel_starts(env: Environment) -> None:
    made = run(execute=True, as_of="1992-01-02")
    assert made.state == "refused"
    assert "it needs 751 days of prices up to 1992-01-02" in made.summary


def test_a_bad_portfolio_is_refused_with_the_known_ones(env: Environment) -> None:
    made = run(execute=True, portfolio="us-equity")
    assert made.state == "refused"
    assert "known: us-equity-core" in made.summary


def test_a_parameter_of_the_wrong_kind_never_reaches_the_flow() -> None:
    with pytest.raises(ParameterTypeError):
        run_report("local", "daily-market-risk", {"confidence": True}, True)


def test_with_the_object_store_down_the_report_is_kept_here_and_is_not_called_good(stack: Stack) -> None:
    stack.stop_part("object-store")
    try:
        made = run(execute=True)
    finally:
        stack.restart_part("object-store")
    assert made.state == "failed"
    assert "complete but not in the bucket" in made.summary
    kept = Path(made.links["notebook"])
    assert kept.is_file()
    shutil.rmtree(kept.parent)
