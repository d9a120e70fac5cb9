"""What a restore refuses, before anything is touched."""

from __future__ import annotations

import pytest

from devstack.day.damage import Look, look_at
from devstack.day.people import Person
from devstack.stack import Stack
from environments import Environment, load_environment
from systems.homes import MIRROR_PREFIX
from tests.faults.oncall import Answer, OnCall, at_once

BY_FLOW = {
    "a path to another home": (("--user", "otto", "--path", "../nora"), "it is not inside the mirrored tree"),
    "a user that is a path": (("--user", "../nora"), "it has no -2e-2e-2fnora"),
}
BY_MIRROR = {
    "a path out of the tree": (("--path", "../nora"), "it is not inside the mirrored tree"),
    "an absolute path": (("--path", "/etc/passwd"), "it is not inside the mirrored tree"),
    "an unknown user": (("--path", "zoe"), "it has no zoe"),
    "a time before the first point": (("--at", "2001-01-01T00:00:00Z"), "its first point is of"),
}


@pytest.fixture(scope="module")
def beside(stack: Stack, whole: dict[str, Look]) -> set[str]:
    """What the file system holds before anything is asked for: earlier tests may have kept replaced homes there."""
    return {path.name for path in load_environment("local").homes.mount_point.iterdir()}


@pytest.fixture(scope="module")
def refused(on_call: OnCall, whole: dict[str, Look], beside: set[str]) -> dict[str, Answer]:
    """Both flows asked for at once, to be executed."""
    asked = [
        lambda arguments=arguments: on_call.riskhub("restore", "home", *arguments, "--execute", "--json")
        for arguments, _ in BY_FLOW.values()
    ]
    return dict(zip(BY_FLOW, at_once(*asked), strict=True))


@pytest.mark.parametrize("what", BY_FLOW)
def test_a_restore_refuses(what: str, refused: dict[str, Answer]) -> None:
    answer = refused[what]
    assert answer.code == 1
    assert answer.record["state"] == "refused"
    assert answer.record["outcomes"] == []
    assert BY_FLOW[what][1] in answer.err
    assert "Next: " in answer.err


@pytest.mark.parametrize("what", BY_MIRROR)
def test_the_mirror_without_prefect_refuses(
    what: str, on_call: OnCall, env: Environment, whole: dict[str, Look], aws_variables: dict[str, str]
) -> None:
    arguments, cause = BY_MIRROR[what]
    homes = str(env.homes.user_data)
    url = f"s3://{env.objects.bucket}/{MIRROR_PREFIX}"
    answer = on_call.riskhub("mirror", "restore", url, homes, *arguments, "--execute", "--json", **aws_variables)
    assert answer.code == 1
    assert answer.record["state"] == "refused"
    assert cause in answer.record["problem"]
    assert {user: look_at(env.homes.user_data / user) for user in whole} == whole


def test_what_was_refused_touched_nothing(
    refused: dict[str, Answer], whole: dict[str, Look], beside: set[str], env: Environment
) -> None:
    assert {user: look_at(env.homes.user_data / user) for user in whole} == whole
    assert {path.name for path in env.homes.mount_point.iterdir()} == beside


def test_a_home_in_use_is_not_restored_over(
    dina: Person, on_call: OnCall, env: Environment, whole: dict[str, Look]
) -> None:
    home = env.homes.user_data / "dina"
    dina.write_text("notes.txt", "changed\n")
    before = look_at(home)
    answer = on_call.riskhub(
        "restore", "home", "--user", "dina", "--path", "notes.txt", "--confirm", "local", "--execute", "--json"
    )
    assert answer.code == 1
    assert answer.record["state"] == "refused"
    assert "its server dina/ runs" in answer.err
    assert "Next: stop the server" in answer.err
    assert look_at(home) == before
