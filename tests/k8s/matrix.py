"""Who may talk to whom: the whole of it. What is not here is dropped.

The manifests are held against this table without a cluster (test_policies.py), and with real packets on the node of
`make cluster`. Addresses outside of the cluster are each overlay's; of a network one address stands for all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Pod:
    """Any pod with these labels."""

    namespace: str
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Target:
    """A port of a pod, or of something outside that each overlay has an address for.

    Attributes:
        pod: a name of PODS; empty for what is outside.
        port: of the pod; what is outside has its port beside its address.
        behind: Service and port by which the pod is reached too; empty where there is none.
    """

    pod: str = ""
    port: int = 0
    protocol: str = "TCP"
    behind: str = ""


def _hub_pod(component: str, **labels: str) -> Pod:
    return Pod("jupyterhub", {"app": "jupyterhub", "component": component, **labels})


def _server(profile: str) -> Pod:
    return _hub_pod("singleuser-server", **{"riskhub.dev/profile": profile})


def _runbook_pod(component: str) -> Pod:
    return Pod("riskhub", {"app": "riskhub", "component": component})


PODS: Mapping[str, Pod] = {
    "hub": _hub_pod("hub"),
    "proxy": _hub_pod("proxy"),
    "management-api": _hub_pod("management-api"),
    "business-user": _server("business-user"),
    "data-scientist": _server("data-scientist"),
    "placeholder": _hub_pod("placeholder"),
    "image-puller": _hub_pod("image-puller"),
    "prefect-server": _runbook_pod("prefect-server"),
    "prefect-services": _runbook_pod("prefect-services"),
    "prefect-worker": _runbook_pod("prefect-worker"),
    "redis": _runbook_pod("redis"),
    "flow-run": _runbook_pod("flow-run"),
    "pulse-watch": _runbook_pod("pulse-watch"),
    "dns": Pod("kube-system", {"k8s-app": "kube-dns"}),
    "prometheus": Pod("monitoring", {"app.kubernetes.io/name": "prometheus"}),
    "alertmanager": Pod("monitoring", {"app.kubernetes.io/name": "alertmanager"}),
    "neighbour-of-prometheus": Pod("monitoring"),
    "stranger": Pod("default"),
}

TARGETS: Mapping[str, Target] = {
    "hub": Target("hub", 8081, behind="hub.jupyterhub:8081"),
    "proxy": Target("proxy", 8000, behind="proxy-public.jupyterhub:80"),
    "proxy-api": Target("proxy", 8001, behind="proxy-api.jupyterhub:8001"),
    "proxy-metrics": Target("proxy", 8002),
    "management-api": Target("management-api", 8080, behind="management-api.jupyterhub:80"),
    "business-user": Target("business-user", 8888),
    "data-scientist": Target("data-scientist", 8888),
    "placeholder": Target("placeholder", 8080),
    "image-puller": Target("image-puller", 8080),
    "prefect-server": Target("prefect-server", 4200, behind="prefect-server.riskhub:4200"),
    "prefect-worker": Target("prefect-worker", 8080),
    "redis": Target("redis", 6379, behind="redis.riskhub:6379"),
    "flow-run": Target("flow-run", 8080),
    "pulse-watch": Target("pulse-watch", 8080),
    "alertmanager": Target("alertmanager", 9093),
    "dns": Target("dns", 53, protocol="UDP", behind="kube-dns.kube-system:53"),
    "database": Target(),
    "sso": Target(),
    "risk-api": Target(),
    "s3": Target(),
    "aws": Target(),
    "public-address": Target(),
    "api-server": Target(),
    "api-server-itself": Target(),
    "metadata": Target(),
    "pod-identity": Target(),
    "internet": Target(),
}

# AWS's agent lets every pod talk to its own node, and on the node of `make cluster` the API server is there.
NOT_PROVEN_WITH_PACKETS = frozenset({"api-server-itself"})

API_SERVER = frozenset({"api-server", "api-server-itself"})
NOTHING: frozenset[str] = frozenset()

REACHES: Mapping[str, frozenset[str]] = {
    "load-balancer": frozenset({"proxy"}),
    "hub": frozenset({"proxy-api", "business-user", "data-scientist", "database", "sso", "dns"}) | API_SERVER,
    "proxy": frozenset({"hub", "business-user", "data-scientist", "management-api", "dns"}),
    "management-api": frozenset({"hub", "prefect-server", "dns"}),
    "business-user": frozenset({"hub", "risk-api", "dns"}),
    "data-scientist": frozenset({"hub", "risk-api", "s3", "dns"}),
    "placeholder": NOTHING,
    "image-puller": NOTHING,
    "prefect-server": frozenset({"redis", "database", "dns"}),
    "prefect-services": frozenset({"redis", "database", "alertmanager", "dns"}),
    "prefect-worker": frozenset({"prefect-server", "dns"}) | API_SERVER,
    "redis": NOTHING,
    "flow-run": frozenset(
        {
            "hub",
            "proxy",
            "prefect-server",
            "public-address",
            "database",
            "s3",
            "aws",
            "sso",
            "risk-api",
            "alertmanager",
            "dns",
        }
    )
    | API_SERVER,
    "pulse-watch": frozenset({"s3", "alertmanager", "dns"}),
    # of what is ours; where else they go is not our business
    "prometheus": frozenset({"hub", "proxy-metrics", "prefect-server"}),
    "neighbour-of-prometheus": NOTHING,
    "stranger": NOTHING,
}

_EVERYWHERE: Mapping[str, tuple[str, int]] = {
    "metadata": ("169.254.169.254", 80),
    "pod-identity": ("169.254.170.23", 80),
    "internet": ("203.0.113.10", 443),
}


def _vpc(network: int) -> Mapping[str, tuple[str, int]]:
    return {
        "load-balancer": (f"10.{network}.1.9", 0),
        "public-address": (f"10.{network}.0.9", 443),
        "api-server": ("172.20.0.1", 443),
        "api-server-itself": (f"10.{network}.4.20", 443),
        "database": (f"10.{network}.5.70", 5432),
        "s3": (f"10.{network}.6.40", 443),
        "aws": (f"10.{network}.7.70", 443),
        "sso": (f"10.{network}.8.5", 443),
        "risk-api": (f"10.{network}.8.20", 443),
        **_EVERYWHERE,
    }


# overlay -> what is outside -> its address and port
OUTSIDE: Mapping[str, Mapping[str, tuple[str, int]]] = {
    "local": {
        "load-balancer": ("10.245.0.1", 0),
        "public-address": ("10.96.0.80", 80),
        "api-server": ("10.96.0.1", 443),
        "api-server-itself": ("10.244.0.1", 6443),
        "database": ("10.245.0.1", 5432),
        "sso": ("10.245.0.1", 9080),
        "risk-api": ("10.245.0.1", 9090),
        "s3": ("10.245.0.1", 9000),
        "aws": ("10.245.0.1", 9050),
        **_EVERYWHERE,
    },
    "dev": _vpc(20),
    "uat": _vpc(30),
    "prod": _vpc(40),
}
