"""`python -m devstack.aws --port PORT --state FOLDER --file-system ID=FOLDER`: serve until ended.

SIGUSR1   a day passes: the start windows of jobs that wait run out
"""

from __future__ import annotations

import argparse
import json
import os
import signal
from datetime import timedelta
from pathlib import Path

from devstack.aws import SECRETS
from devstack.aws.backup_api import BackupApi
from devstack.aws.server import create_server
from devstack.process import LOOPBACK


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m devstack.aws", description="The emulated AWS control plane.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", type=Path, required=True, help="where recovery points are kept")
    parser.add_argument(
        "--file-system",
        type=_file_system,
        action="append",
        required=True,
        metavar="ID=FOLDER",
        help="an EFS file system and the folder that stands for it; may be given again",
    )
    parser.add_argument("--host", default=LOOPBACK)
    arguments = parser.parse_args()
    file_systems = dict(arguments.file_system)
    secrets = json.loads(os.environ.get(SECRETS, "{}"))
    server = create_server(arguments.host, arguments.port, arguments.state.resolve(), file_systems, secrets)
    signal.signal(signal.SIGUSR1, lambda _number, _frame: BackupApi.jobs.let_pass(timedelta(days=1)))
    server.serve_forever()


def _file_system(text: str) -> tuple[str, Path]:
    file_system_id, equals, folder = text.partition("=")
    if not (file_system_id and equals and folder):
        raise argparse.ArgumentTypeError(f"not ID=FOLDER: {text}")
    return file_system_id, Path(folder).resolve()


if __name__ == "__main__":
    main()
