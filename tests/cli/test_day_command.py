"""The day comes out red when something is."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

from cli.stack import remove_state
from environments.loader import PROJECT


def day(state: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-m", "cli.main", "day", *arguments),
        env={**os.environ, "RISKHUB_STATE": str(state)},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_day_whose_stack_does_not_come_up_ends_red_and_says_why(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = day(tmp_path, "--json", "--port", f"risk-api={port}")
    assert ended.returncode == 1
    told = json.loads(ended.stdout)
    assert told["state"] == "failed"
    assert f"port {port} for risk-api: it is taken" in told["steps"][-1]["result"]
    assert "Traceback" not in ended.stderr


def test_a_day_removes_what_an_earlier_one_left_but_no_evidence(tmp_path: Path) -> None:
    for name in ("efs/user-data/ana", "evidence/daily-backup", "reports/failed"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "stack.json").touch()
    remove_state(tmp_path)
    assert {path.name for path in tmp_path.rglob("*")} == {"evidence", "daily-backup", "reports", "failed"}


def test_a_day_is_not_begun_over_a_stack_that_is_up(tmp_path: Path) -> None:
    (tmp_path / "status.json").write_text(json.dumps({"phase": "up", "pid": os.getpid(), "parts": {}}))
    ended = day(tmp_path)
    assert ended.returncode == 1
    assert "it is up, and a day begins with a new one" in ended.stderr
    assert (tmp_path / "status.json").exists()
