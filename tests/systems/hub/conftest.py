"""A real JupyterHub and its proxy, on SQLite, with light servers (see devstack/light)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from devstack.light import LightHub, light_hub


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LightHub]:
    with light_hub(tmp_path_factory.mktemp("hub")) as running:
        yield running


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], None]:
    """Wait for a condition, at most ten seconds."""

    def wait(condition: Callable[[], bool]) -> None:
        give_up = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < give_up, "it did not come true within 10 s"
            time.sleep(0.05)

    return wait
