"""Room: quotas hold what an overlay runs at its fullest, and a drain is never blocked."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import pytest
from kubernetes.utils.quantity import parse_quantity

from tests.k8s.jobs import flow_run
from tests.k8s.rendering import OVERLAYS, Document, Pods, named, of_kind, overlay, workloads
from tests.k8s.servers import server_pods

each_overlay = pytest.mark.parametrize("name", OVERLAYS)

# servers of data scientists at once, and flow runs at once, that must fit; nodes, each with an image puller
FULLEST = {"local": (8, 2, 1), "dev": (8, 4, 3), "uat": (30, 8, 6), "prod": (150, 16, 30)}
NODE_OF_THE_TEST = {"cpu": Decimal(2), "memory": Decimal(8 * 2**30)}
KUBE_SYSTEM = Decimal("0.2")  # CPU that DNS, metrics and the policy agent ask for on that node

QUOTAS = {
    "requests.cpu": ("requests", "cpu"),
    "requests.memory": ("requests", "memory"),
    "limits.memory": ("limits", "memory"),
}


def asked(pods: Pods, kind: str, resource: str) -> Decimal:
    """What one of the pods counts: its containers together, or its largest init container if that is more."""

    def of(containers: Iterable[Document]) -> list[Decimal]:
        return [parse_quantity(each["resources"].get(kind, {}).get(resource, 0)) for each in containers]

    return max(sum(of(pods.spec["containers"]), Decimal()), *of(pods.spec.get("initContainers", [])), Decimal())


def at_the_fullest(name: str, namespace: str) -> list[tuple[Pods, int]]:
    """Each kind of pod and how many there may be at once, one more of each that is updated by starting new ones."""
    documents = overlay(name)
    servers, runs, nodes = FULLEST[name]
    most = {
        each["spec"]["scaleTargetRef"]["name"]: each["spec"]["maxReplicas"]
        for each in of_kind(documents, "HorizontalPodAutoscaler")
    }
    counted = []
    for each in workloads(documents):
        kind, _, short = each.name.partition("/")
        if kind != namespace:
            continue
        if short == "image-puller":
            counted.append((each, nodes))
            continue
        if short == "pulse-watch":  # a CronJob that never runs beside itself
            counted.append((each, 1))
            continue
        strategy = named(documents, "Deployment", short, namespace)["spec"].get("strategy", {}).get("type")
        number = most.get(short, each.replicas)
        counted.append((each, number + (1 if number and strategy != "Recreate" else 0)))
    if namespace == "jupyterhub":
        counted.append((server_pods(name, "data-scientist"), servers))
    else:
        counted.append((flow_run("riskhub/runbook"), runs))
    return counted


def needed(name: str, namespace: str) -> dict[str, Decimal]:
    """What the quota must hold."""
    pods = at_the_fullest(name, namespace)
    counted = {
        quota: sum((asked(each, kind, resource) * number for each, number in pods), Decimal())
        for quota, (kind, resource) in QUOTAS.items()
    }
    return {**counted, "pods": Decimal(sum(number for _, number in pods))}


@each_overlay
@pytest.mark.parametrize("namespace", ["jupyterhub", "riskhub"])
def test_the_quota_holds_the_overlay_at_its_fullest_and_not_twice(name: str, namespace: str) -> None:
    """One that is never reached would stop no runaway."""
    hard = named(overlay(name), "ResourceQuota", namespace, namespace)["spec"]["hard"]
    wrong = {
        quota: (float(amount), hard[quota])
        for quota, amount in needed(name, namespace).items()
        if not amount <= parse_quantity(hard[quota]) < 2 * amount
    }
    assert wrong == {}


@each_overlay
def test_no_container_asks_for_more_than_the_limit_range_lets_it(name: str) -> None:
    documents = overlay(name)
    for namespace in ("jupyterhub", "riskhub"):
        (limit,) = named(documents, "LimitRange", namespace, namespace)["spec"]["limits"]
        for pods, _ in at_the_fullest(name, namespace):
            for container in pods.containers:
                for resource, most in limit["max"].items():
                    for kind in ("requests", "limits"):
                        amount = container["resources"].get(kind, {}).get(resource, 0)
                        assert parse_quantity(amount) <= parse_quantity(most), f"{pods.name} {container['name']}"


@each_overlay
def test_nothing_is_guaranteed_more_than_it_may_have(name: str) -> None:
    for namespace in ("jupyterhub", "riskhub"):
        for pods, _ in at_the_fullest(name, namespace):
            for container in pods.containers:
                limits = container["resources"]["limits"]
                for resource, amount in container["resources"]["requests"].items():
                    most = limits.get(resource, amount)
                    assert parse_quantity(amount) <= parse_quantity(most), f"{pods.name} {container['name']}"


@each_overlay
def test_a_placeholder_keeps_the_room_of_one_business_user(name: str) -> None:
    (placeholder,) = [each for each in workloads(overlay(name)) if each.labels["component"] == "placeholder"]
    server = server_pods(name, "business-user")
    for resource in ("cpu", "memory"):
        kept, taken = (asked(each, "requests", resource) for each in (placeholder, server))
        assert kept <= taken if name == "local" else kept == taken


@each_overlay
def test_a_drain_is_never_blocked(name: str) -> None:
    """A budget that leaves no pod to evict holds a node's drain, and its upgrade, for ever."""
    documents = overlay(name)
    least = {
        each["spec"]["scaleTargetRef"]["name"]: each["spec"]["minReplicas"]
        for each in of_kind(documents, "HorizontalPodAutoscaler")
    }
    protected = set()
    for budget in of_kind(documents, "PodDisruptionBudget"):
        namespace, spec = budget["metadata"]["namespace"], budget["spec"]
        (pods,) = [
            each
            for each in workloads(documents)
            if each.namespace == namespace and spec["selector"]["matchLabels"].items() <= each.labels.items()
        ]
        replicas = least.get(pods.labels["component"], pods.replicas)
        assert spec.get("maxUnavailable", replicas - spec.get("minAvailable", 0)) >= 1, pods.name
        protected.add(pods.name)
    core = {each.name for each in workloads(documents) if each.spec["priorityClassName"] == "riskhub-core"}
    assert protected == core - {"jupyterhub/management-api"}


def test_all_of_it_fits_on_the_node_of_the_tests() -> None:
    """Two cores: what is guaranteed to all pods together, with every server and flow run that the tests start."""
    both = [needed("local", namespace) for namespace in ("jupyterhub", "riskhub")]
    assert sum(each["requests.cpu"] for each in both) + KUBE_SYSTEM <= NODE_OF_THE_TEST["cpu"]
    assert sum(each["requests.memory"] for each in both) <= NODE_OF_THE_TEST["memory"]
