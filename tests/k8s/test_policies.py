"""The network policies of every overlay against the one table of who may talk to whom."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from tests.k8s.jobs import flow_run
from tests.k8s.matrix import OUTSIDE, PODS, REACHES, TARGETS, Pod, Target
from tests.k8s.policies import Connection, may_be_made, selects
from tests.k8s.rendering import OVERLAYS, Document, of_kind, overlay, workloads
from tests.k8s.servers import server_pods

OURS = ("jupyterhub", "riskhub")

each_overlay = pytest.mark.parametrize("name", OVERLAYS)


def is_ours(name: str) -> bool:
    return name in PODS and PODS[name].namespace in OURS


def connection(name: str, source: str, target: Target, target_name: str) -> Connection:
    begin = PODS[source] if source in PODS else OUTSIDE[name][source][0]
    if target.pod:
        return Connection(begin, PODS[target.pod], target.port, target.protocol)
    address, port = OUTSIDE[name][target_name]
    return Connection(begin, address, port, target.protocol)


@each_overlay
@pytest.mark.parametrize("source", REACHES)
def test_each_reaches_what_the_table_says_and_nothing_else(name: str, source: str) -> None:
    documents = overlay(name)
    reached = {
        target_name
        for target_name, target in TARGETS.items()
        if is_ours(source) or is_ours(target.pod)  # between others nothing of ours decides
        if may_be_made(connection(name, source, target, target_name), documents)
    }
    assert reached == REACHES[source]


@each_overlay
def test_no_pod_reaches_a_port_that_the_table_does_not_name(name: str) -> None:
    """SSH, kubelet, databases and web servers of every pod and every address outside, from every pod of ours."""
    documents = overlay(name)
    outside = {address: port for target, (address, port) in OUTSIDE[name].items() if target in TARGETS}
    named = {(target.pod, target.port) for target in TARGETS.values()} | set(OUTSIDE[name].values())
    ends: dict[str, Pod | str] = {**PODS, **{address: address for address in outside}}
    open_too = [
        (source, end, port)
        for source in REACHES
        if is_ours(source)
        for end, place in ends.items()
        for port in (22, 80, 443, 2379, 3306, 5432, 6443, 8000, 8001, 8081, 8888, 10250)
        if (end, port) not in named and may_be_made(Connection(PODS[source], place, port), documents)
    ]
    assert open_too == []


@each_overlay
def test_a_user_reaches_no_other_user(name: str) -> None:
    documents = overlay(name)
    for source in ("business-user", "data-scientist"):
        for target in ("business-user", "data-scientist"):
            assert not may_be_made(Connection(PODS[source], PODS[target], 8888), documents)


@each_overlay
def test_the_table_speaks_of_the_pods_as_they_are(name: str) -> None:
    servers = [server_pods(name, profile) for profile in ("business-user", "data-scientist")]
    seen = {"flow-run": flow_run("riskhub/runbook")}
    seen |= {each.labels["riskhub.dev/profile"]: each for each in servers}
    seen |= {each.labels["component"]: each for each in workloads(overlay(name))}
    assert seen.keys() == {pod for pod in PODS if is_ours(pod)}
    for pod, found in seen.items():
        assert found.namespace == PODS[pod].namespace
        assert PODS[pod].labels.items() <= found.labels.items()


@each_overlay
def test_both_namespaces_deny_what_no_policy_opens(name: str) -> None:
    for namespace in OURS:
        deny = [
            each["spec"]
            for each in of_kind(overlay(name), "NetworkPolicy")
            if each["metadata"]["namespace"] == namespace and each["metadata"]["name"] == "default-deny"
        ]
        assert deny == [{"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}]


@each_overlay
def test_every_policy_is_about_pods_that_there_are(name: str) -> None:
    """A selector with a typo selects nothing, and its edge is silently closed, or not closed."""
    idle = [
        each["metadata"]["name"]
        for each in of_kind(overlay(name), "NetworkPolicy")
        if not any(selects(each, pod) for pod in PODS.values())
    ]
    assert idle == []


@each_overlay
def test_every_policy_is_one_edge_in_one_direction(name: str) -> None:
    for policy in of_kind(overlay(name), "NetworkPolicy"):
        called, spec = policy["metadata"]["name"], policy["spec"]
        if called == "default-deny":
            continue
        (direction,) = spec["policyTypes"]
        assert ("-to-" in called or called == "to-dns") == (direction == "Egress"), called
        assert ("-from-" in called) == (direction == "Ingress"), called
        assert spec[direction.lower()], f"{called} is closed in overlay {name}"


@each_overlay
def test_networks_outside_are_small(name: str) -> None:
    wide = [
        (policy["metadata"]["name"], block)
        for policy in of_kind(overlay(name), "NetworkPolicy")
        for block in _blocks(policy)
        if ip_network(block).prefixlen < 24
    ]
    assert wide == []


def _blocks(policy: Document) -> list[str]:
    rules = [*policy["spec"].get("egress", []), *policy["spec"].get("ingress", [])]
    peers = [peer for rule in rules for peer in (*rule.get("to", []), *rule.get("from", []))]
    return [peer["ipBlock"]["cidr"] for peer in peers if "ipBlock" in peer]


def test_the_evaluation_follows_the_api() -> None:
    """Isolation by direction, union of policies, both ends, ports, protocols, namespaces, addresses."""
    a, b, c = Pod("one", {"app": "a"}), Pod("one", {"app": "b"}), Pod("two", {"app": "b"})

    def policy(direction: str, *rules: Document, **labels: str) -> Document:
        selector = {"matchLabels": labels} if labels else {}
        spec = {"podSelector": selector, "policyTypes": [direction], direction.lower(): list(rules)}
        return {"kind": "NetworkPolicy", "metadata": {"name": "p", "namespace": "one"}, "spec": spec}

    to_b = {"to": [{"podSelector": {"matchLabels": {"app": "b"}}}], "ports": [{"port": 80}]}
    to_two = {
        "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "two"}}}],
        "ports": [{"port": 80}],
    }
    to_net = {"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}], "ports": [{"port": 53, "protocol": "UDP"}]}
    from_a = {"from": [{"podSelector": {"matchLabels": {"app": "a"}}}], "ports": [{"port": 80}]}
    http, other = Connection(a, b, 80), Connection(a, b, 81)
    assert may_be_made(http, [])
    assert not may_be_made(http, [policy("Egress", app="a")])
    assert may_be_made(http, [policy("Egress", app="b")])
    assert not may_be_made(http, [policy("Ingress", app="b")])
    opened = [policy("Egress", app="a"), policy("Egress", to_b, app="a")]
    assert may_be_made(http, opened)
    assert not may_be_made(other, opened)
    assert not may_be_made(Connection(a, b, 80, "UDP"), opened)
    assert not may_be_made(Connection(a, c, 80), opened)
    assert may_be_made(Connection(a, c, 80), [*opened, policy("Egress", to_two)])
    assert not may_be_made(http, [*opened, policy("Ingress", app="b")])
    assert may_be_made(http, [*opened, policy("Ingress", from_a, app="b")])
    assert not may_be_made(Connection("192.0.2.1", b, 80), [policy("Ingress", from_a, app="b")])
    assert may_be_made(Connection(a, "192.0.2.1", 53, "UDP"), [policy("Egress", to_net)])
    assert not may_be_made(Connection(a, "192.0.3.1", 53, "UDP"), [policy("Egress", to_net)])
