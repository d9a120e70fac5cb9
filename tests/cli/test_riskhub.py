"""The command's outer contract: what it loads, says and returns."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from environments.loader import PROJECT

Riskhub = Callable[..., "subprocess.CompletedProcess[str]"]

LOADED = (
    "import sys; sys.argv = ['riskhub', *sys.argv[1:]]; from cli.main import main\n"
    "try: main()\n"
    "finally: print('LOADED', [name for name in ('prefect', 'boto3') if name in sys.modules])"
)


@pytest.mark.parametrize("arguments", [("--version",), ("--help",), ("restore", "--help"), ("mirror", "--help")])
def test_what_needs_no_prefect_does_not_load_it(arguments: tuple[str, ...], riskhub: Riskhub) -> None:
    ended = riskhub(*arguments, program=("-c", LOADED))
    assert ended.returncode == 0, ended.stderr
    assert "'prefect'" not in ended.stdout


def test_culling_with_nothing_but_a_token_loads_no_prefect(riskhub: Riskhub, variables: dict[str, str]) -> None:
    keep = ("PATH", "HOME", "PYTHONPATH", "JUPYTERHUB_API_URL", "JUPYTERHUB_API_TOKEN")
    for name in set(variables) - set(keep):
        del variables[name]
    ended = riskhub("sessions", "cull", "--idle", "600", "--execute", "--json", program=("-c", LOADED))
    told, loaded = ended.stdout.splitlines()
    assert loaded == "LOADED []"
    assert json.loads(told)["state"] == "failed"
    assert "Hub at http://127.0.0.1:9" in json.loads(told)["problem"]
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr


def test_the_version_is_told(riskhub: Riskhub) -> None:
    assert riskhub("--version").stdout == "riskhub, version 0.1.0\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("fly",),
        ("sessions", "fly"),
        ("sessions", "cull", "--environment", "staging"),
        ("sessions", "cull", "--idle", "soon"),
        ("sessions", "cull", "--max-share", "7"),
        ("sessions", "cull", "--policy", "{"),
        ("sessions", "cull", "--policy", "{}", "--idle", "5"),
        ("sessions", "cull", "--unknown"),
    ],
)
def test_a_wrong_call_is_code_2_and_says_what_is_wrong(arguments: tuple[str, ...], riskhub: Riskhub) -> None:
    ended = riskhub(*arguments)
    assert ended.returncode == 2
    assert "Error:" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_incomplete_environment_is_code_1_before_anything_starts(
    riskhub: Riskhub, variables: dict[str, str]
) -> None:
    del variables["RISK_API_TOKEN"]
    ended = riskhub("health", "check", "--json")
    assert ended.returncode == 1
    assert json.loads(ended.stdout)["state"] == "refused"
    assert "variable RISK_API_TOKEN is not set" in ended.stderr
    assert "Next: start the embedded stack" in ended.stderr
    assert "Prefect" not in ended.stderr
    assert "kept-to-ourselves" not in ended.stdout + ended.stderr


def test_a_bad_hub_address_in_the_variables_is_refused(riskhub: Riskhub, variables: dict[str, str]) -> None:
    variables["JUPYTERHUB_API_URL"] = "hub:8081"
    ended = riskhub("sessions", "list")
    assert ended.returncode == 1
    assert "riskhub: refused: JUPYTERHUB_API_URL" in ended.stderr


def test_culling_offers_what_its_flow_offers() -> None:
    from cli.options import options_of  # noqa: PLC0415
    from cli.sessions import cull  # noqa: PLC0415
    from flows.sessions import cull_idle_servers  # noqa: PLC0415 - Prefect: only here

    wanted = {param.name for param in options_of(cull_idle_servers.fn, skip=("environment",)).params}
    assert wanted == {param.name for param in cull.params} - {"environment", "as_json", "verbose"}


def test_the_installed_script_is_this_command() -> None:
    script = Path(sys.executable).with_name("riskhub")
    ended = subprocess.run((script, "--version"), capture_output=True, text=True, timeout=60, check=True, cwd=PROJECT)
    assert ended.stdout.startswith("riskhub, version")
