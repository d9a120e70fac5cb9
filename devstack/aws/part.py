"""The AWS control plane as a part of the stack. It starts in a few seconds and answers for every moto service."""

from __future__ import annotations

import sys
from pathlib import Path

from devstack.process import LOOPBACK, Part, http_ok
from environments.loader import PROJECT


def aws_control_plane(state: Path, port: int, file_system_id: str, homes: Path, host: str = LOOPBACK) -> Part:
    """The server on `port`, its recovery points below `<state>/aws`, `homes` standing for the file system."""
    folder = state / "aws"
    folder.mkdir(parents=True, exist_ok=True)
    return Part(
        name="aws-control-plane",
        command=(
            sys.executable,
            "-m",
            "devstack.aws",
            f"--host={host}",
            f"--port={port}",
            f"--state={folder}",
            f"--file-system={file_system_id}={homes}",
        ),
        folder=PROJECT,
        ready=http_ok(f"http://{host}:{port}/moto-api/data.json"),
    )
