"""A real Risk API and a real object store for report runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import nbformat
import pytest
from pydantic import SecretStr

from devstack.object_store import PORTS, object_store
from devstack.process import Part, free_ports, start, stop, wait_ready
from devstack.risk_api.part import risk_api
from environments.settings import ObjectStoreSettings, RiskApiSettings

TOKEN = "token-of-the-platform-5b1c"


def running(part: Part, state: Path) -> Iterator[None]:
    process = start(part, state)
    try:
        wait_ready(part, process, state)
        yield
    finally:
        stop(part, process)


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RiskApiSettings]:
    state = tmp_path_factory.mktemp("risk-api")
    (port,) = free_ports(1)
    for _ in running(risk_api(state, port, {TOKEN: "platform"}), state):
        yield RiskApiSettings(url=f"http://127.0.0.1:{port}", token=SecretStr(TOKEN))


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStoreSettings]:
    state = tmp_path_factory.mktemp("objects")
    ports = free_ports(PORTS)
    url = f"http://127.0.0.1:{ports[0]}"
    for _ in running(object_store(state, ports, "key-id", "secret-key"), state):
        client = boto3.client("s3", endpoint_url=url, aws_access_key_id="key-id", aws_secret_access_key="secret-key")
        client.create_bucket(Bucket="platform")
        yield ObjectStoreSettings(
            bucket="platform",
            endpoint_url=url,
            access_key_id=SecretStr("key-id"),
            secret_access_key=SecretStr("secret-key"),
        )


@pytest.fixture
def notebook(tmp_path: Path) -> Callable[..., Path]:
    """Write a notebook of these cells; the first is its parameters cell."""

    def write(*sources: str) -> Path:
        cells = [nbformat.v4.new_code_cell(source) for source in sources]
        cells[0].metadata["tags"] = ["parameters"]
        path = tmp_path / "source.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
        return path

    return write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Empty, for what a run leaves."""
    made = tmp_path / "run"
    made.mkdir()
    return made
