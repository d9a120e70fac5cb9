"""Each fault by its right cause, and no fault as many: from snapshots, nothing to fake."""

from __future__ import annotations

from dataclasses import replace

import pytest

from domain.cluster import Claim, Clue, ClusterSnapshot, Event, Node, QuotaLine
from domain.health import Finding
from plans.cluster import workload_causes
from plans.diagnosis import diagnose
from plans.health import judge
from tests.plans.snapshots import (
    GIB,
    container,
    event,
    healthy,
    minutes,
    pod,
    server,
    waiting,
    with_pod,
    with_workload,
    without_pods,
    workload,
)

CHECK = "riskhub-check"
FINE = tuple(Finding(probe, "ok", "fine") for probe in ("hub-api", "proxy-routes", "synthetic-user", "object-store"))


KINDS = {
    "hub-api": "hub-down",
    "proxy-routes": "hub-down",
    "synthetic-user": "spawn-timeout",
    "object-store": "bucket-down",
}


def failing(*probes: str) -> list[Finding]:
    bad = {"state": "failed", "seen": "does not work", "next_step": "read the log"}
    return [replace(each, **bad, kind=KINDS[each.probe]) if each.probe in probes else each for each in FINE]


def told(snapshot: ClusterSnapshot, *failed: str) -> tuple[Finding, ...]:
    return diagnose(failing(*failed), snapshot, synthetic_user=CHECK)


def causes(findings: tuple[Finding, ...]) -> list[str]:
    """The probes that are the trouble itself."""
    return [each.probe for each in findings if each.state in ("failed", "degraded") and not each.because_of]


def the_cause(snapshot: ClusterSnapshot, *failed: str) -> Finding:
    """The one finding that everything else follows from."""
    findings = told(snapshot, *failed)
    assert len(causes(findings)) == 1, findings
    assert findings[0].probe == causes(findings)[0], "the cause comes first"
    assert all(each.next_step for each in findings if each.state in ("failed", "degraded"))
    return findings[0]


HUB_DOWN = ("hub-api", "proxy-routes", "synthetic-user")


def test_a_healthy_cluster_is_ok_in_every_area_and_tells_its_figures():
    findings = told(healthy())
    assert {each.state for each in findings} == {"ok"}, findings
    seen = {each.probe: each.seen for each in findings}
    assert seen["cluster-nodes"] == "1 nodes ready: node1 uses 1.2 of 4 cores, 6.0 GiB of 16.0 GiB"
    assert "room for 62 more servers" in seen["cluster-quota"]


def test_without_a_cluster_the_other_findings_stay_causes_first():
    findings = diagnose(failing("object-store"), None, synthetic_user=CHECK)
    assert [each.probe for each in findings] == ["object-store", "hub-api", "proxy-routes", "synthetic-user"]


# The ten faults


def test_a_hub_scaled_to_zero_is_one_cause_and_all_that_fails_follows_from_it():
    snapshot = without_pods(with_workload(healthy(), "hub", desired=0, ready=0), "hub")
    cause = the_cause(snapshot, *HUB_DOWN)
    assert (cause.probe, cause.state) == ("cluster-workloads", "failed")
    assert "Deployment jupyterhub/hub: it is scaled to zero" in cause.seen
    assert "--replicas=1" in cause.next_step
    verdict = judge(told(snapshot, *HUB_DOWN))
    assert verdict.state == "failed"
    assert verdict.summary.startswith("failed: cluster-workloads; from that follow: ")


def test_an_image_that_does_not_exist_is_named():
    image = "registry.example/riskhub/jupyterhub@sha256:cd"
    broken = pod("hub", phase="Pending", ready=False, containers=(waiting(image=image, waiting="ImagePullBackOff"),))
    failed = event(broken, "Failed", f'Failed to pull image "{image}": rpc error: code = NotFound: {image}: not found')
    snapshot = with_pod(with_workload(healthy(), "hub", ready=0), broken, failed)
    cause = the_cause(snapshot, *HUB_DOWN)
    assert cause.probe == "cluster-workloads"
    assert f"image {image}: the registry has no such image" in cause.seen


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        ("401 Unauthorized", "does not let the node pull it"),
        ("dial tcp: lookup registry.example: no such host", "the registry does not answer"),
        ("something else", "it cannot be pulled (ErrImagePull)"),
    ],
)
def test_why_an_image_cannot_be_pulled_is_told(words, meaning):
    broken = pod("hub", ready=False, containers=(waiting(waiting="ErrImagePull", message=words),))
    assert meaning in the_cause(with_pod(with_workload(healthy(), "hub", ready=0), broken), *HUB_DOWN).seen


def test_an_exhausted_quota_explains_why_nobody_starts_a_server():
    spent = QuotaLine("jupyterhub", "jupyterhub", "limits.memory", 256 * GIB, 256 * GIB)
    snapshot = replace(healthy(), quotas=(spent,))
    cause = the_cause(snapshot, "synthetic-user")
    assert cause.probe == "cluster-quota"
    assert "lets nothing more in (limits.memory: 256.0 GiB of 256.0 GiB used)" in cause.seen


def test_a_quota_with_too_little_left_for_a_server_is_told_from_the_hubs_log():
    clue = Clue("hub", "quota", "jupyterhub, requested: limits.memory=8Gi, used: limits.memory=250Gi")
    cause = the_cause(replace(healthy(), clues=(clue,)), "synthetic-user")
    assert cause.probe == "cluster-quota"
    assert "ResourceQuota jupyterhub/jupyterhub: it lets nothing more in (requested: limits.memory=8Gi" in cause.seen


def test_a_quota_that_keeps_the_hub_itself_out_explains_the_hub():
    words = (
        'pods "hub-7d9f-x" is forbidden: exceeded quota: jupyterhub, requested: pods=1, used: pods=80, limited: pods=80'
    )
    snapshot = without_pods(with_workload(healthy(), "hub", ready=0, trouble=words), "hub")
    assert the_cause(snapshot, *HUB_DOWN).probe == "cluster-quota"


def test_a_quota_nearly_spent_is_a_warning_and_what_is_meant_to_be_spent_is_none():
    almost = QuotaLine("jupyterhub", "jupyterhub", "pods", 75, 80)
    cause = the_cause(replace(healthy(), quotas=(*healthy().quotas[1:], almost)))
    assert (cause.probe, cause.state) == ("cluster-quota", "degraded")


def test_a_missing_claim_is_named_and_not_the_pods_that_wait_for_it():
    lost = server(phase="Pending", ready=False, node="", created_at=minutes(5), containers=(waiting("notebook"),))
    lost = replace(lost, unschedulable='0/1 nodes are available: persistentvolumeclaim "homes" not found.')
    snapshot = replace(with_pod(healthy(), lost), claims=())
    cause = the_cause(snapshot, "synthetic-user")
    assert cause.probe == "cluster-storage"
    assert "claim jupyterhub/homes: it is missing" in cause.seen


def test_a_missing_claim_is_seen_from_a_spawn_that_is_over_and_gone():
    gone = server(CHECK, phase="Pending", ready=False, node="", containers=(waiting("notebook"),))
    said = event(gone, "FailedScheduling", 'persistentvolumeclaim "homes" not found. preemption: not helpful')
    nobody = without_pods(healthy(), "singleuser-server")
    snapshot = replace(nobody, claims=(), gone=(gone,), events=(said,))
    assert the_cause(snapshot, "synthetic-user").probe == "cluster-storage"


def test_a_claim_that_was_deleted_under_running_servers_is_told_before_they_end():
    snapshot = replace(healthy(), claims=(Claim("jupyterhub", "homes", "Bound", deleting=True),))
    assert "it was deleted, and only waits for its last pod to end" in the_cause(snapshot).seen


def test_a_wrong_database_password_is_told_from_the_hubs_end():
    crashed = waiting(waiting="CrashLoopBackOff", ended="Error", exit_code=1, restarts=4, ended_at=minutes(1))
    snapshot = with_pod(with_workload(healthy(), "hub", ready=0), pod("hub", ready=False, containers=(crashed,)))
    cause = the_cause(replace(snapshot, clues=(Clue("hub", "database-password", "hub"),)), *HUB_DOWN)
    assert cause.probe == "cluster-workloads"
    assert "the database rejects the password of user hub" in cause.seen


def starting_hub(**of_its_container: object) -> ClusterSnapshot:
    """Its pod came ten seconds ago, and nothing stands behind its Service yet."""
    containers = (container("hub", ready=False, **of_its_container),)
    young = pod("hub", ready=False, created_at=minutes(1 / 6), containers=containers)
    return with_pod(with_workload(healthy(), "hub", ready=0), young)


def test_a_wrong_database_password_is_told_between_two_restarts():
    snapshot = starting_hub(ended="Error", exit_code=1, restarts=1, ended_at=minutes(0.1))
    cause = the_cause(replace(snapshot, clues=(Clue("hub", "database-password", "hub"),)), *HUB_DOWN)
    assert cause.probe == "cluster-workloads"
    assert "the database rejects the password of user hub" in cause.seen


@pytest.mark.parametrize("before", [{}, {"ended": "Error", "exit_code": 255, "restarts": 1}])
def test_a_hub_that_just_starts_is_told_as_such_and_not_its_service(before):
    cause = the_cause(starting_hub(**before), *HUB_DOWN)
    assert (cause.probe, cause.state) == ("cluster-workloads", "degraded")
    assert "Deployment jupyterhub/hub: it starts" in cause.seen


def test_a_wrong_database_password_is_told_while_the_hub_still_counts_as_ready():
    snapshot = replace(healthy(), clues=(Clue("hub", "database-password", "hub"),))
    assert "the database rejects the password" in the_cause(snapshot, "hub-api", "synthetic-user").seen


def test_with_coredns_down_the_hub_that_resolves_nothing_is_not_the_cause():
    snapshot = without_pods(healthy(), "kube-dns")
    services = tuple(replace(each, ready=0) if each.name == "kube-dns" else each for each in snapshot.services)
    init = container("wait-for-database", init=True, ready=False)
    stuck = pod("hub", phase="Pending", ready=False, created_at=minutes(4))
    stuck = replace(stuck, containers=(init, waiting(waiting="PodInitializing")))
    snapshot = with_pod(with_workload(replace(snapshot, services=services), "hub", ready=0), stuck)
    snapshot = replace(snapshot, clues=(Clue("hub", "name-resolution", "database.example"),))
    cause = the_cause(snapshot, *HUB_DOWN)
    assert cause.probe == "cluster-dns"
    assert "it has no pod, so no name resolves in the cluster" in cause.seen


def test_different_tokens_of_hub_and_proxy_are_told_as_such():
    snapshot = replace(healthy(), clues=(Clue("hub", "proxy-token"),))
    cause = the_cause(snapshot, "proxy-routes", "synthetic-user")
    assert "hub and proxy hold different tokens" in cause.seen
    assert "rollout restart" in cause.next_step


def test_a_users_pod_out_of_memory_is_named_with_its_limit_and_fails_nothing_else():
    killed = container("notebook", ended="OOMKilled", exit_code=137, ended_at=minutes(3), restarts=1)
    killed = replace(killed, memory_limit=4 * GIB)
    cause = the_cause(with_pod(healthy(), server(containers=(killed,))))
    assert (cause.probe, cause.state) == ("cluster-servers", "degraded")
    assert "server of ana: container notebook was killed, out of memory at its limit of 4.0 GiB" in cause.seen


@pytest.mark.parametrize("taints", ["taint {node.kubernetes.io/disk-pressure: }", "taint(s)"])  # 1.34, 1.35
def test_disk_pressure_explains_what_was_evicted_and_what_waits(taints):
    evicted = pod("hub", phase="Failed", ready=False, reason="Evicted", uid="uid-of-old")
    evicted = replace(evicted, message="The node was low on resource: ephemeral-storage. Threshold ...")
    words = f"0/1 nodes are available: 1 node(s) had untolerated {taints}."
    pending = pod("hub", phase="Pending", ready=False, node="", created_at=minutes(2), unschedulable=words)
    snapshot = with_pod(with_pod(with_workload(healthy(), "hub", ready=0), evicted), pending)
    snapshot = replace(snapshot, nodes=(Node("node1", True, pressures=("DiskPressure",)),))
    cause = the_cause(snapshot, *HUB_DOWN)
    assert cause.probe == "cluster-nodes"
    assert "node node1: it is under disk pressure" in cause.seen


def test_a_server_that_its_node_threw_out_is_told_also_when_the_node_is_well_again():
    message = "The node was low on resource: memory. Threshold quantity: 100Mi"
    cause = the_cause(with_pod(healthy(), server(phase="Failed", ready=False, reason="Evicted", message=message)))
    assert (cause.probe, cause.state) == ("cluster-servers", "degraded")
    assert "its node node1 threw it out: The node was low on resource: memory" in cause.seen


def test_one_node_of_two_under_pressure_is_a_warning():
    nodes = (Node("node1", True, pressures=("DiskPressure",)), Node("node2", True))
    assert the_cause(replace(healthy(), nodes=nodes)).state == "degraded"


@pytest.mark.parametrize("nodes", [(), (Node("node1", False, "Kubelet stopped posting node status."),)])
def test_without_a_node_that_works_nothing_else_is_the_cause(nodes):
    snapshot = replace(with_workload(healthy(), "hub", ready=0), nodes=nodes)
    findings = told(with_pod(snapshot, pod("hub", ready=False, phase="Pending", node="")), *HUB_DOWN)
    assert (findings[0].probe, findings[0].state) == ("cluster-nodes", "failed")
    assert {each.because_of for each in findings if each.probe in HUB_DOWN} == {"cluster-nodes"}


def test_a_deleted_secret_is_told_while_everything_still_runs_and_is_never_to_be_made_up():
    keys = {key: names for key, names in healthy().keys.items() if key[0] != "Secret"}
    cause = the_cause(replace(healthy(), keys=keys))
    assert (cause.probe, cause.state) == ("cluster-secrets", "failed")
    assert "Secret jupyterhub/hub: it is missing" in cause.seen
    assert "never make up new values" in cause.next_step


def test_a_deleted_secret_explains_the_hub_that_cannot_start():
    message = 'secret "hub" not found'
    broken = pod("hub", ready=False, containers=(waiting(waiting="CreateContainerConfigError", message=message),))
    keys = {key: names for key, names in healthy().keys.items() if key[0] != "Secret"}
    snapshot = replace(with_pod(with_workload(healthy(), "hub", ready=0), broken), keys=keys)
    assert the_cause(snapshot, *HUB_DOWN).probe == "cluster-secrets"


def test_a_missing_key_of_a_secret_is_named():
    keys = {**healthy().keys, ("Secret", "jupyterhub", "hub"): frozenset({"database_url"})}
    assert "without the key proxy_token" in the_cause(replace(healthy(), keys=keys)).seen


# Why a spawn failed


def test_a_spawn_killed_for_memory_is_told_though_the_hub_removed_its_pod():
    killed = waiting("notebook", waiting="CrashLoopBackOff", ended="OOMKilled", exit_code=137, ended_at=minutes(1))
    snapshot = replace(healthy(), gone=(server(CHECK, phase="Running", ready=False, containers=(killed,)),))
    cause = the_cause(snapshot, "synthetic-user")
    assert (cause.probe, cause.state) == ("cluster-servers", "failed")
    assert f"server of {CHECK}: container notebook was killed, out of memory" in cause.seen


def test_a_hub_that_cannot_add_the_servers_route_is_the_cause_of_a_spawn_that_was_given_up():
    snapshot = replace(healthy(), gone=(server(CHECK),), clues=(Clue("hub", "proxy-token"),))
    cause = the_cause(snapshot, "synthetic-user")
    assert cause.probe == "cluster-workloads" and "hold different tokens" in cause.seen


@pytest.mark.parametrize(
    ("said", "words", "step"),
    [
        ((), "it starts too slowly", "start_timeout"),
        ((("hub-unreachable", "hub"),), "it cannot reach the hub at hub", "users-to-hub"),
        ((("name-resolution", "hub"),), "it cannot resolve the name hub", "to-dns"),
        ((("server-listens", ""),), "the Hub did not reach it or was not told", "hub-to-users"),
        ((("hub-unreachable", "hub"), ("server-listens", "")), "the Hub did not reach it", "hub-to-users"),
    ],
)
def test_a_spawn_whose_pod_ran_and_was_given_up_is_told_by_what_the_server_said_itself(said, words, step):
    clues = tuple(Clue("singleuser-server", kind, detail) for kind, detail in said)
    cause = the_cause(replace(healthy(), gone=(server(CHECK, clues=clues),)), "synthetic-user")
    assert cause.probe == "cluster-servers"
    assert words in cause.seen and step in cause.next_step


def test_a_server_that_came_up_and_found_its_folders_empty_was_reached():
    """As after a disaster from which the shared folders are not back: the Hub reached the server, whatever it said."""
    was_up = server(CHECK, clues=(Clue("singleuser-server", "server-listens"),))
    empty = Finding(
        "synthetic-user", "failed", "the shared folders: there is nothing", "restore", kind="session-failed"
    )
    findings = diagnose([empty], replace(healthy(), gone=(was_up,)), synthetic_user=CHECK)
    assert [each.seen for each in findings if each.state == "failed"] == [empty.seen]


def test_a_spawn_that_failed_without_a_trace_stays_its_own_finding():
    assert the_cause(healthy(), "synthetic-user").probe == "synthetic-user"


@pytest.mark.parametrize(
    ("reason", "message", "age", "words"),
    [
        ("NotTriggerScaleUp", "pod didn't trigger scale-up: 1 max node group size reached", 1, "no scale-up was tried"),
        ("FailedScaleUp", "quota of the cloud", 1, "the scale-up failed: quota of the cloud"),
        ("TriggeredScaleUp", "pod triggered scale-up", 25, "a node was asked for 25 min ago and did not come"),
        ("TriggeredScaleUp", "pod triggered scale-up", 2, "a node was asked for 2 min ago"),
    ],
)
def test_a_scale_up_that_fails_is_seen_as_such(reason, message, age, words):
    full = "0/1 nodes are available: 1 Insufficient cpu."
    pending = server(phase="Pending", ready=False, node="", created_at=minutes(30), unschedulable=full)
    pending = replace(pending, containers=(waiting("notebook"),))
    cause = the_cause(with_pod(healthy(), pending, event(pending, reason, message, age=age)), "synthetic-user")
    assert cause.probe == "cluster-servers"
    assert "no node has room for it" in cause.seen and words in cause.seen


def test_a_node_group_that_does_not_grow_is_told_where_pods_wait_for_it():
    full = "0/1 nodes are available: 1 Insufficient cpu."
    pending = server(phase="Pending", ready=False, node="", created_at=minutes(5), unschedulable=full)
    words = "Scale-up failed for group users: the cloud has no such machine left"
    status = Event(
        "kube-system", "ConfigMap", "cluster-autoscaler-status", "x", "FailedToScaleUpGroup", words, True, 3, minutes(1)
    )
    snapshot = with_pod(healthy(), replace(pending, containers=(waiting("notebook"),)), status)
    assert f"the scale-up failed: {words}" in the_cause(snapshot, "synthetic-user").seen
    assert causes(told(replace(healthy(), events=(status,)))) == []


def test_a_server_that_just_starts_is_no_trouble():
    full = "0/1 nodes are available: 1 Insufficient cpu."
    starting = server(phase="Pending", ready=False, node="", created_at=minutes(0.3), unschedulable=full)
    assert causes(told(with_pod(healthy(), starting))) == []
    assert causes(told(with_pod(healthy(), replace(starting, created_at=minutes(2))))) == ["cluster-servers"]


# Order, and what is not a cause


def test_services_without_an_address_follow_from_the_hub_that_has_no_pod():
    snapshot = without_pods(with_workload(healthy(), "hub", desired=0, ready=0), "hub")
    services = next(each for each in told(snapshot, *HUB_DOWN) if each.probe == "cluster-services")
    assert (services.state, services.because_of) == ("failed", "cluster-workloads")


def test_a_service_whose_selector_fits_no_pod_is_a_cause_itself():
    services = tuple(replace(each, ready=0) if each.name == "hub" else each for each in healthy().services)
    cause = the_cause(replace(healthy(), services=services), *HUB_DOWN)
    assert cause.probe == "cluster-services"


def test_two_troubles_that_have_nothing_to_do_with_each_other_are_both_told():
    keys = {key: names for key, names in healthy().keys.items() if key[0] != "Secret"}
    killed = container("notebook", ended="OOMKilled", exit_code=137, ended_at=minutes(3))
    snapshot = with_pod(replace(healthy(), keys=keys), server(containers=(killed,)))
    assert causes(told(snapshot)) == ["cluster-secrets", "cluster-servers"]


def test_what_fails_for_another_reason_is_not_laid_on_the_cluster():
    snapshot = without_pods(with_workload(healthy(), "hub", desired=0, ready=0), "hub")
    assert causes(told(snapshot, *HUB_DOWN, "object-store")) == ["cluster-workloads", "object-store"]


def test_a_restart_within_the_hour_is_a_warning_and_an_older_one_is_not():
    ended = container(ended="OOMKilled", exit_code=137, restarts=2, ended_at=minutes(20))
    snapshot = with_pod(healthy(), pod("hub", containers=(ended,)))
    assert "container hub ended 20 min ago (out of memory at its limit of 1.0 GiB)" in the_cause(snapshot).seen
    old = replace(ended, ended_at=minutes(90))
    assert causes(told(with_pod(healthy(), pod("hub", containers=(old,))))) == []


def test_a_flow_run_that_cannot_start_is_told():
    stuck = pod("flow-run", "riskhub", phase="Pending", ready=False, created_at=minutes(5))
    stuck = replace(stuck, containers=(waiting("flow", waiting="ImagePullBackOff", message="not found"),))
    cause = the_cause(with_pod(healthy(), stuck))
    assert (cause.probe, cause.state) == ("cluster-workloads", "degraded")


def test_a_rollout_that_hangs_behind_the_old_pod_is_a_warning():
    new = pod("redis", "riskhub", uid="uid-of-new", ready=False, phase="Pending", created_at=minutes(5))
    new = replace(new, containers=(waiting("redis", waiting="ImagePullBackOff", message="not found"),))
    cause = the_cause(with_pod(with_workload(healthy(), "redis", current=False), new))
    assert (cause.probe, cause.state) == ("cluster-workloads", "degraded")


def test_the_engine_scaled_to_zero_is_a_warning_and_what_an_overlay_asks_none_of_is_no_trouble():
    none = with_workload(without_pods(healthy(), "redis"), "redis", desired=0, ready=0)
    cause = the_cause(none)
    assert (cause.state, "Deployment riskhub/redis: it is scaled to zero" in cause.seen) == ("degraded", True)
    spare = replace(healthy(), workloads=(*healthy().workloads, workload("placeholder", desired=0, ready=0)))
    assert causes(told(spare)) == []


def test_the_causes_of_workloads_that_are_not_ready_are_one_line_each():
    snapshot = with_workload(healthy(), "hub", desired=0, ready=0)
    lines = workload_causes(snapshot, [("Deployment", "jupyterhub", "hub"), ("Deployment", "riskhub", "gone")])
    assert lines == (
        "Deployment jupyterhub/hub: it is scaled to zero, so none of its pods runs",
        "Deployment riskhub/gone: it is not ready in time",
    )


def test_a_hub_that_is_not_there_at_all_is_missing():
    snapshot = replace(healthy(), workloads=(workload("proxy"), workload("redis", "riskhub")))
    assert "Deployment jupyterhub/hub: it is missing" in the_cause(without_pods(snapshot, "hub"), *HUB_DOWN).seen
