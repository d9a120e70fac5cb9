"""A pod that the Hub lost: on-call's own rights end it, a flow run's do not, and another Hub's stays."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from devstack.day.people import Person
from devstack.day.runs import Deployments
from domain.errors import RiskhubError
from systems import hub as hubs
from systems.database import ask
from systems.running import read_running
from tests.cluster.conditions import riskhub, wait_until

pytestmark = pytest.mark.timeout(900)

JUPYTERHUB = ("--namespace", "jupyterhub")
SERVERS = "--selector=component=singleuser-server"
# an evicted pod of the hub outlives its Deployment's scale: it is listed as Failed until Kubernetes collects it
RUNNING_HUB = ("--selector=component=hub", "--field-selector=status.phase=Running")
STRANGER = "business-user-stranger"


@pytest.fixture
def dina(cluster) -> Iterator[Person]:
    person = Person.log_in("dina", cluster.environment.hub.public_url)
    if not person.is_running():
        person.start_server(profile="data-scientist")
    yield person
    if person.is_running():
        person.stop_server()


@pytest.fixture
def forgotten(cluster, dina) -> Iterator[str]:
    """Dina's pod, after the Hub's database came back from before it was started."""
    env = cluster.environment
    (running,) = [each for each in read_running(env.hub, env.cluster) or () if each.user == "dina"]
    cluster.kubectl(*JUPYTERHUB, "scale", "deployment/hub", "--replicas=0")
    try:
        cluster.kubectl(*JUPYTERHUB, "wait", "--for=delete", "pod", *RUNNING_HUB, "--timeout=120s")
        ask(env.database, "update spawners set server_id = null, state = null")
    finally:
        cluster.kubectl(*JUPYTERHUB, "scale", "deployment/hub", "--replicas=1")
    wait_until(lambda: knows_nobody(env.hub))
    yield running.id
    cluster.kubectl(*JUPYTERHUB, "delete", "pod", running.id, "--ignore-not-found", "--grace-period=1")


@pytest.fixture
def stranger(cluster, dina) -> Iterator[str]:
    """A pod that looks like a user's server, and whose Hub has another address."""
    pods = cluster.read("jupyterhub", "pods", SERVERS)["items"]
    pod = next(each for each in pods if each["metadata"]["annotations"]["hub.jupyter.org/username"] == "dina")
    container = pod["spec"]["containers"][0]
    kept = {key: container[key] for key in ("image", "imagePullPolicy", "securityContext", "resources")}
    env = [
        {"name": "JUPYTERHUB_USER", "value": "otto"},
        {"name": "JUPYTERHUB_PUBLIC_HUB_URL", "value": "http://hub.elsewhere/hub/"},
    ]
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": STRANGER,
            "labels": pod["metadata"]["labels"],
            "annotations": {"hub.jupyter.org/username": "otto", "hub.jupyter.org/servername": ""},
        },
        "spec": {
            "automountServiceAccountToken": False,
            "securityContext": pod["spec"]["securityContext"],
            "containers": [{**kept, "name": "notebook", "command": ["sleep", "3600"], "env": env}],
        },
    }
    cluster.kubectl(*JUPYTERHUB, "create", "-f", "-", given=json.dumps(manifest))
    yield STRANGER
    cluster.kubectl(*JUPYTERHUB, "delete", "pod", STRANGER, "--grace-period=1")


def knows_nobody(hub) -> bool:
    try:
        return hubs.list_servers(hub) == []
    except RiskhubError:
        return False


def pods_of(cluster) -> set[str]:
    return {each["metadata"]["name"] for each in cluster.read("jupyterhub", "pods", SERVERS)["items"]}


def test_on_a_cluster_where_all_agree_nothing_is_astray(cluster, dina):
    answer = riskhub("sessions", "reconcile", "--grace", "5")
    assert (answer.code, answer.record["actions"]) == (0, []), answer.said
    (finding,) = answer.record["findings"]
    assert finding["state"] == "ok" and "1 running" in finding["seen"]


def test_a_pod_that_the_hub_forgot_is_told_by_a_flow_run_and_ended_by_on_call(cluster, stranger, forgotten):
    env = cluster.environment
    policy = {"grace": "PT5S", "at_least": 3}
    prefect = Deployments(env.prefect.api_url, env.prefect.ui_url)
    run = prefect.wait(prefect.start("reconcile-sessions/hourly", {"execute": True, "policy": policy}))
    assert run.state == "Failed" and "1 astray: 0 mended" in run.message, run
    assert forgotten in pods_of(cluster), "flow runs may delete no pod"
    answer = riskhub("sessions", "reconcile", "--execute", "--grace", "5")
    assert (answer.code, answer.record["state"]) == (0, "complete"), answer.said
    (outcome,) = answer.record["outcomes"]
    assert (outcome["verb"], outcome["target"], outcome["state"]) == ("end", "dina/", "done")
    wait_until(lambda: forgotten not in pods_of(cluster))
    assert [each["target"] for each in answer.record["left_alone"]] == ["otto/"]
    assert stranger in pods_of(cluster), "another Hub's pod is left alone"
