"""Who may talk to whom, by packets: the table that `make test` holds the manifests against, on the real node.

Real pods where the Hub has them, else pods of the same labels; every target listens, and the addresses outside
that nobody here has are given to this machine for as long, so that only a policy can stop a packet. `stranger`, which
no policy is about, shows that nothing else does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from devstack.day.people import Person
from devstack.node import network
from devstack.node.images import NODE_IMAGE
from tests.cluster.conditions import wait_until
from tests.cluster.packets import Address, addresses_of_this_machine, listening, reached
from tests.k8s.matrix import NOT_PROVEN_WITH_PACKETS, OUTSIDE, PODS, REACHES, TARGETS

pytestmark = pytest.mark.timeout(600)

OURS = ("jupyterhub", "riskhub")
HERE = OUTSIDE["local"]
# Two users of each profile: the target is never the source itself.
SERVERS = {"business-user": ("ana", "bea"), "data-scientist": ("dina", "emil")}
# No pod of these runs by itself.
STAND_INS = (
    *("management-api", "flow-run", "pulse-watch"),
    *("prometheus", "alertmanager", "neighbour-of-prometheus", "stranger"),
)
NOBODY_HAS = ("metadata", "pod-identity", "internet")


@dataclass(frozen=True)
class Running:
    """A pod that runs."""

    uid: str
    address: str


@dataclass(frozen=True)
class Ground:
    """The pods to send from and to, by their names in the table; and where each target is."""

    sources: dict[str, Running | None]
    targets: dict[str, Address]
    services: dict[str, Address]

    def reached(self, source: str, targets: dict[str, Address]) -> set[str]:
        pod = self.sources[source]
        return reached(pod.uid if pod else None, targets)


@pytest.fixture(scope="module")
def ground(cluster) -> Iterator[Ground]:
    with ExitStack() as undo:
        people = [Person.log_in(name, cluster.environment.hub.public_url) for pair in SERVERS.values() for name in pair]
        for profile, pair in SERVERS.items():
            for person in people:
                if person.name in pair:
                    person.start_server(profile=profile)
        undo.callback(lambda: [person.stop_server() for person in people])
        for name in STAND_INS:
            make_pod(cluster, name)
            undo.callback(remove_pod, cluster, name)
        wait_until(lambda: all(running(cluster, name) for name in STAND_INS))
        pods = {name: running(cluster, name)[0] for name in PODS if name not in SERVERS}
        sources: dict[str, Running | None] = {**pods, "load-balancer": None}
        there = dict(pods)
        for profile in SERVERS:
            sources[profile], there[profile] = running(cluster, profile)[:2]
        listen_everywhere(cluster, there, undo)
        targets = {
            name: (there[target.pod].address, target.port, target.protocol)
            if target.pod
            else (*HERE[name], target.protocol)
            for name, target in TARGETS.items()
            if name not in NOT_PROVEN_WITH_PACKETS
        }
        services = {
            name: service_address(cluster, target.behind, target.protocol)
            for name, target in TARGETS.items()
            if target.behind and name != "management-api"  # its Service has no pod yet
        }
        yield Ground(sources, targets, services)


def listen_everywhere(cluster, there: dict[str, Running], undo: ExitStack) -> None:
    """On every port of the table where nothing listens by itself."""
    for name, pod in there.items():
        ports = [target.port for target in TARGETS.values() if target.pod == name and target.protocol == "TCP"]
        answers = reached(pod.uid, {str(port): ("127.0.0.1", port, "TCP") for port in ports}, seconds=1)
        silent = [port for port in ports if str(port) not in answers]
        if silent:
            undo.enter_context(listening(pod.uid, *silent))
    undo.enter_context(addresses_of_this_machine(network.HOST_END, *(HERE[name][0] for name in NOBODY_HAS)))
    undo.enter_context(listening(None, *{HERE[name][1] for name in NOBODY_HAS}))


def test_what_no_policy_is_about_reaches_everything_outside(ground: Ground) -> None:
    """Else a drop below would prove nothing."""
    outside = {name: target for name, target in ground.targets.items() if not TARGETS[name].pod}
    del outside["public-address"]  # the proxy's Service: whom its pod lets in is in the table
    assert ground.reached("stranger", outside) == outside.keys()


@pytest.mark.parametrize("source", REACHES)
def test_each_reaches_what_the_table_says_and_nothing_else(ground: Ground, source: str) -> None:
    """By the pods' own addresses and by their Services, which are no way around."""
    about = {name for name in TARGETS if is_ours(source) or is_ours(TARGETS[name].pod)}
    if source not in SERVERS:  # of those there are two; what a pod sends to itself leaves it never
        about -= {name for name in about if TARGETS[name].pod == source}
    pods = {name: target for name, target in ground.targets.items() if name in about}
    services = {f"{name} by its Service": target for name, target in ground.services.items() if name in about}
    expected = (REACHES[source] & pods.keys()) | {
        f"{name} by its Service" for name in REACHES[source] if f"{name} by its Service" in services
    }
    if source == "load-balancer":  # it is sent to pods, as an ALB with targets of type ip is
        services, expected = {}, expected & pods.keys()
    seen: set[str] = set()
    for _ in range(3):  # a pod that is new has its rules a second or two later
        seen = ground.reached(source, {**pods, **services})
        if seen == expected:
            break
    assert seen == expected


def is_ours(name: str) -> bool:
    return name in PODS and PODS[name].namespace in OURS


def running(cluster, name: str) -> list[Running]:
    """The ready pods of this name in the table, by the labels that it has there."""
    pod = PODS[name]
    selector = ",".join(f"{key}={value}" for key, value in pod.labels.items())
    found = cluster.read(pod.namespace, "pods", f"--selector={selector}" if selector else f"packets-{name}-1")
    items = found.get("items", [found])
    return [
        Running(item["metadata"]["uid"], item["status"]["podIP"])
        for item in items
        if item["status"]["phase"] == "Running" and "deletionTimestamp" not in item["metadata"]
        if name not in STAND_INS or item["metadata"]["name"].startswith("packets-")
    ]


def make_pod(cluster, name: str) -> None:
    pod = PODS[name]
    if pod.namespace == "monitoring":
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "monitoring"}}
        cluster.kubectl("apply", "--server-side", "--filename=-", given=json.dumps(space))
    document = {
        "apiVersion": "v1",
        "kind": "Pod",
        # pods share rules by name up to the last dash
        "metadata": {"name": f"packets-{name}-1", "namespace": pod.namespace, "labels": dict(pod.labels)},
        "spec": {
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 1000,
                "runAsGroup": 1000,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "pause",
                    "image": NODE_IMAGE,
                    "resources": {"requests": {"cpu": "1m", "memory": "8Mi"}, "limits": {"memory": "32Mi"}},
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                }
            ],
        },
    }
    cluster.kubectl("apply", "--server-side", "--filename=-", given=json.dumps(document))


def remove_pod(cluster, name: str) -> None:
    cluster.kubectl("--namespace", PODS[name].namespace, "delete", "pod", f"packets-{name}-1", "--ignore-not-found")


def service_address(cluster, behind: str, protocol: str) -> Address:
    where, _, port = behind.partition(":")
    name, _, namespace = where.partition(".")
    found = cluster.read(namespace, "service", name)
    return (found["spec"]["clusterIP"], int(port), protocol)
