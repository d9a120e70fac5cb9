"""Every deployment against its flow: what `prefect deploy` and the UI's form would stumble over at run time."""

from __future__ import annotations

import importlib.util
import inspect
from datetime import timedelta
from typing import Any

import pytest
import yaml
from prefect import Flow
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import ConcurrencyLimitConfig
from prefect.client.schemas.schedules import CronSchedule
from prefect.flows import load_flow_from_entrypoint

from environments.alerts import AlertsSettings
from environments.loader import PROJECT

DOCUMENT = yaml.safe_load((PROJECT / "prefect.yaml").read_text())
DEPLOYMENTS: list[dict[str, Any]] = DOCUMENT["deployments"]
IDS = [f"{each['entrypoint'].split(':')[1]}/{each['name']}" for each in DEPLOYMENTS]
each_deployment = pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=IDS)


def flow_of(deployment: dict[str, Any]) -> Flow[Any, Any]:
    return load_flow_from_entrypoint(str(PROJECT / deployment["entrypoint"]))


def in_environment(parameters: dict[str, Any]) -> dict[str, Any]:
    return {name: "local" if value == "{{ $RISKHUB_ENVIRONMENT }}" else value for name, value in parameters.items()}


# By rights that on-call's terminal has and flow runs have not, since Prefect asks nobody who they are: they change the
# cluster itself, or end anybody's access to the Hub.
BY_HAND = {
    "flows/deploy.py:deploy_hub",
    "flows/restore.py:restore_configuration",
    "flows/recover.py:recover_environment",
    "flows/people.py:leaver",
    "flows/restore.py:restore_home_from_snapshot",  # where the root of the file system is mounted; flow runs see less
}


def test_every_flow_of_the_runbook_has_a_deployment_or_is_for_on_calls_own_rights() -> None:
    flows = set()
    for path in (PROJECT / "flows").glob("*.py"):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        made_here = (
            name
            for name, value in vars(module).items()
            if isinstance(value, Flow) and value.fn.__module__ == module.__name__
        )
        flows |= {f"flows/{path.name}:{name}" for name in made_here}
    assert flows == {each["entrypoint"] for each in DEPLOYMENTS} | BY_HAND


@each_deployment
def test_its_entrypoint_imports_and_has_a_runbook_page(deployment: dict[str, Any]) -> None:
    flow = flow_of(deployment)
    assert flow.description and "Run it when" in flow.description


@each_deployment
def test_its_parameters_exist_and_validate_for_every_schedule(deployment: dict[str, Any]) -> None:
    flow = flow_of(deployment)
    known = inspect.signature(flow.fn).parameters
    required = {name for name, each in known.items() if each.default is inspect.Parameter.empty}
    for schedule in deployment.get("schedules", []):
        parameters = in_environment({**deployment["parameters"], **schedule.get("parameters", {})})
        assert required <= parameters.keys(), "a schedule cannot ask anybody"
        flow.validate_parameters(parameters)
    assert set(deployment["parameters"]) <= set(known)


@each_deployment
def test_its_schedules_parse_with_a_time_zone(deployment: dict[str, Any]) -> None:
    for schedule in deployment.get("schedules", []):
        cron = CronSchedule(cron=schedule["cron"], timezone=schedule["timezone"])
        DeploymentScheduleCreate(schedule=cron, parameters=schedule.get("parameters", {}))


@each_deployment
def test_a_person_sees_the_plan_first(deployment: dict[str, Any]) -> None:
    if "execute" in inspect.signature(flow_of(deployment).fn).parameters:
        assert deployment["parameters"]["execute"] is False


@each_deployment
def test_its_limit_pool_and_tags_are_set(deployment: dict[str, Any]) -> None:
    assert deployment["work_pool"]["name"] == "riskhub"
    assert deployment["tags"]
    if deployment.get("schedules"):
        ConcurrencyLimitConfig.model_validate(deployment["concurrency_limit"])


def test_a_second_backup_is_not_started_over_a_running_one() -> None:
    backup = next(each for each in DEPLOYMENTS if each["entrypoint"].endswith(":daily_backup"))
    assert backup["concurrency_limit"]["limit"] == 1
    assert backup["concurrency_limit"]["collision_strategy"] == "CANCEL_NEW"


def test_what_is_shared_is_saved_before_the_nightly_backup_whose_point_brings_it_back() -> None:
    nightly = {each["entrypoint"].split(":")[1]: each for each in DEPLOYMENTS if each["name"] == "nightly"}
    minutes = {}
    for flow in ("mirror_shared", "daily_backup"):
        (schedule,) = nightly[flow]["schedules"]
        minute, hour, *days = schedule["cron"].split()
        assert (days, schedule["parameters"]) == (["*", "*", "*"], {"execute": True})
        minutes[flow] = int(hour) * 60 + int(minute)
    assert 15 <= minutes["daily_backup"] - minutes["mirror_shared"] <= 60


def test_alerts_reckon_with_the_pulse_as_its_schedule_makes_it() -> None:
    (pulse,) = [each for each in DEPLOYMENTS if each["entrypoint"].endswith(":health_pulse")]
    minutes = AlertsSettings().pulse_every // timedelta(minutes=1)
    assert [each["cron"] for each in pulse["schedules"]] == [f"*/{minutes} * * * *"]
