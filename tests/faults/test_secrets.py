"""No secret is anywhere but where it lives, after everything has run: by deployments, by commands, by people."""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from devstack.day.damage import Look
from devstack.day.people import Person
from devstack.day.runs import Deployments
from devstack.process import marked
from devstack.stack import Stack
from environments import Environment, load_environment
from systems.objects import get_object
from systems.signing import payload_of
from tests.faults.conftest import keys_below, point_of_now
from tests.faults.oncall import OnCall

pytestmark = pytest.mark.timeout(400)  # the first test begins with a whole day

RUNS = {
    "cull-idle-servers/every-15-minutes": {"execute": True},
    "daily-backup/nightly": {"execute": True},
    "mirror-shared/nightly": {"execute": True},
    "run-report/weekday-mornings": {"execute": True},
    "restore-user-home/on-call": {"user": "nora", "confirm": "local", "execute": True},
    "daily-health-check/morning": {},  # green once there is a drill and a mirror of all that is to be recovered
}
# What a process of the stack is told and nobody else should read; some are made by the Hub itself.
VARIABLES = (
    "OAUTH_CLIENT_SECRET",
    "JUPYTERHUB_API_TOKEN",
    "JUPYTERHUB_PEOPLE_TOKEN",
    "JPY_API_TOKEN",
    "CONFIGPROXY_AUTH_TOKEN",
    "RISK_API_TOKEN",
)


@pytest.fixture(scope="module")
def canary() -> str:
    """A word that is no secret and is spoken to the product: where it turns up, a secret would be found too."""
    return f"canary{secrets.token_hex(8)}"


@pytest.fixture(scope="module")
def worked(stack: Stack, on_call: OnCall, dina: Person, whole: dict[str, Look], canary: str) -> Stack:
    """The stack after a day: every chapter run by its deployment, a drill and what other tests ran by command."""
    stack.revive()
    dina.write_notebook("portfolio.ipynb")
    drill = on_call.riskhub("recovery", "drill", "--point", point_of_now(on_call).id, "--execute")
    assert drill.code == 0, drill
    env = load_environment("local")
    deployments = Deployments(env.prefect.api_url, env.prefect.ui_url)
    spoken = deployments.start("restore-user-home/on-call", {"user": canary})
    ended = {name: deployments.wait(deployments.start(name, parameters)) for name, parameters in RUNS.items()}
    assert not {name: f"{run.state}: {run.message}" for name, run in ended.items() if not run.succeeded}
    assert deployments.wait(spoken).state == "Refused"
    on_call.riskhub("restore", "home", "--user", canary, "--verbose")
    return stack


@pytest.fixture(scope="module")
def places(worked: Stack, on_call: OnCall) -> dict[str, bytes]:
    """Everything that others may read, by where it is."""
    env = load_environment("local")
    found = {"what the commands said": "\n".join(on_call.said).encode()}
    for folder in ("logs", "evidence", "reports", "aws"):
        for path in (worked.state / folder).rglob("*"):
            if path.is_file() and "user-data" not in path.parts:  # a snapshot's homes are as private as the homes
                found[str(path.relative_to(worked.state))] = path.read_bytes()
    for path in (worked.state / "prefect").rglob("*"):
        if path.is_file():
            found[str(path.relative_to(worked.state))] = path.read_bytes()
    found["rows of Prefect's database"] = "\n".join(rows(worked.state / "prefect" / "prefect.db")).encode()
    for prefix in ("evidence/", "recovery-points/", "reports/"):
        for key in keys_below(env.objects, prefix):
            if not key.endswith(".dump"):  # the Hub's own database, encrypted where it must be
                body = get_object(env.objects, key)
                is_envelope = prefix == "evidence/" and key.endswith(".json")
                found[key] = payload_of(body, thing=key) if is_envelope else body
    words = [word for process in marked(worked.state) for word in process.cmdline()]
    found["process list"] = "\n".join(words).encode()
    return found


def rows(database: Path) -> Iterator[str]:
    """Every row as SQL: a long text is spread over pages of the file, where a search of its bytes may miss it."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        yield from connection.iterdump()


@pytest.fixture(scope="module")
def hidden(worked: Stack, dina: Person) -> dict[str, str]:
    """Every secret there is, by name: the stack's, the Hub's for its users' servers, dina's own token."""
    keys = worked.choices.secrets
    known = {**keys, "crypt_key, doubled": keys["crypt_key"] * 2, "evidence_key": keys["evidence_key"].split("\n")[1]}
    known["dina's token"] = dina.client.headers["Authorization"].removeprefix("token ")
    for process in marked(worked.state):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            environment = process.environ()
            known |= {f"{name} of {process.pid}": environment[name] for name in VARIABLES if environment.get(name)}
    return known


def found_in(places: dict[str, bytes], word: str) -> set[str]:
    return {place for place, content in places.items() if word.encode() in content}


def test_the_search_sees_what_was_said_to_a_flow(places: dict[str, bytes], canary: str) -> None:
    where = found_in(places, canary)
    assert {"what the commands said", "rows of Prefect's database", "prefect/prefect.db"} <= where
    assert any(place.startswith("evidence/restore-user-home/") for place in where)
    assert any(place.startswith("logs/") for place in where)


def test_no_secret_is_in_a_log_a_database_an_object_the_process_list_or_an_answer(
    places: dict[str, bytes], hidden: dict[str, str]
) -> None:
    assert len(hidden) > 15
    for kind in ("logs/", "prefect/", "evidence/", "recovery-points/", "reports/"):
        assert any(place.startswith(kind) and content for place, content in places.items()), kind
    leaks = {name: where for name, secret in hidden.items() if (where := found_in(places, secret))}
    assert leaks == {}


def test_every_record_of_the_day_is_in_the_bucket(places: dict[str, bytes], env: Environment) -> None:
    assert {key.split("/")[1] for key in keys_below(env.objects, "evidence/")} >= {name.split("/")[0] for name in RUNS}
