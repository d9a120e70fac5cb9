"""NetworkPolicies evaluated as the API documents them: may this connection be made?

A pod that a policy selects for a direction is closed in that direction but for what some policy opens; a connection
needs its source's egress and its target's ingress. What our policies do not use is refused here rather than guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from tests.k8s.matrix import Pod
from tests.k8s.rendering import Document, of_kind

End = Pod | str  # a pod, or an address outside of the cluster


@dataclass(frozen=True)
class Connection:
    source: End
    target: End
    port: int
    protocol: str = "TCP"


def may_be_made(connection: Connection, documents: Iterable[Document]) -> bool:
    policies = of_kind(documents, "NetworkPolicy")
    out = _opened(policies, "Egress", connection.source, connection.target, connection)
    return out and _opened(policies, "Ingress", connection.target, connection.source, connection)


def selects(policy: Document, pod: Pod) -> bool:
    own = policy["metadata"]["namespace"] == pod.namespace
    return bool(own and _matches(policy["spec"]["podSelector"], pod.labels))


def _opened(policies: list[Document], direction: str, here: End, there: End, connection: Connection) -> bool:
    if isinstance(here, str):
        return True
    about = [each for each in policies if direction in each["spec"]["policyTypes"] and selects(each, here)]
    rules = [rule for policy in about for rule in policy["spec"].get(direction.lower(), [])]
    key = {"Egress": "to", "Ingress": "from"}[direction]
    return not about or any(_lets(rule, key, there, here.namespace, connection) for rule in rules)


def _lets(rule: Document, key: str, there: End, namespace: str, connection: Connection) -> bool:
    assert rule.keys() == {key, "ports"}, "a rule without peers or without ports opens everything"
    ports = {(port["port"], port.get("protocol", "TCP")) for port in rule["ports"]}
    return (connection.port, connection.protocol) in ports and any(_is(peer, there, namespace) for peer in rule[key])


def _is(peer: Document, end: End, namespace: str) -> bool:
    if "ipBlock" in peer:
        assert peer["ipBlock"].keys() == {"cidr"}
        # an ipBlock is for what is outside: of pods' addresses engines disagree, so that it must not be relied on
        return isinstance(end, str) and ip_address(end) in ip_network(peer["ipBlock"]["cidr"])
    if isinstance(end, str):
        return False
    if "namespaceSelector" in peer:
        if not _matches(peer["namespaceSelector"], {"kubernetes.io/metadata.name": end.namespace}):
            return False
    elif end.namespace != namespace:
        return False
    return _matches(peer.get("podSelector", {}), end.labels)


def _matches(selector: Document, labels: Mapping[str, str]) -> bool:
    assert selector.keys() <= {"matchLabels", "matchExpressions"}
    for expression in selector.get("matchExpressions", []):
        assert expression["operator"] == "In"
        if labels.get(expression["key"]) not in expression["values"]:
            return False
    return bool(selector.get("matchLabels", {}).items() <= dict(labels).items())
