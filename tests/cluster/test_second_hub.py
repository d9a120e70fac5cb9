"""Recovery drills on the node: a second Hub in a namespace of its own, by a scheduled Job and by on-call's hand."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import timedelta

import pytest

from devstack.day.damage import differences, look_at
from devstack.day.people import Person
from devstack.day.runs import Deployments
from domain.recovery import RecoveryPoint
from environments.loader import PROJECT
from systems.configuration import deployed_then, open_configuration, sealed_configuration
from systems.database import ask
from systems.recovery_points import newest_point
from systems.sealing import Seal
from tests.cluster.conditions import riskhub, wait_until
from tests.cluster.forged import replaced, with_configuration

pytestmark = pytest.mark.timeout(900)

DRILL = ("recovery", "drill", "--execute")
SPACE = ("--namespace", "jupyterhub-drill")


@pytest.fixture(scope="module")
def dina(cluster) -> Person:
    """At work all the while."""
    person = Person.log_in("dina", cluster.environment.hub.public_url)
    if not person.is_running():
        person.start_server(profile="data-scientist")
    person.write_notebook("portfolio.ipynb")
    yield person
    person.stop_server()


@pytest.fixture(scope="module")
def good(cluster, dina) -> RecoveryPoint:
    assert riskhub("backup", "run", "--execute").record["state"] == "complete"
    point = newest_point(cluster.environment.objects)
    assert point is not None
    return point


@pytest.fixture(autouse=True)
def nothing_is_left(cluster, good):
    """Whatever became of a drill: no object, no database, no folder."""
    yield
    assert left_of_drills(cluster) == []


def left_of_drills(cluster) -> list[str]:
    env = cluster.environment
    kinds = "pods,deployments,services,secrets,networkpolicies,leases,configmaps"
    objects = json.loads(cluster.kubectl(*SPACE, "get", kinds, "--output=json"))["items"]
    names = [f"{each['kind']} {each['metadata']['name']}" for each in objects]
    databases = ask(env.database, "select datname from pg_database where datname like '%_drill'").splitlines()
    folders = [each.name for each in env.homes.mount_point.glob("drills")]
    return [*(name for name in names if name != "ConfigMap kube-root-ca.crt"), *databases, *folders]


def test_the_scheduled_job_drills_and_touches_nothing_of_the_first_hub(cluster, dina, good):
    env = cluster.environment
    before = look_at(env.homes.user_data / "dina")
    uids = pods_of_the_first_hub(cluster)
    prefect = Deployments(env.prefect.api_url, env.prefect.ui_url)
    run = prefect.wait(prefect.start("recovery-drill/monthly", {"execute": True}), timedelta(minutes=5))
    assert run.succeeded, run
    assert run.message.startswith("passed; from nothing to a user's notebook: "), run
    print(f"\n{run.message}")
    assert pods_of_the_first_hub(cluster) == uids
    assert differences(before, look_at(env.homes.user_data / "dina")) == []
    assert dina.run_cell("print(40 + 2)").strip() == "42"
    saved = prefect.wait(prefect.start("mirror-shared/nightly", {"execute": True}), timedelta(minutes=5))
    assert saved.succeeded, saved
    status = riskhub("recovery", "status")
    assert (status.code, status.record["state"]) == (0, "complete"), status.said


def test_a_hub_that_does_not_start_fails_the_drill_in_its_own_words(cluster, good):
    env = cluster.environment

    def broken(body: bytes, seal: Seal) -> bytes:
        deployed = deployed_then(body, seal, thing="point")
        with_an_end = [altered(manifest) for manifest in deployed]
        assert with_an_end != list(deployed)
        saved = open_configuration(body, seal, thing="point")
        return replaced(body, sealed_configuration(env.cluster, saved, seal, deployed=with_an_end))

    point = with_configuration(env, good, broken)
    answer = riskhub(*DRILL, "--point", point)
    assert (answer.code, answer.record["state"]) == (1, "failed"), answer.said
    assert answer.record["summary"].startswith("failed: start Hub: "), answer.said
    assert "a plugin is missing" in answer.record["summary"]
    assert answer.record["outcomes"][-1]["state"] == "done", "torn down"


def test_a_killed_drill_is_cleaned_up_by_the_next(cluster, dina, good):
    command = (sys.executable, "-m", "cli.main", *DRILL, "--point", good.id, "--environment", "dev", "--json")
    running = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL, start_new_session=True)
    pods = ("get", "pods", "--selector=component=hub", "--output=name")
    wait_until(lambda: "pod/hub" in cluster.kubectl(*SPACE, *pods), within=90)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert left_of_drills(cluster) != []
    answer = riskhub(*DRILL, "--point", good.id)
    assert (answer.code, answer.record["state"]) == (0, "complete"), answer.said
    assert dina.run_cell("print(40 + 2)").strip() == "42"


def pods_of_the_first_hub(cluster) -> set[str]:
    pods = json.loads(cluster.kubectl("--namespace", "jupyterhub", "get", "pods", "--output=json"))["items"]
    return {each["metadata"]["uid"] for each in pods}


def altered(manifest: dict) -> dict:
    """The Hub's configuration with a line that ends it."""
    name = "jupyterhub_config.py"
    if manifest["kind"] != "ConfigMap" or name not in (manifest.get("data") or {}):
        return manifest
    return {**manifest, "data": {**manifest["data"], name: 'raise SystemExit("a plugin is missing")\n'}}
