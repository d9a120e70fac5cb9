"""A machine has one node: whose it is, is known, and nobody else's `up` or `down` touches it."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from devstack.node import cluster
from devstack.process import MARK


@contextmanager
def process_of(state: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process of the cluster in `state`; its environment shows a moment after it runs."""
    with subprocess.Popen(("sleep", "60"), env={**os.environ, MARK: str(state)}) as process:
        while psutil.Process(process.pid).environ().get(MARK) != str(state):
            time.sleep(0.01)
        yield process


def test_another_cluster_that_is_up_is_the_holder_until_its_last_process_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "HOLDER", tmp_path / "holder")
    mine, other = tmp_path / "mine", tmp_path / "other"
    assert cluster.holder_besides(mine) is None
    cluster.HOLDER.write_text(str(other))
    assert cluster.holder_besides(mine) is None, "it left its name, and is gone"
    with process_of(other) as process:
        assert cluster.holder_besides(mine) == other
        assert cluster.holder_besides(other) is None
        process.kill()
    assert cluster.holder_besides(mine) is None


def test_to_take_down_a_cluster_that_has_no_node_leaves_the_others_node_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unplugged: list[str] = []
    monkeypatch.setattr(cluster, "HOLDER", tmp_path / "holder")
    monkeypatch.setattr(cluster.network, "unplug", lambda: unplugged.append("unplugged"))
    monkeypatch.setattr(cluster, "remove_cgroups", lambda: None)
    mine, other = tmp_path / "mine", tmp_path / "other"
    cluster.HOLDER.write_text(str(other))
    with process_of(other) as process:
        cluster.Cluster.clean(mine)
        assert unplugged == []
        process.kill()
    cluster.Cluster.clean(mine)
    assert unplugged == ["unplugged"]
