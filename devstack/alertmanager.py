"""Alertmanager, where this machine has it (Debian: prometheus-alertmanager). Nobody is paged by a demo."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

from devstack.process import LOOPBACK, Part, http_ok

PROGRAM = "prometheus-alertmanager"
_TO_NOBODY = """\
# one group an environment, told at once; nobody receives it: `riskhub alerts list` tells what fires
route: {receiver: nobody, group_by: [environment], group_wait: 0s, group_interval: 1s}
receivers: [{name: nobody}]
"""


def program() -> str | None:
    """Where it is; None where this machine does not have it, and nobody is alerted."""
    return shutil.which(PROGRAM)


def alertmanager(program: str, state: Path, port: int) -> Part:
    """One Alertmanager by itself. It keeps silences below `<state>/alertmanager`, alerts nowhere."""
    folder = state / "alertmanager"
    folder.mkdir(parents=True, exist_ok=True)
    configuration = configuration_of(state)
    configuration.write_text(_TO_NOBODY)
    return Part(
        name="alertmanager",
        command=(
            program,
            f"--config.file={configuration}",
            f"--storage.path={folder}",
            f"--web.listen-address={LOOPBACK}:{port}",
            "--cluster.listen-address=",
            "--log.level=warn",
        ),
        ready=http_ok(f"http://{LOOPBACK}:{port}/-/ready"),
        grace=timedelta(seconds=5),
    )


def configuration_of(state: Path) -> Path:
    """Its configuration; read again after a POST to `/-/reload`."""
    return state / "alertmanager" / "alertmanager.yml"
