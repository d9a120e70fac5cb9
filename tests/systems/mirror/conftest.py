"""A real S3 for the mirror's tests, a bucket prefix of its own for each, and trees to mirror."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from devstack.object_store import PORTS, object_store
from devstack.process import free_ports, start, stop, wait_ready
from environments.settings import ObjectStoreSettings
from systems.mirror import MirrorLocation
from tests.systems.mirror.trees import age, make_bucket


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStoreSettings]:
    """A running S3 with a versioned bucket."""
    state = tmp_path_factory.mktemp("s3")
    ports = free_ports(PORTS)
    key, secret = secrets.token_hex(8), secrets.token_hex(16)
    part = object_store(state, ports, key, secret)
    process = start(part, state)
    try:
        wait_ready(part, process, state)
        settings = ObjectStoreSettings(
            bucket="mirror-tests",
            endpoint_url=f"http://127.0.0.1:{ports[0]}",
            access_key_id=SecretStr(key),
            secret_access_key=SecretStr(secret),
        )
        make_bucket(settings)
        yield settings
    finally:
        stop(part, process)


@pytest.fixture
def location(store: ObjectStoreSettings) -> MirrorLocation:
    return MirrorLocation(store, f"{secrets.token_hex(4)}/user-data")


@pytest.fixture
def homes(tmp_path: Path) -> Path:
    """Two small homes."""
    root = tmp_path / "efs" / "user-data"
    for user in ("ana", "bea"):
        (root / user / "work").mkdir(parents=True)
        (root / user / "notes.ipynb").write_text(f"{user}: 1 + 1")
        (root / user / "work" / "var.csv").write_text("date,var\n2026-01-02,1.5\n")
    age(root)
    return root
