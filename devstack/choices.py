"""What a stack chose at its first start, so that one that was down comes up with the same addresses, keys and data."""

from __future__ import annotations

import json
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from devstack import object_store
from devstack.process import free_ports
from systems.signing import new_key

PORTS = (
    "hub-public",
    "hub-api",
    "proxy-api",
    "database",
    "sso",
    "risk-api",
    "aws",
    "prefect",
    "prefect-worker",
    "alertmanager",
    *(f"object-store-{n}" for n in range(object_store.PORTS)),
)


@dataclass(frozen=True)
class Choices:
    """What was chosen at the first start: ports by name, secrets by name, the file system's id."""

    ports: dict[str, int]
    secrets: dict[str, str]
    file_system_id: str

    @classmethod
    def load_or_make(cls, state: Path, wanted_ports: Mapping[str, int]) -> Choices:
        """The kept choices, or new ones; `wanted_ports` overrides by name and is kept too."""
        path = state / "stack.json"
        if path.exists():
            known = cls(**json.loads(path.read_text()))
        else:
            known = cls(
                ports=dict(zip(PORTS, free_ports(len(PORTS)), strict=True)),
                secrets={},
                file_system_id=f"fs-{secrets.token_hex(8)}1",
            )
        # a stack of an earlier version gets the ports and keys that it does not have yet
        missing = [name for name in PORTS if name not in known.ports]
        ports = {**known.ports, **dict(zip(missing, free_ports(len(missing)), strict=True)), **wanted_ports}
        chosen = cls(ports, {**_new_secrets(), **known.secrets}, known.file_system_id)
        path.touch(mode=0o600)
        path.write_text(json.dumps(chosen.__dict__))
        return chosen


def _new_secrets() -> dict[str, str]:
    names = ("hub_token", "people_token", "crypt_key", "proxy_token", "oauth_client", "metrics", "database")
    keys = ("s3_key", "s3_secret", "aws_key", "aws_secret")
    tokens = ("risk_platform", "risk_data_scientist", "risk_business_user")
    return {
        **{name: secrets.token_hex(16) for name in names + keys + tokens},
        "cookie": secrets.token_hex(32),
        "backup_key": urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "evidence_key": new_key().get_secret_value(),
    }
