"""What a Hub is configured by, as one document for the recovery point: files and digests, no secret."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

FILES = (
    "k8s/base/jupyterhub_config.py",
    "environments/{environment}.toml",
    "prefect.yaml",
    "requirements.lock",
)
WHOLE_UP_TO = 64 * 1024


def collect_configuration(project: Path, environment: str) -> bytes:
    """The configuration as JSON: each file's SHA-256, and its text when it is at most 64 KiB.

    The lock is kept by digest alone: it is long, and the commit has it.
    """
    files = {}
    for name in (pattern.format(environment=environment) for pattern in FILES):
        content = (project / name).read_bytes()
        text = content.decode() if len(content) <= WHOLE_UP_TO else None
        files[name] = {"sha256": hashlib.sha256(content).hexdigest(), "text": text}
    return json.dumps({"environment": environment, "files": files}, indent=1).encode()
