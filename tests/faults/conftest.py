"""A stack with people's homes and one whole recovery point, and on-call's shell beside it."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devstack.day.damage import Look, look_at
from devstack.day.people import Person
from devstack.stack import Stack
from domain.recovery import RecoveryPoint
from environments import Environment, load_environment
from environments.settings import ObjectStoreSettings
from systems.hub import read_version
from systems.objects import list_objects
from systems.recovery_points import newest_point
from tests.faults.oncall import OnCall

FILES, FILE_BYTES = 100, 16 * 1024


@pytest.fixture(scope="session")
def on_call(stack: Stack) -> OnCall:
    keys = stack.choices.secrets
    pem = keys["evidence_key"].splitlines()[1]  # what is told on one line of many
    return OnCall(stack.state, {**keys, "crypt_key, doubled": keys["crypt_key"] * 2, "evidence_key": pem})


@pytest.fixture(scope="session")
def whole(stack: Stack, on_call: OnCall) -> dict[str, Look]:
    """What two homes were when the one good backup was taken that every restore here goes back to.

    Nora and otto never log in: nobody's server writes to these homes.
    """
    stack.revive()
    homes = load_environment("local").homes.user_data
    chance = random.Random(20261123)  # noqa: S311 - content, the same in every run
    for user in ("otto", "nora", "dina"):
        (homes / user / "limits").mkdir(parents=True, exist_ok=True)
        (homes / user / "notes.txt").write_text(f"{user}: first\n")
    for number in range(FILES):
        (homes / "nora" / "limits" / f"{number}.bin").write_bytes(chance.randbytes(FILE_BYTES))
    answer = on_call.riskhub("backup", "run", "--execute", "--json", "--verbose")
    assert answer.code == 0, answer
    return {user: look_at(homes / user) for user in ("otto", "nora")}


@pytest.fixture(scope="module")
def dina(stack: Stack, nobody_at_work: None) -> Person:
    """Dina, logged in by SSO, her server running."""
    person = Person.log_in("dina", stack.public_url)
    person.start_server()
    return person


@pytest.fixture
def hub_stopped(stack: Stack, env: Environment) -> Iterator[None]:
    stack.stop_part("hub")
    yield
    stack.restart_part("hub")
    until(lambda: bool(read_version(env.hub)))


@pytest.fixture
def other_state(stack: Stack, tmp_path: Path) -> Callable[..., Path]:
    """Makes a state folder whose `values.env` is the stack's but for some values."""

    def make(**values: str) -> Path:
        folder = tmp_path / "state"
        folder.mkdir(mode=0o700)
        path = folder / "values.env"
        path.touch(mode=0o600)
        with path.open("a", encoding="utf-8") as file:
            file.write((stack.state / "values.env").read_text())
            file.writelines(f"{name}={value}\n" for name, value in values.items())
        return folder

    return make


@pytest.fixture
def aws_variables(env: Environment) -> dict[str, str]:
    """What `riskhub mirror` needs to know of the bucket."""
    store = env.objects
    assert store.access_key_id and store.secret_access_key and store.endpoint_url
    return {
        "AWS_ACCESS_KEY_ID": store.access_key_id.get_secret_value(),
        "AWS_SECRET_ACCESS_KEY": store.secret_access_key.get_secret_value(),
        "AWS_ENDPOINT_URL_S3": store.endpoint_url,
        "AWS_REGION": store.region,
    }


def point_of_now(on_call: OnCall) -> RecoveryPoint:
    """A whole recovery point, taken as on-call takes one."""
    assert on_call.riskhub("backup", "run", "--execute", "--json").code == 0
    point = newest_point(load_environment("local").objects)
    assert point is not None
    return point


def keys_below(store: ObjectStoreSettings, prefix: str) -> set[str]:
    return {each.key for each in list_objects(store, prefix)}


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "it did not come true in time"
        time.sleep(0.05)


def emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
