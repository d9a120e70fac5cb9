"""The day comes out red when something is."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

from devstack.stack import Choices
from environments.loader import PROJECT


def test_a_day_whose_stack_does_not_come_up_ends_red_and_says_why(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        Choices.load_or_make(tmp_path, {"risk-api": port})
        ended = subprocess.run(
            (sys.executable, "-m", "cli.main", "day", "--json"),
            env={**os.environ, "RISKHUB_STATE": str(tmp_path)},
            cwd=PROJECT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert ended.returncode == 1
    told = json.loads(ended.stdout)
    assert told["state"] == "failed"
    assert f"port {port} for risk-api: it is taken" in told["steps"][-1]["result"]
    assert "Traceback" not in ended.stderr
