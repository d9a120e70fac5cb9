"""The node with the Hub deployed on it, once for the whole session.

A cluster that is up already in the tests' own state folder is used, and left up: work on these tests begins with
`RISKHUB_STATE=.riskhub-tests/node riskhub cluster up`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cli.stack import bring_up, remove_state, take_down
from devstack.day.runs import Deployments
from devstack.node.machine import require_able_machine
from devstack.node.node import run_kubectl
from devstack.node.programs import programs
from devstack.process import marked
from devstack.supervisor import KINDS, read_status
from environments import Environment, load_environment
from environments.loader import PROJECT
from tests.cluster.conditions import riskhub
from tests.cluster.leftovers import new_since, of_this_machine

STATE = Path(os.environ.get("RISKHUB_TEST_STATE") or PROJECT / ".riskhub-tests") / "node"


@dataclass(frozen=True)
class ClusterUnderTest:
    """The cluster below `state`, and what happens to its node."""

    state: Path

    @property
    def environment(self) -> Environment:
        return load_environment("dev")

    def kubectl(self, *arguments: str, given: str | None = None, seconds: float = 150) -> str:
        """What kubectl says, as the cluster's administrator."""
        node = self.state / "cluster" / "node"
        return run_kubectl(node, programs(), *arguments, given=given, seconds=seconds)

    def read(self, namespace: str, *what: str) -> Any:
        """An object, or a list of them."""
        return json.loads(self.kubectl("--namespace", namespace, "get", *what, "--output=json"))

    @contextmanager
    def node_under_disk_pressure(self) -> Iterator[None]:
        """The node's own disk filled up to its last per cent."""
        kubelet = self._inside() / str(self.state / "cluster/node/kubelet").lstrip("/")
        ballast = kubelet / "ballast"
        space = os.statvfs(kubelet)
        try:
            with ballast.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, int(space.f_bavail * space.f_frsize * 0.99))
            yield
        finally:
            ballast.unlink(missing_ok=True)

    def _inside(self) -> Path:
        """The node's file system, as its kubelet sees it."""
        kubelets = [each for each in marked(self.state / "cluster" / "node") if each.name() == "kubelet"]
        return Path(f"/proc/{kubelets[0].pid}/root")


@pytest.fixture(scope="session", autouse=True)
def able_machine() -> None:
    """Everything here needs Linux, root and Debian's packages."""
    require_able_machine()


@pytest.fixture(scope="session")
def cluster() -> Iterator[ClusterUnderTest]:
    """The overlay `local` on the node, its deployments registered."""
    os.environ["RISKHUB_STATE"] = str(STATE)
    state = STATE / "cluster"
    found_up = read_status(state)["phase"] == "up"
    KINDS["cluster"].prepare()  # Buildah's store stays mounted once it was used
    before = of_this_machine()
    if not found_up:
        remove_state(state, kind="cluster")
        bring_up(state, kind="cluster", owner=os.getpid())
    under_test = ClusterUnderTest(STATE)
    deployed = riskhub("deploy", "hub", "--execute")
    assert deployed.code == 0, deployed.said
    flows = riskhub("deploy", "flows", "--execute")
    assert flows.code == 0, flows.said
    prefect = under_test.environment.prefect
    Deployments(prefect.api_url, prefect.ui_url).pause_schedules()  # no test may depend on the time of day
    yield under_test
    if not found_up:
        take_down(state, kind="cluster")
        assert new_since(before) == {}, "the node is down, and nothing of it is left"
        assert marked(state) + marked(state / "node") == []
    del os.environ["RISKHUB_STATE"]
