"""What is wrong before anything begins: the environment's name, its file, its variables, its tokens."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from devstack.stack import Stack
from environments import Environment
from environments.loader import PROJECT
from tests.faults.oncall import OnCall, at_once

ACTS = (("health", "check"), ("sessions", "cull"), ("backup", "run"), ("restore", "home", "--user", "otto"))


def test_an_unknown_environment_is_a_usage_error_that_names_the_known_ones(on_call: OnCall) -> None:
    answers = at_once(
        lambda: on_call.riskhub("health", "check", "--environment", "staging", "--json"),
        lambda: on_call.riskhub("sessions", "cull", RISKHUB_ENVIRONMENT="staging"),
    )
    for answer in answers:
        assert answer.code == 2
        assert answer.out == ""
        assert "'staging' is not one of 'local', 'dev', 'uat', 'prod'" in answer.err


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with environment files of its own; everything else is this one."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for package in ("cli", "devstack", "domain", "flows", "plans", "systems", "tasks"):
        (folder / package).symlink_to(PROJECT / package)
    shutil.copytree(PROJECT / "environments", folder / "environments")
    return folder


@pytest.mark.parametrize(
    ("before", "after", "cause"),
    [
        ("[hub]", "[hub", "the file is not valid TOML"),
        ("[culling]\nidle", "[culling]\nidel", "culling.idel: Extra inputs are not permitted"),
        (
            "[culling]\n",
            "[[culling.rules]]\nname = 'gpu'\nprofiles = ['gpu']\nexempt = true\nidle = 60\n[culling]\n",
            "culling.rules.0: Value error, rule 'gpu' contradicts itself: exempt, and limits all the same",
        ),
        (
            "backup_max_age = 93600",
            'backup_max_age = "soon"',
            "health.backup_max_age: Input should be a valid timedelta",
        ),
        ('api_token = "${JUPYTERHUB_API_TOKEN}"\n', "", "hub.api_token: Field required"),
    ],
)
def test_a_malformed_environment_file_is_refused_with_the_place(
    before: str, after: str, cause: str, checkout: Path, on_call: OnCall
) -> None:
    path = checkout / "environments" / "local.toml"
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after))
    answer = on_call.riskhub(
        "sessions", "cull", "--execute", "--environment", "local", "--json", checkout=checkout, PYTHONPATH=str(checkout)
    )
    assert answer.code == 1
    assert answer.record["state"] == "refused"
    assert cause in answer.record["problem"]
    assert f"riskhub: refused: environment 'local' (local.toml): {cause}" in answer.err
    assert f"{path}" in answer.err.partition("Next: ")[2]


@pytest.mark.parametrize("act", ACTS, ids=" ".join)
def test_without_the_stack_a_variable_is_missing_and_named(
    act: tuple[str, ...], on_call: OnCall, tmp_path: Path
) -> None:
    answer = on_call.riskhub(*act, "--environment", "local", "--json", RISKHUB_STATE=str(tmp_path))
    assert answer.code == 1
    assert answer.record["state"] == "refused"
    assert "variable JUPYTERHUB_API_URL is not set" in answer.err
    assert "Next: start the embedded stack" in answer.err
    assert list(tmp_path.iterdir()) == []


def test_a_token_the_hub_rejects_is_refused_and_named(on_call: OnCall, env: Environment) -> None:
    variables = {"JUPYTERHUB_API_URL": env.hub.api_url, "JUPYTERHUB_API_TOKEN": "0" * 32}
    answer = on_call.riskhub("sessions", "cull", "--execute", "--json", **variables)
    assert answer.code == 1
    assert answer.record["state"] == "refused"
    assert "the token was rejected" in answer.err
    assert "Next: check JUPYTERHUB_API_TOKEN" in answer.err


@pytest.mark.parametrize("token", ["first half\x01second half", "gift from möbius"], ids=["control", "accent"])
def test_a_token_no_header_can_carry_is_refused_without_being_quoted(
    token: str, on_call: OnCall, other_state: Callable[..., Path]
) -> None:
    answer = on_call.riskhub(
        "health",
        "check",
        "--environment",
        "local",
        "--json",
        RISKHUB_STATE=str(other_state(JUPYTERHUB_API_TOKEN=token)),
    )
    assert answer.code == 1
    assert answer.record["state"] == "refused"
    assert "hub.api_token: " in answer.err
    assert "half" not in answer.out + answer.err
    assert "bius" not in answer.out + answer.err


def test_a_health_check_names_every_rejected_credential(
    on_call: OnCall, other_state: Callable[..., Path], stack: Stack
) -> None:
    stack.revive()
    wrong = dict.fromkeys(("JUPYTERHUB_API_TOKEN", "RISK_API_TOKEN", "S3_SECRET_ACCESS_KEY"), "0" * 32)
    state = other_state(**wrong)
    answer = on_call.riskhub("health", "check", "--environment", "local", "--json", RISKHUB_STATE=str(state))
    assert answer.code == 1
    assert "Next: check JUPYTERHUB_API_TOKEN" in answer.findings["hub-api"]
    assert "it does not take the token. Next: renew RISK_API_TOKEN" in answer.findings["risk-api"]
    assert "check the bucket's policy, and the keys or the role" in answer.findings["object-store"]
    assert answer.findings["homes"].startswith("ok")
    assert "evidence is not in the bucket" in answer.findings["evidence"]
    assert Path(answer.record["links"]["evidence"]).is_relative_to(state)


def test_a_token_in_the_variables_that_no_header_can_carry_is_refused_by_its_name(on_call: OnCall) -> None:
    variables = {"JUPYTERHUB_API_URL": "http://127.0.0.1:9/hub/api", "JUPYTERHUB_API_TOKEN": "two words"}
    answer = on_call.riskhub("sessions", "cull", "--execute", "--json", **variables)
    assert answer.code == 1
    assert answer.err.startswith("riskhub: refused: JUPYTERHUB_API_TOKEN: ")
    assert "two words" not in answer.out + answer.err
