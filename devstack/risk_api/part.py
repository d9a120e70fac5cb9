"""The Risk Platform API stand-in as a part of the stack."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from devstack.process import LOOPBACK, Part, http_ok
from devstack.risk_api.access import UserType
from environments.loader import PROJECT


def risk_api(state: Path, port: int, tokens: Mapping[str, UserType], host: str = LOOPBACK) -> Part:
    """The API on `port`, letting `tokens` in. Nothing is kept below `state` but its log."""
    return Part(
        name="risk-api",
        command=(sys.executable, "-m", "devstack.risk_api", "--port", str(port), "--host", host),
        ready=http_ok(f"http://{host}:{port}/health"),
        environment={"RISK_API_TOKENS": json.dumps(dict(tokens))},
        folder=PROJECT,  # where `-m devstack.risk_api` is found; `state` only holds the log
        deadline=timedelta(seconds=30),
        grace=timedelta(seconds=5),
    )
