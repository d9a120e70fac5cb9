"""A flow as a command, where Prefect answers and where it does not."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from environments.loader import PROJECT
from systems.signing import payload_of

Riskhub = Callable[..., "subprocess.CompletedProcess[str]"]
# A `riskhub` that offers the chapter of runbook.py, which imports Prefect: as with the real one, only when called.
OFFER = f"""
import sys; sys.path.append({str(Path(__file__).parent)!r})
from cli import main
main.HELP |= {{"fence": "The fence.", "fence paint": "Paint it."}}
main.riskhub = main.LazyGroup({{"fence": {{"paint": "runbook:paint_fence"}}}}, name="riskhub")
main.main()
"""
FENCE = ("-c", OFFER, "fence", "paint")


@pytest.fixture
def paint(riskhub: Riskhub) -> Riskhub:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return riskhub(*arguments, program=FENCE)

    return run


def told(ended: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    (line,) = ended.stdout.splitlines()
    answer: dict[str, Any] = json.loads(line)
    return answer


def test_without_prefect_a_flow_runs_on_its_own_and_leaves_nothing(paint: Riskhub, tmp_path: Path) -> None:
    ended = paint("--colour", "red", "--json")
    assert ended.returncode == 0, ended.stderr
    assert told(ended)["state"] == "planned"
    assert "Prefect at http://127.0.0.1:9/api does not answer: running without it" in ended.stderr
    assert not list((tmp_path / "temporary").iterdir())
    assert "run" not in told(ended)["links"]


def test_where_prefect_answers_the_run_is_seen_there(
    paint: Riskhub, variables: dict[str, str], live_prefect: str
) -> None:
    variables["PREFECT_API_URL"] = live_prefect
    ended = paint("--colour", "red", "--execute", "--idle", "600", "--since", "2026-03-01T10:00:00+01:00", "--json")
    assert ended.returncode == 3, ended.stderr
    assert ended.stderr == ""
    answer = told(ended)
    assert answer["state"] == "partial"
    assert answer["measures"] == {"idle_seconds": 600, "at_least": 5, "since": "2026-03-01 09:00:00+00:00"}
    run = answer["links"]["run"].rpartition("/")[2]
    assert httpx.get(f"{live_prefect}/flow_runs/{run}", timeout=10).json()["state_name"] == "Partial"


def test_each_miss_is_listed_and_no_name_drives_the_terminal(
    paint: Riskhub, variables: dict[str, str], live_prefect: str
) -> None:
    variables["PREFECT_API_URL"] = live_prefect
    ended = paint("--colour", "red", "--execute")
    assert ended.returncode == 3
    assert any(line.startswith("failed  paint") and "rotten" in line for line in ended.stdout.splitlines())
    assert "\x1b" not in ended.stdout


def test_a_refusal_is_one_message_and_code_1(paint: Riskhub, variables: dict[str, str], live_prefect: str) -> None:
    variables["PREFECT_API_URL"] = live_prefect
    ended = paint("--colour", "red", "--trouble", "refused", "--json")
    assert ended.returncode == 1
    assert (told(ended)["state"], told(ended)["problem"]) == ("refused", "the fence: it is wet. Next: wait")
    assert ended.stderr == "riskhub: refused: the fence: it is wet. Next: wait\n"


def test_a_defect_shows_its_traceback_and_is_code_1(
    paint: Riskhub, variables: dict[str, str], live_prefect: str
) -> None:
    variables["PREFECT_API_URL"] = live_prefect
    ended = paint("--colour", "red", "--trouble", "defect", "--json")
    assert (ended.returncode, told(ended)["state"]) == (1, "failed")
    assert "where is the brush" in ended.stderr
    assert "Traceback" in ended.stderr


def test_a_required_parameter_that_is_missing_is_code_2(paint: Riskhub) -> None:
    ended = paint()
    assert ended.returncode == 2
    assert "Missing option '--colour'" in ended.stderr


def test_the_help_is_the_runbook_page_with_examples(paint: Riskhub) -> None:
    ended = paint("--help")
    assert "Run it when: it is dull." in ended.stdout
    assert "riskhub fence paint --colour COLOUR --execute" in ended.stdout
    assert "which one." in ended.stdout
    assert "Args:" not in ended.stdout


def test_a_prefect_that_dies_during_the_run_neither_hangs_the_command_nor_hides_what_it_did(
    variables: dict[str, str], mortal_prefect: tuple[str, Callable[[], None]], tmp_path: Path
) -> None:
    variables["PREFECT_API_URL"], kill = mortal_prefect
    command = (sys.executable, *FENCE, "--colour", "red", "--trouble", "slow", "--execute", "--json")
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=variables, cwd=PROJECT, stdout=pipe, stderr=pipe, text=True) as run:
        wait_until_it_paints(run, tmp_path)
        kill()
        (tmp_path / "painted").touch()
        try:
            out, err = run.communicate(timeout=60)
        finally:
            run.kill()
    assert run.returncode == 1
    assert json.loads(out)["state"] == "failed"
    assert f"Prefect at {variables['PREFECT_API_URL']}: it stopped answering during the run" in err
    assert "Traceback" not in err
    assert [path.name for path in (tmp_path / "evidence").iterdir()] == ["paint-fence"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_told_to_end_leaves_evidence_and_nothing_else(
    number: signal.Signals, variables: dict[str, str], tmp_path: Path
) -> None:
    command = (sys.executable, *FENCE, "--colour", "red", "--trouble", "slow")
    with subprocess.Popen(command, env=variables, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        wait_until_it_paints(run, tmp_path)
        run.send_signal(number)
        run.communicate(timeout=60)
    assert run.returncode not in (0, 3)
    assert not list((tmp_path / "temporary").iterdir())
    (kept,) = (tmp_path / "evidence" / "paint-fence").iterdir()
    assert json.loads(payload_of(kept.read_bytes(), thing="it"))["state"] == "failed"


def wait_until_it_paints(run: subprocess.Popen[Any], state: Path) -> None:
    give_up = time.monotonic() + 60
    while not (state / "painting").exists():
        assert run.poll() is None and time.monotonic() < give_up
        time.sleep(0.05)
