"""The command line: usage, answers, exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import build.command
from build.command import main
from environments.loader import PROJECT
from tests.build.conftest import Calls


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["build.py", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_the_script_runs_from_anywhere(tmp_path: Path) -> None:
    command = (sys.executable, str(PROJECT / "build/build.py"), "--help")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "python build/build.py --component jupyterhub --environment dev" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "--component"),
        (("--component", "jupiterhub"), "jupiterhub"),
        (("--component", "redis", "--environment", "production"), "production"),
        (("--component", "redis", "--push"), "RISKHUB_REGISTRY"),
        (("--component", "redis", "--push", "--registry", "https://registry.example.org"), "HOST[/PREFIX]"),
        (("--component", "base", "--push", "--registry", "registry.example.org"), "the base stays here"),
    ],
)
def test_a_wrong_call_ends_with_2_and_what_is_wrong(
    arguments: tuple[str, ...],
    told: str,
    recorded: Calls,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("RISKHUB_REGISTRY", raising=False)
    assert call(monkeypatch, *arguments) == 2
    assert told in capsys.readouterr().err
    assert recorded() == []


def test_without_an_engine_the_answer_is_one_json_object_and_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert call(monkeypatch, "--component", "redis", "--json") == 1
    told = capsys.readouterr()
    assert json.loads(told.out)["state"] == "refused"
    assert "Next: install buildah" in told.err


def test_changes_in_no_commit_are_refused_before_anything_is_built_for_a_push(
    checkout: Path, recorded: Calls, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(build.command, "read_inputs", lambda _component: _Dirty)
    assert call(monkeypatch, "--component", "redis", "--push", "--registry", "registry.example.org") == 1
    assert "in no commit" in capsys.readouterr().err
    assert recorded() == []


class _Dirty:
    dirty = True
