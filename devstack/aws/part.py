"""The AWS control plane as a part of the stack. It starts in a few seconds and answers for every moto service."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from devstack.aws import SECRETS
from devstack.process import LOOPBACK, Part, http_ok
from environments.loader import PROJECT


def aws_control_plane(
    state: Path, port: int, file_system_id: str, homes: Path, *, secrets: Mapping[str, str], host: str = LOOPBACK
) -> Part:
    """The server on `port`, its recovery points below `<state>/aws`, `homes` standing for the file system.

    `secrets`: what Secrets Manager holds by name, at every start anew.
    """
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
        environment={SECRETS: json.dumps(dict(secrets))},
        folder=PROJECT,
        ready=http_ok(f"http://{host}:{port}/moto-api/data.json"),
    )
