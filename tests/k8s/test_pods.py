"""What every pod of every overlay keeps to, users' servers included."""

from __future__ import annotations

import re
from functools import cache

import pytest

from tests.k8s.rendering import OVERLAYS, Document, Pods, named, of_kind, overlay, workloads
from tests.k8s.restricted import refused
from tests.k8s.servers import server_pods

SERVERS = ("business-user", "data-scientist")
each_overlay = pytest.mark.parametrize("name", OVERLAYS)

# talk to the API server; all others hold no token of the cluster
CLIENTS_OF_THE_API_SERVER = {"jupyterhub/hub", "riskhub/prefect-worker"}
REFERENCE = re.compile(r".+@sha256:[0-9a-f]{64}|localhost/riskhub/[a-z-]+:node")


@cache
def pods(name: str) -> tuple[Pods, ...]:
    return (*workloads(overlay(name)), *(server_pods(name, profile) for profile in SERVERS))


def complaints(name: str, container: str, what: str) -> str:
    return f"{name}: container {container} {what}"


@each_overlay
def test_the_pods_are_admitted_where_restricted_is_enforced(name: str) -> None:
    for namespace in of_kind(overlay(name), "Namespace"):
        assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert {each.name: refused(each.spec) for each in pods(name) if refused(each.spec)} == {}


def test_restricted_is_judged_as_the_api_server_does() -> None:
    """Each rule refuses a pod that breaks it alone."""
    good: Document = {
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "c",
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            }
        ],
    }
    assert refused(good) == []
    own = good["containers"][0]["securityContext"]
    broken: dict[str, Document] = {
        "hostNetwork is set": {**good, "hostNetwork": True},
        "hostPID is set": {**good, "hostPID": True},
        "volume v is a hostPath": {**good, "volumes": [{"name": "v", "hostPath": {"path": "/"}}]},
        "c: runAsNonRoot is not true": {
            **good,
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        },
        "c: seccompProfile is none of RuntimeDefault, Localhost": {**good, "securityContext": {"runAsNonRoot": True}},
    }
    changes: dict[str, Document] = {
        "c: runAsUser is 0": {"runAsUser": 0},
        "c: allowPrivilegeEscalation is not false": {"allowPrivilegeEscalation": None},
        "c: privileged": {"privileged": True},
        "c: capabilities do not drop ALL": {"capabilities": {}},
        "c: capabilities are added": {"capabilities": {"drop": ["ALL"], "add": ["SYS_ADMIN"]}},
        "c: procMount is set": {"procMount": "Unmasked"},
        "c: seLinuxOptions is set": {"seLinuxOptions": {"type": "spc_t"}},
    }
    for reason, change in changes.items():
        broken[reason] = {**good, "containers": [{"name": "c", "securityContext": {**own, **change}}]}
    broken["c: a port of the node is taken"] = {
        **good,
        "containers": [{**good["containers"][0], "ports": [{"containerPort": 80, "hostPort": 80}]}],
    }
    assert {reason: refused(spec) for reason, spec in broken.items()} == {reason: [reason] for reason in broken}


@each_overlay
def test_every_container_says_what_it_asks_and_how_much_memory_it_may_have(name: str) -> None:
    missing = [
        complaints(each.name, container["name"], f"has no {kind} of {resource}")
        for each in pods(name)
        for container in each.containers
        for kind, resource in (("requests", "cpu"), ("requests", "memory"), ("limits", "memory"))
        if resource not in container.get("resources", {}).get(kind, {})
    ]
    assert missing == []


@each_overlay
def test_every_image_is_pinned(name: str) -> None:
    floating = [
        complaints(each.name, container["name"], container["image"])
        for each in pods(name)
        if each.replicas  # the slot that nothing runs in has no image yet
        for container in each.containers
        if not REFERENCE.fullmatch(container["image"])
    ]
    assert floating == []


@each_overlay
def test_users_start_the_images_that_the_puller_holds(name: str) -> None:
    puller = named(overlay(name), "DaemonSet", "image-puller")["spec"]["template"]["spec"]["containers"]
    held = {each["name"]: each["image"] for each in puller}
    assert held == {profile: server_pods(name, profile).spec["containers"][0]["image"] for profile in SERVERS}


@each_overlay
def test_roots_are_read_only_but_for_users(name: str) -> None:
    writable = [
        f"{each.name} {container['name']}"
        for each in pods(name)
        for container in each.containers
        if not container["securityContext"].get("readOnlyRootFilesystem")
    ]
    assert writable == [f"jupyterhub/server of {profile} notebook" for profile in SERVERS]


@each_overlay
def test_only_what_talks_to_the_api_server_holds_its_token(name: str) -> None:
    holders = {each.name for each in pods(name) if each.spec.get("automountServiceAccountToken") is not False}
    assert holders == CLIENTS_OF_THE_API_SERVER
    accounts = of_kind(overlay(name), "ServiceAccount")
    assert all(account["automountServiceAccountToken"] is False for account in accounts)


@each_overlay
def test_no_pod_is_told_of_other_services_by_variables(name: str) -> None:
    """With service links a Service called `hub` gives every pod HUB_PORT=tcp://..., which the Hub's settings read."""
    assert [each.name for each in pods(name) if each.spec.get("enableServiceLinks") is not False] == []


@each_overlay
def test_a_secret_is_in_no_manifest_and_in_no_plain_variable(name: str) -> None:
    assert of_kind(overlay(name), "Secret") == []
    spelled_out = [
        complaints(each.name, container["name"], variable["name"])
        for each in pods(name)
        for container in each.containers
        for variable in container.get("env", [])
        if re.search("TOKEN|SECRET|PASSWORD|CRYPT|DATABASE", variable["name"]) and variable.get("value")
    ]
    assert spelled_out == []


@each_overlay
def test_a_missing_key_of_a_secret_stops_the_pod(name: str) -> None:
    optional = [
        complaints(each.name, container["name"], variable["name"])
        for each in pods(name)
        for container in each.containers
        for variable in container.get("env", [])
        if variable.get("valueFrom", {}).get("secretKeyRef", {}).get("optional")
    ]
    assert optional == []


@each_overlay
def test_writable_folders_in_memory_or_on_disk_have_a_limit(name: str) -> None:
    unlimited = [
        f"{each.name} {volume['name']}"
        for each in pods(name)
        for volume in each.spec.get("volumes", [])
        if "emptyDir" in volume and not (volume["emptyDir"] or {}).get("sizeLimit")
    ]
    assert unlimited == []


@each_overlay
def test_every_pod_has_its_labels_and_a_priority(name: str) -> None:
    known = {each["metadata"]["name"] for each in of_kind(overlay(name), "PriorityClass")}
    for each in pods(name):
        assert each.labels["app"] == each.namespace
        assert each.labels["component"] in (each.name.partition("/")[2], "singleuser-server")
        assert each.spec["priorityClassName"] in known
