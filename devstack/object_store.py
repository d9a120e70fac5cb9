"""S3, real: SeaweedFS on loopback with generated credentials.

Its grpc ports are the http ports + 10000 unless they are named, so all of them are chosen here.
"""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path

from devstack.process import LOOPBACK, Part, http_ok

PORTS = 8


def weed() -> str:
    """SeaweedFS's program, from its wheel."""
    return str(Path(sys.executable).parent / "weed")


def object_store(
    state: Path, ports: list[int], access_key_id: str, secret_access_key: str, host: str = LOOPBACK
) -> Part:
    """The S3 server, data below `<state>/objects`. `ports[0]` serves S3; the rest are its inner parts."""
    data = state / "objects"
    logs = state / "logs" / "object-store"
    for folder in (data, logs):
        folder.mkdir(parents=True, exist_ok=True)
    s3, s3_grpc, master, master_grpc, volume, volume_grpc, filer, filer_grpc = ports
    config = state / "objects.json"
    config.touch(mode=0o600)
    config.write_text(
        json.dumps(
            {
                "identities": [
                    {
                        "name": "riskhub",
                        "credentials": [{"accessKey": access_key_id, "secretKey": secret_access_key}],
                        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
                    }
                ]
            }
        )
    )
    return Part(
        name="object-store",
        command=(
            weed(),
            f"-logdir={logs}",
            "server",
            f"-dir={data}",
            f"-ip={host}",
            f"-ip.bind={host}",
            f"-master.port={master}",
            f"-master.port.grpc={master_grpc}",
            "-master.volumeSizeLimitMB=1024",
            "-master.volumePreallocate=false",
            f"-volume.port={volume}",
            f"-volume.port.grpc={volume_grpc}",
            "-volume.max=200",
            "-volume.preStopSeconds=0",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-filer",
            f"-filer.port={filer}",
            f"-filer.port.grpc={filer_grpc}",
            "-s3",
            f"-s3.port={s3}",
            f"-s3.port.grpc={s3_grpc}",
            f"-s3.config={config}",
        ),
        environment={"TMPDIR": str(logs)},
        ready=http_ok(f"http://{host}:{s3}/healthz"),
        grace=timedelta(seconds=3),  # it waits for its own grpc clients for ever; all data is written through
    )
