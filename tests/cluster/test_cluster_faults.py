"""Twelve faults, each injected into the real cluster, each told by its right cause and as one."""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest

from devstack.day.people import Person
from domain.errors import Failed, RiskhubError
from systems import hub as hubs
from systems.homes import home_name
from systems.kernels.cells import run_cell
from tests.cluster.conditions import OF_THE_HUB, check, riskhub, the_cause, troubles, wait_until
from tests.cluster.test_deploy import put_back

pytestmark = pytest.mark.timeout(900)

JUPYTERHUB = ("-n", "jupyterhub")
ABSENT = "localhost/riskhub/jupyterhub:never-built"

# Memory that is the pod's and in no process: the kernel then ends the largest, and that is the user's own server.
# (Where a node has cgroup v2, as EKS has, all processes of the container end together.)
HUNGRY = """\
import subprocess, sys
hoard = "import os; fd = os.memfd_create('hoard'); block = bytes(1 << 20)\\nwhile True: os.write(fd, block)"
subprocess.run([sys.executable, "-c", hoard])
"""


@pytest.fixture(autouse=True)
def well_before_and_after(cluster) -> Iterator[None]:
    """Each fault begins and ends with a cluster where nothing is wrong."""
    wait_until(lambda: troubles(check(cluster.environment)) == [], otherwise=lambda: str(check(cluster.environment)))
    yield
    wait_until(lambda: troubles(check(cluster.environment)) == [], otherwise=lambda: str(check(cluster.environment)))


def follow_from(findings, probe: str) -> set[str]:
    return {each.probe for each in findings if each.because_of == probe}


def set_in_secret(cluster, **values: str) -> None:
    data = {name: base64.b64encode(value.encode()).decode() for name, value in values.items()}
    cluster.kubectl(*JUPYTERHUB, "patch", "secret", "hub", "-p", json.dumps({"data": data}))


def secret(cluster) -> dict:
    return json.loads(cluster.kubectl(*JUPYTERHUB, "get", "secret", "hub", "-o", "json"))


def restart(cluster, *components: str) -> None:
    cluster.kubectl(*JUPYTERHUB, "rollout", "restart", *(f"deployment/{each}" for each in components))


def test_the_healthy_cluster_is_ok_in_every_part(cluster):
    answer = riskhub("health", "check")
    told = {each["probe"]: each["state"] for each in answer.record["findings"] if each["probe"].startswith("cluster")}
    assert len(told) == 9 and set(told.values()) == {"ok"}, answer.said
    (session,) = (each for each in answer.record["findings"] if each["probe"] == "synthetic-user")
    assert (session["state"], session["seen"]) == (
        "ok",
        "riskhub-check came in by SSO, started a server of each of business-user, data-scientist, used its home, "
        "/shared and the Risk API, and was removed",
    )
    known = secret(cluster)["data"]
    del known["oauth_client_id"]  # every login's address has it
    assert not [name for name, value in known.items() if base64.b64decode(value).decode() in answer.said]


def test_hub_scaled_to_zero(cluster):
    cluster.kubectl(*JUPYTERHUB, "scale", "deployment/hub", "--replicas=0")
    try:
        findings = the_cause(
            cluster.environment, "cluster-workloads", "Deployment jupyterhub/hub: it is scaled to zero"
        )
    finally:
        cluster.kubectl(*JUPYTERHUB, "scale", "deployment/hub", "--replicas=1")
    assert follow_from(findings, "cluster-workloads") == {*OF_THE_HUB, "cluster-services"}


def test_an_image_that_does_not_exist(cluster):
    cluster.kubectl(*JUPYTERHUB, "set", "image", "deployment/hub", f"hub={ABSENT}", f"wait-for-database={ABSENT}")
    try:
        the_cause(cluster.environment, "cluster-workloads", f"image {ABSENT}")
    finally:
        cluster.kubectl(*JUPYTERHUB, "rollout", "undo", "deployment/hub")


def test_quota_exhausted(cluster):
    quota = json.loads(cluster.kubectl(*JUPYTERHUB, "get", "resourcequota", "jupyterhub", "-o", "json"))
    before, used = quota["spec"]["hard"]["pods"], quota["status"]["used"]["pods"]
    limit = (*JUPYTERHUB, "patch", "resourcequota", "jupyterhub", "--type=merge", "-p")
    cluster.kubectl(*limit, json.dumps({"spec": {"hard": {"pods": used}}}))
    try:
        findings = the_cause(cluster.environment, "cluster-quota", "ResourceQuota jupyterhub/jupyterhub")
    finally:
        cluster.kubectl(*limit, json.dumps({"spec": {"hard": {"pods": before}}}))
        restart(cluster, "hub")  # what its log said counts for two minutes
    assert "synthetic-user" in follow_from(findings, "cluster-quota")


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ("users-to-hub", "it cannot reach the hub at hub"),
        ("hub-to-users", "it is up in its pod, and the Hub did not reach it"),
    ],
)
def test_packets_dropped_between_hub_and_server(cluster, policy, words):
    kept = cluster.kubectl(*JUPYTERHUB, "get", "networkpolicy", policy, "-o", "json")
    cluster.kubectl(*JUPYTERHUB, "delete", "networkpolicy", policy)
    try:
        (cause,) = troubles(check(cluster.environment, *OF_THE_HUB))
        assert cause.probe == "cluster-servers" and words in cause.seen and policy in cause.next_step, cause
    finally:
        cluster.kubectl("create", "-f", "-", given=kept)
        wait_until(lambda: troubles(check(cluster.environment, "synthetic-user")) == [])


def test_claim_missing(cluster):
    claim = json.loads(cluster.kubectl(*JUPYTERHUB, "get", "persistentvolumeclaim", "homes", "-o", "json"))
    cluster.kubectl(*JUPYTERHUB, "delete", "persistentvolumeclaim", "homes")
    try:
        findings = check(cluster.environment, "hub-api", "synthetic-user")
        (cause,) = troubles(findings)
        assert cause.probe == "cluster-storage" and "claim jupyterhub/homes: it is missing" in cause.seen
        assert "synthetic-user" in follow_from(findings, "cluster-storage")
    finally:
        free = json.dumps([{"op": "remove", "path": "/spec/claimRef/uid"}])
        cluster.kubectl("patch", "persistentvolume", claim["spec"]["volumeName"], "--type=json", "-p", free)
        assert riskhub("deploy", "hub", "--execute").code == 0, "what the finding says brings it back"


def test_wrong_database_password(cluster):
    kept = secret(cluster)
    url = base64.b64decode(kept["data"]["database_url"]).decode()
    user, _, rest = url.partition("://")[2].partition(":")
    set_in_secret(cluster, database_url=f"postgresql://{user}:wrong@{rest.partition('@')[2]}")
    restart(cluster, "hub")
    try:
        the_cause(cluster.environment, "cluster-workloads", f"the database rejects the password of user {user}")
    finally:
        put_back(cluster, kept)
        restart(cluster, "hub")


def test_coredns_down(cluster):
    dns = ("-n", "kube-system", "scale", "deployment/coredns")
    before = cluster.kubectl("-n", "kube-system", "get", "deployment", "coredns", "-o", "jsonpath={.spec.replicas}")
    cluster.kubectl(*dns, "--replicas=0")
    try:
        findings = the_cause(cluster.environment, "cluster-dns", "CoreDNS: it has no pod")
    finally:
        cluster.kubectl(*dns, f"--replicas={before}")
        cluster.kubectl("-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=60s")
        restart(cluster, "hub", "proxy")  # what their logs said counts for two minutes
    assert "synthetic-user" in follow_from(findings, "cluster-dns")


def test_proxy_token_mismatch(cluster):
    kept = secret(cluster)
    set_in_secret(cluster, proxy_token="another-token")
    restart(cluster, "proxy")
    cluster.kubectl(*JUPYTERHUB, "rollout", "status", "deployment/proxy", "--timeout=120s")
    try:
        wait_until(lambda: "different tokens" in str(check(cluster.environment, "proxy-routes")))
        the_cause(cluster.environment, "cluster-workloads", "hub and proxy hold different tokens")
    finally:
        put_back(cluster, kept)
        restart(cluster, "proxy", "hub")


def test_a_users_pod_out_of_memory(cluster):
    env = cluster.environment
    user = env.health.synthetic_user
    hubs.ensure_user(env.hub, user)
    server = hubs.start_server(env.hub, user, deadline=timedelta(seconds=120))

    def eat() -> None:
        try:
            run_cell(hubs.server_url(env.hub, server), env.hub.api_token, HUNGRY, deadline=timedelta(seconds=60))
        except RiskhubError:
            return  # its server is killed under it

    eating = threading.Thread(target=eat)
    eating.start()
    try:
        the_cause_of_memory(env, user)
    finally:
        eating.join()
        hubs.end_server(env.hub, user)
        hubs.delete_user(env.hub, user)


def test_one_persons_own_configuration_ends_their_server(cluster):
    """Everybody else starts, they do not."""
    env = cluster.environment
    dina = Person.log_in("dina", env.hub.public_url)
    file = env.homes.user_data / home_name("dina") / ".jupyter" / "jupyter_server_config.py"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("raise SystemExit('of my laptop')\n")
    owner = env.homes.user_data.stat()
    for path in (file.parent.parent, file.parent, file):  # here by root, and behind the access point it is the users'
        os.chown(path, owner.st_uid, owner.st_gid)
    try:
        with pytest.raises(Failed, match="it was not ready in time"):
            dina.start_server(deadline=timedelta(seconds=25))
        answer = riskhub("diagnose", "resources", "--user", "dina")
        causes = {cause["kind"]: cause for cause in answer.record["causes"]}
        assert "user-configuration" in causes and set(causes) <= {"user-configuration", "server"}, answer.said
        assert "user-server" in causes["user-configuration"]["explains"]
    finally:
        file.unlink()
        hubs.end_server(env.hub, "dina", deadline=timedelta(minutes=6))


def the_cause_of_memory(env, user: str) -> None:
    """Without the synthetic user's probe, which would begin by removing the very server."""

    def is_told() -> bool:
        return f"server of {user}: container notebook was killed, out of memory at its limit" in str(check(env))

    wait_until(is_told, within=120, otherwise=lambda: str(check(env)))
    (cause,) = troubles(check(env, "hub-api", "proxy-routes"))
    assert (cause.probe, cause.state) == ("cluster-servers", "degraded")


def test_node_under_disk_pressure(cluster):
    with cluster.node_under_disk_pressure():
        findings = the_cause(cluster.environment, "cluster-nodes", "it is under disk pressure")
    assert "synthetic-user" in follow_from(findings, "cluster-nodes")


def test_secret_deleted(cluster):
    kept = secret(cluster)
    cluster.kubectl(*JUPYTERHUB, "delete", "secret", "hub")
    try:
        (cause,) = troubles(check(cluster.environment, "hub-api"))
        assert cause.probe == "cluster-secrets" and "Secret jupyterhub/hub: it is missing" in cause.seen
        assert "never make up new values" in cause.next_step
        refused = riskhub("deploy", "hub", "--execute")
        assert (refused.code, refused.record["state"]) == (1, "refused")
        assert "secret/hub" not in cluster.kubectl(*JUPYTERHUB, "get", "secrets", "-o", "name").split()
    finally:
        put_back(cluster, kept)
