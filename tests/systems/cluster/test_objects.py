"""The API's JSON as the runbook's own types, from objects as a real API server gives them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from domain.cluster import Need
from systems.cluster import objects

SINCE = "2026-03-02T05:00:00Z"
AT = datetime(2026, 3, 2, 5, tzinfo=UTC)


def item(spec: dict[str, Any] | None = None, status: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    named = {"name": "hub", "namespace": "jupyterhub", "uid": "u", "creationTimestamp": SINCE, **metadata}
    return {"metadata": named, "spec": spec or {}, "status": status or {}}


def container(**more: Any) -> dict[str, Any]:
    return {"name": "hub", "image": "hub:1", **more}


def test_a_pod_that_waits_tells_why_and_how_it_last_ended():
    state = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}}
    last = {"terminated": {"reason": "OOMKilled", "exitCode": 137, "finishedAt": SINCE}}
    told = {"name": "hub", "ready": False, "restartCount": 4, "state": state, "lastState": last}
    limited = container(resources={"limits": {"memory": "2Gi"}})
    pod = objects.pod(item({"containers": [limited]}, {"phase": "Running", "containerStatuses": [told]}))
    (seen,) = pod.containers
    assert (seen.waiting, seen.ended, seen.exit_code, seen.restarts) == ("CrashLoopBackOff", "OOMKilled", 137, 4)
    assert (seen.ended_at, seen.memory_limit, seen.running) == (AT, 2 * 2**30, False)


def test_a_pod_that_no_node_takes_tells_the_schedulers_words():
    condition = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}
    pod = objects.pod(item({"containers": [container()]}, {"conditions": [condition]}))
    assert (pod.phase, pod.unschedulable, pod.ready) == ("Pending", "0/1 nodes are available", False)


def test_a_server_is_known_by_the_name_that_the_hub_knows():
    owner = {"hub.jupyter.org/username": "Bea.O'Neil@example.org"}
    labels = {"component": "singleuser-server"}
    pod = objects.pod(item({"containers": [container()]}, annotations=owner, labels=labels))
    assert (pod.user, pod.component) == ("Bea.O'Neil@example.org", "singleuser-server")


def test_what_a_pod_takes_of_a_quota_is_summed_over_its_containers():
    asked = {"requests": {"cpu": "250m", "memory": "1G"}, "limits": {"memory": "4G"}}
    limited = {"limits": {"cpu": "1"}}  # what is not requested is requested as limited
    spec = {"containers": [container(resources=asked), container(resources=limited)]}
    taken = objects.pod(item(spec)).requests
    assert taken["requests.cpu"] == taken["cpu"] == 1.25
    assert (taken["requests.memory"], taken["limits.memory"], taken["pods"]) == (1e9, 4e9, 1)


def test_a_deployment_is_current_when_every_pod_is_of_the_newest_template():
    spec = {"replicas": 2, "template": {"metadata": {"labels": {"component": "hub"}}, "spec": {"containers": []}}}
    done = {"observedGeneration": 3, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2}
    for status, current in (
        (done, True),
        ({**done, "observedGeneration": 2}, False),
        ({**done, "updatedReplicas": 1}, False),
        ({**done, "replicas": 3}, False),
    ):
        seen = objects.workload("Deployment", item(spec, status, generation=3))
        assert (seen.current, seen.desired, seen.ready, seen.component) == (current, 2, 2, "hub"), status


def test_the_controllers_own_complaint_is_kept():
    failure = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: jupyterhub"}
    spec = {"template": {"metadata": {}, "spec": {"containers": []}}}
    assert objects.workload("Deployment", item(spec, {"conditions": [failure]})).trouble == failure["message"]
    mended = {**failure, "status": "False"}
    assert objects.workload("Deployment", item(spec, {"conditions": [mended]})).trouble == ""


def test_a_node_tells_its_pressures_and_its_usage():
    conditions = [{"type": "Ready", "status": "True"}, {"type": "DiskPressure", "status": "True"}]
    status = {"conditions": conditions, "allocatable": {"cpu": "3920m", "memory": "16Gi"}}
    node = objects.node(item({}, status), {"usage": {"cpu": "1500000000n", "memory": "8Gi"}})
    assert (node.ready, node.pressures) == (True, ("DiskPressure",))
    assert (node.cpu, node.cpu_used, node.memory_used) == (3.92, 1.5, 8 * 2**30)
    assert objects.node(item({}, status), None).cpu_used is None


def test_a_service_counts_the_addresses_of_its_own_slices():
    def piece(service: str, *ready: bool | None) -> dict[str, Any]:
        endpoints = [
            {"addresses": ["10.0.0.1"], "conditions": {} if each is None else {"ready": each}} for each in ready
        ]
        return {"metadata": {"labels": {"kubernetes.io/service-name": service}}, "endpoints": endpoints}

    slices = [piece("hub", True, False), piece("hub", None), piece("proxy", True), piece("hub")]
    seen = objects.service(item({"selector": {"component": "hub"}}), slices)
    assert (seen.ready, seen.not_ready, seen.component) == (2, 1, "hub")


def test_events_of_the_old_and_the_new_api_are_counted_and_timed():
    about = {"involvedObject": {"kind": "Pod", "name": "hub", "uid": "u"}, "reason": "BackOff", "type": "Warning"}
    old = objects.event({**item(), **about, "count": 7, "lastTimestamp": SINCE, "eventTime": None})
    new = objects.event({**item(), **about, "series": {"count": 9, "lastObservedTime": SINCE}, "lastTimestamp": None})
    assert [(each.count, each.last_seen, each.warning) for each in (old, new)] == [(7, AT, True), (9, AT, True)]


def test_a_claim_that_was_deleted_and_is_still_used_is_told():
    bound = {"phase": "Bound"}
    assert not objects.claim(item({}, bound)).deleting
    assert objects.claim(item({}, bound, deletionTimestamp=SINCE)).deleting


def test_what_is_optional_is_no_need():
    spec = {
        "containers": [
            container(
                env=[
                    {"valueFrom": {"secretKeyRef": {"name": "hub", "key": "a"}}},
                    {"valueFrom": {"secretKeyRef": {"name": "hub", "key": "b", "optional": True}}},
                    {"valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                ],
                envFrom=[{"configMapRef": {"name": "platform"}}, {"secretRef": {"name": "x", "optional": True}}],
            )
        ],
        "volumes": [
            {"persistentVolumeClaim": {"claimName": "homes"}},
            {"secret": {"secretName": "s", "optional": True}},
        ],
    }
    assert objects.needs_of(spec) == (
        Need("Secret", "hub", "a"),
        Need("ConfigMap", "platform"),
        Need("PersistentVolumeClaim", "homes"),
    )
