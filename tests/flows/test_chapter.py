"""Chapters on a real Prefect server, their evidence in a real bucket."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from prefect import State, task
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.objects import Artifact, StateType
from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

from devstack import scheduler
from devstack.aws.part import aws_control_plane
from devstack.object_store import PORTS, object_store
from devstack.process import free_ports, start, stop, wait_ready
from domain.clock import utc_now
from domain.errors import Refused, Unreachable
from domain.plan import Action, Outcome, Plan
from domain.record import Record
from environments import EnvironmentName, load_environment
from environments.culling import CullPolicy
from environments.loader import PROJECT
from flows.chapter import NotDone, chapter, record_of
from systems.evidence import record_in, verified_record
from systems.objects import get_object
from systems.signing import SigningKey, new_key, payload_of, signed_by
from tasks.records import publish_plan, record
from tests.flows.conftest import deliver_events

LOCAL_VARIABLES = {
    **dict.fromkeys(
        (
            "JUPYTERHUB_API_URL",
            "JUPYTERHUB_PUBLIC_URL",
            "RISK_API_URL",
            "AWS_CONTROL_ENDPOINT_URL",
            "PREFECT_UI_URL",
            "PREFECT_API_URL",
        ),
        "http://127.0.0.1:9",
    ),
    **dict.fromkeys(
        (
            "JUPYTERHUB_API_TOKEN",
            "AWS_CONTROL_ACCESS_KEY_ID",
            "AWS_CONTROL_SECRET_ACCESS_KEY",
            "RISK_API_TOKEN",
            "S3_ACCESS_KEY_ID",
            "S3_SECRET_ACCESS_KEY",
        ),
        "kept-to-ourselves",
    ),
    "HUB_DATABASE_URL": "postgresql://127.0.0.1:9/hub",
    "POSTGRES_TOOLS": "/nowhere",
    "EFS_MOUNT_POINT": "/nowhere",
    "EFS_FILE_SYSTEM_ID": "fs-1",
    "S3_BACKUP_BUCKET": "riskhub-backup",
    "AWS_BACKUP_ROLE_ARN": "arn:aws:iam::123456789012:role/riskhub-backup",
}


@pytest.fixture(scope="module")
def prefect_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    state = tmp_path_factory.mktemp("prefect")
    (port,) = free_ports(1)
    variables = scheduler.prefect_variables(state, port)
    part = scheduler.server(variables, port)
    process = start(part, state)
    try:
        wait_ready(part, process, state)
        yield variables["PREFECT_API_URL"]
    finally:
        stop(part, process)


@pytest.fixture(scope="module")
def store_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    state = tmp_path_factory.mktemp("store")
    ports = free_ports(PORTS)
    key = LOCAL_VARIABLES["S3_ACCESS_KEY_ID"]
    part = object_store(state, ports, key, key)
    process = start(part, state)
    try:
        wait_ready(part, process, state)
        url = f"http://127.0.0.1:{ports[0]}"
        client = boto3.client(
            "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id=key, aws_secret_access_key=key
        )
        client.create_bucket(Bucket="riskhub-backup", ObjectLockEnabledForBucket=True)
        yield url
    finally:
        stop(part, process)


KEY = new_key()


@pytest.fixture(scope="module")
def vault_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    state = tmp_path_factory.mktemp("aws")
    (port,) = free_ports(1)
    secrets = {"riskhub/evidence-signing-key": KEY.get_secret_value()}
    part = aws_control_plane(state, port, "fs-1", state / "homes", secrets=secrets)
    process = start(part, state)
    try:
        wait_ready(part, process, state)
        yield f"http://127.0.0.1:{port}"
    finally:
        stop(part, process)


@pytest.fixture(autouse=True)
def platform(
    prefect_url: str, store_url: str, vault_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    addresses = {"S3_ENDPOINT_URL": store_url, "PREFECT_API_URL": prefect_url, "AWS_CONTROL_ENDPOINT_URL": vault_url}
    for name, value in {**LOCAL_VARIABLES, **addresses}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("RISKHUB_STATE", str(tmp_path))
    with temporary_settings({PREFECT_API_URL: prefect_url, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        yield
        deliver_events()


@task
def ask_a_hub_that_is_down() -> None:
    raise Unreachable("Hub at http://hub", "it does not answer", "look at its pod")


@chapter("lock-doors")
def lock_doors(  # noqa: PLR0917 - the form in the UI has as many fields
    environment: EnvironmentName = "local",
    policy: CullPolicy | None = None,
    failures: int = 0,
    doors: int = 2,
    trouble: str = "",
    execute: bool = False,
) -> Record:
    """Lock every door.

    Run it when: nobody is in.
    """
    started_at = utc_now()
    env = load_environment(environment)
    if trouble == "refused":
        raise Refused("the front door", "somebody is inside", "ask them out")
    if trouble == "task":
        ask_a_hub_that_is_down()
    if trouble == "defect":
        raise KeyError("kept-to-ourselves")
    actions = tuple(Action("lock", f"door|{n}/[x](https://e)\n# <b>", "open", n) for n in range(doors))
    plan = Plan("lock the doors", actions)
    publish_plan(plan, environment=env)
    states = ["failed" if n < failures else "done" for n in range(doors)]
    outcomes = [Outcome("lock", f"door {n}", state) for n, state in enumerate(states)]  # type: ignore[arg-type]
    return record(
        flow="lock-doors",
        environment=env,
        started_at=started_at,
        plan=plan,
        executed=execute,
        outcomes=outcomes if execute else (),
        summary=f"{doors} doors",
    )


def run(**parameters: Any) -> State[Record]:
    return lock_doors(**parameters, return_state=True)


def done(state: State[Record]) -> Record:
    found = record_of(state)
    assert found is not None
    return found


def evidence_of(found: Record) -> Record:
    objects = load_environment("local").objects
    key = found.links["evidence"].removeprefix(f"s3://{objects.bucket}/")
    return verified_record(get_object(objects, key), SigningKey(KEY).public, thing=key)


def artifact(key: str) -> Artifact:
    with get_client(sync_client=True) as client:
        wanted = ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
        return max(client.read_artifacts(artifact_filter=wanted), key=lambda each: str(each.created))


def test_a_complete_run_is_completed_and_its_evidence_is_in_the_bucket() -> None:
    state = run(execute=True)
    assert (state.type, state.name, state.message) == (StateType.COMPLETED, "Completed", "2 doors")
    assert done(state).links["evidence"].startswith("s3://riskhub-backup/evidence/lock-doors/")
    assert evidence_of(done(state)).outcomes == done(state).outcomes


def test_a_dry_run_is_completed_and_named_planned() -> None:
    state = run()
    assert (state.type, state.name) == (StateType.COMPLETED, "Planned")
    assert [action.verb for action in done(state).actions] == ["lock", "lock"]


def test_a_partial_run_is_not_green() -> None:
    state = run(failures=1, execute=True)
    assert (state.type, state.name) == (StateType.FAILED, "Partial")
    assert done(state).state == "partial"


def test_a_failed_run_carries_its_record() -> None:
    state = run(failures=2, execute=True)
    assert (state.type, state.name, state.message) == (StateType.FAILED, "Failed", "2 doors")
    assert done(state).outcomes[0].state == "failed"


def test_without_a_state_asked_for_the_record_is_returned_or_raised() -> None:
    assert lock_doors().state == "planned"
    with pytest.raises(NotDone, match="2 doors") as raised:
        lock_doors(failures=1, execute=True)
    assert raised.value.record.state == "partial"


def test_a_refusal_is_a_message_without_a_traceback_and_leaves_evidence(caplog: pytest.LogCaptureFixture) -> None:
    state = run(trouble="refused")
    message = "the front door: somebody is inside. Next: ask them out"
    assert (state.type, state.name, state.message) == (StateType.FAILED, "Refused", message)
    assert message in caplog.text
    assert "Traceback" not in caplog.text
    assert evidence_of(done(state)).state == "refused"


def test_an_error_for_people_raised_in_a_task_has_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    state = run(trouble="task")
    assert (state.name, state.message) == ("Failed", "Hub at http://hub: it does not answer. Next: look at its pod")
    assert "Traceback" not in caplog.text


def test_a_defect_keeps_its_traceback_and_its_evidence_does_not_quote_it(
    caplog: pytest.LogCaptureFixture, store_url: str
) -> None:
    state = run(trouble="defect")
    assert state.type == StateType.FAILED
    assert "Traceback" in caplog.text
    assert record_of(state) is None
    page = artifact("lock-doors-result")
    assert "ended by KeyError" in str(page.data)
    assert "kept-to-ourselves" not in str(page.data)


def test_the_form_in_the_ui_keeps_types_and_defaults() -> None:
    schema = lock_doors.parameters
    assert schema.properties["environment"]["enum"] == ["local", "dev", "uat", "prod"]
    assert schema.properties["execute"]["default"] is False
    assert schema.definitions is not None and "idle" in schema.definitions["CullPolicy"]["properties"]
    assert lock_doors.description == "Lock every door.\n\nRun it when: nobody is in."


def test_a_parameter_of_the_wrong_type_does_not_start_the_chapter() -> None:
    state = run(doors="many")
    assert state.type == StateType.FAILED
    assert "doors" in (state.message or "")


def test_a_chapter_without_an_environment_is_no_chapter() -> None:
    with pytest.raises(TypeError, match="environment"):
        chapter("nowhere")(lambda: None)  # type: ignore[arg-type,return-value]


def test_a_store_that_is_down_does_not_hide_the_result(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("S3_ENDPOINT_URL", "http://127.0.0.1:9")
    state = run(execute=True)
    assert state.name == "Completed"
    (warning,) = done(state).findings
    assert (warning.probe, warning.state) == ("evidence", "failed")
    kept = Path(done(state).links["evidence"])
    assert kept.is_relative_to(tmp_path / "evidence")
    assert record_in(payload_of(kept.read_bytes(), thing="it"), thing="it").summary == "2 doors"


def test_a_vault_that_is_down_leaves_evidence_unsigned_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONTROL_ENDPOINT_URL", "http://127.0.0.1:9")
    state = run(execute=True)
    assert state.name == "Completed"
    (warning,) = done(state).findings
    assert (warning.probe, warning.state) == ("evidence", "failed")
    assert "evidence is not signed: secret riskhub/evidence-signing-key" in warning.seen
    key = done(state).links["evidence"].partition("riskhub-backup/")[2]
    envelope = get_object(load_environment("local").objects, key)
    assert signed_by(envelope, thing=key) is None
    assert "evidence is not signed" in record_in(payload_of(envelope, thing=key), thing=key).findings[0].seen


def test_an_unreadable_environment_is_refused_and_its_evidence_stays_here(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("RISK_API_TOKEN")
    state = run()
    assert state.name == "Refused"
    assert "RISK_API_TOKEN is not set" in (state.message or "")
    assert list((tmp_path / "evidence" / "lock-doors").iterdir())


def test_the_plan_is_an_artifact_with_names_as_they_are_and_not_too_long() -> None:
    run(doors=500)
    page = str(artifact("lock-doors-plan").data)
    assert page.count("| lock |") == 200
    assert "and 300 more" in page
    assert "<b>" not in page
    assert "[x](https" not in page


@pytest.mark.parametrize(("trouble", "name"), [("refused", "Refused"), ("", "Planned")])
def test_the_worker_process_ends_in_the_same_state_without_a_traceback(
    trouble: str, name: str, prefect_url: str
) -> None:
    with get_client(sync_client=True) as client:
        flow_run = client.create_flow_run(lock_doors, parameters={"trouble": trouble})
        variables = {
            **os.environ,
            "PYTHONPATH": str(PROJECT),
            "PREFECT__FLOW_RUN_ID": str(flow_run.id),
            "PREFECT__FLOW_ENTRYPOINT": f"{__file__}:lock_doors",
        }
        ended = subprocess.run(
            (sys.executable, "-m", "prefect.engine"),
            env=variables,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        state = client.read_flow_run(flow_run.id).state
    assert state is not None and state.name == name, ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr
