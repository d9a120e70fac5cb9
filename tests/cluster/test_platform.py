"""What users and on-call get of the Hub on the node: login, both profiles, their limits, culling, runs as Jobs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from devstack.day.people import Person
from devstack.day.runs import Deployments
from devstack.sso import OUTSIDERS
from domain.clock import utc_now
from domain.errors import Failed, Refused
from systems.homes import home_name
from tests.cluster.conditions import riskhub, wait_until
from tests.k8s.rendering import of_kind, overlay

pytestmark = pytest.mark.timeout(600)

GIB = 1 << 30
# A process of the cell's own takes all the memory the profile has, and some: it must be the one that ends.
HUNGRY = """\
import subprocess, sys
code = subprocess.run([sys.executable, "-c", "x = b'x' * {bytes}"]).returncode
print("ended with", code)
"""
IN_THE_POD = """\
import json, os, pathlib, urllib.request
def limit():
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        if os.path.exists(path):
            return int(pathlib.Path(path).read_text())
def may_write(folder):
    try:
        path = pathlib.Path(folder, f".{os.getpid()}")
        path.touch()
        path.unlink()
        return True
    except OSError:
        return False
def risk_api(path):
    request = urllib.request.Request(os.environ["RISK_API_URL"] + path)
    request.add_header("Authorization", "Bearer " + os.environ["RISK_API_TOKEN"])
    return urllib.request.urlopen(request, timeout=10).status
import pandas
print(json.dumps({
    "limit": limit(), "uid": os.getuid(), "home": os.environ["HOME"],
    "samples": sorted(path.name for path in pathlib.Path.home().glob("*.ipynb")),
    "writes": [name for name in ("notebooks", "data", "libs") if may_write("/shared/" + name)],
    "risk_api": risk_api("/api/v1/portfolios"),
    "token_of_the_pod": os.path.exists("/var/run/secrets/kubernetes.io/serviceaccount/token"),
}))
"""


@dataclass(frozen=True)
class Profile:
    """What users of a profile are promised; `writes`: the folders of /shared that they may change."""

    name: str
    cpu: str
    gib: int
    writes: list[str]


BUSINESS_USER = Profile("business-user", "2", 4, [])
DATA_SCIENTIST = Profile("data-scientist", "4", 8, ["data", "libs"])


@pytest.fixture(scope="module")
def people(cluster) -> Iterator[dict[str, Person]]:
    """A business user and a data scientist, by OpenID Connect, each with a server of their own profile."""
    found = {name: Person.log_in(name, cluster.environment.hub.public_url) for name in ("ana", "dina")}
    found["ana"].start_server()
    found["dina"].start_server()
    yield found
    for person in found.values():
        if person.is_running():
            person.stop_server()


def pod_of(cluster, user: str) -> dict:
    pods = cluster.read("jupyterhub", "pods", "--selector=component=singleuser-server")["items"]
    (found,) = [each for each in pods if each["metadata"]["annotations"]["hub.jupyter.org/username"] == user]
    return found


@pytest.mark.parametrize(("name", "profile"), [("ana", BUSINESS_USER), ("dina", DATA_SCIENTIST)])
def test_a_profile_is_what_it_says_seen_from_inside(cluster, people, name, profile):
    pod = pod_of(cluster, name)
    assert pod["metadata"]["labels"]["riskhub.dev/profile"] == profile.name
    limits = pod["spec"]["containers"][0]["resources"]["limits"]
    assert limits == {"cpu": profile.cpu, "memory": str(profile.gib * GIB)}
    seen = json.loads(people[name].run_cell(IN_THE_POD))
    assert seen["limit"] == profile.gib * GIB
    assert (seen["uid"], seen["home"], seen["token_of_the_pod"]) == (1000, "/home/jovyan", False)
    assert seen["writes"] == profile.writes
    assert seen["samples"], "sample notebooks are there at the first login"
    assert seen["risk_api"] == 200
    home = cluster.environment.homes.user_data / home_name(name)
    assert {path.name for path in home.glob("*.ipynb")} >= set(seen["samples"])


def test_what_models_are_made_with_is_there_for_who_makes_them(people):
    cell = "import sklearn, tensorflow as tf; print(int(tf.reduce_sum(tf.ones(3))))"
    assert people["dina"].run_cell(cell).splitlines()[-1] == "3", "tensorflow says a lot before"
    with pytest.raises(Failed, match="ModuleNotFoundError"):
        people["ana"].run_cell("import tensorflow")


@pytest.mark.parametrize(("name", "gib"), [("ana", 4), ("dina", 8)])
def test_the_memory_limit_is_enforced_inside(people, name, gib):
    assert people[name].run_cell(HUNGRY.format(bytes=(gib + 1) * GIB)).strip() == "ended with -9"
    assert people[name].run_cell("print(1)").strip() == "1", "the server itself goes on"


def test_a_business_user_gets_no_data_scientists_server(cluster):
    person = Person.log_in("bea", cluster.environment.hub.public_url)
    with pytest.raises(httpx.HTTPStatusError):
        person.start_server(profile="data-scientist")
    pods = cluster.read("jupyterhub", "pods", "--selector=component=singleuser-server")["items"]
    assert "bea" not in [each["metadata"]["annotations"]["hub.jupyter.org/username"] for each in pods]


def test_who_is_in_no_group_of_ours_is_let_in_nowhere(cluster):
    with pytest.raises(Refused, match=r"does not let .* in \(403\)"):
        Person.log_in(next(iter(OUTSIDERS)), cluster.environment.hub.public_url)


def test_the_idle_server_is_culled_and_the_busy_one_is_not(cluster, people):
    idle, busy = people["ana"], people["dina"]
    began = time.monotonic()

    def idle_long_enough() -> bool:
        busy.write_text("busy.txt", "still here")
        return time.monotonic() - began > 25

    wait_until(idle_long_enough)
    answer = riskhub("sessions", "cull", "--execute", "--policy", '{"idle": 20}')
    assert answer.code == 0, answer.said
    stopped = {each["target"]: each["state"] for each in answer.record["outcomes"]}
    assert list(stopped.values()) == ["done"] and "ana" in next(iter(stopped))
    assert not idle.is_running() and busy.is_running()
    wait_until(lambda: len(cluster.read("jupyterhub", "pods", "--selector=component=singleuser-server")["items"]) == 1)


def test_a_flow_runs_as_a_job_of_the_cluster(cluster):
    env = cluster.environment
    before = {each["metadata"]["name"] for each in cluster.read("riskhub", "jobs")["items"]}
    deployments = Deployments(env.prefect.api_url, env.prefect.ui_url)
    run = deployments.wait(deployments.start("daily-backup/nightly", {"execute": True}))
    assert run.succeeded, run
    jobs = [each for each in cluster.read("riskhub", "jobs")["items"] if each["metadata"]["name"] not in before]
    (job,) = jobs
    name = job["metadata"]["name"]
    wait_until(lambda: cluster.read("riskhub", "job", name)["status"].get("succeeded") == 1)
    assert job["metadata"]["labels"]["prefect.io/flow-run-id"] == run.id
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "localhost/riskhub/runbook:node"


def test_a_schedule_makes_runs(cluster):
    prefect = Deployments(cluster.environment.prefect.api_url, cluster.environment.prefect.ui_url)
    began = utc_now()
    prefect.resume_schedule("recovery-retention/weekly")  # once a week: none of its runs begins meanwhile
    try:
        assert prefect.next_due("recovery-retention/weekly", began).at > began
    finally:
        prefect.pause_schedules()


@pytest.mark.parametrize("name", ["dev", "uat", "prod"])
def test_the_overlays_of_real_accounts_pass_the_servers_own_dry_run(cluster, name):
    documents = [dict(each) for each in overlay(name)]
    for each in of_kind(documents, "PersistentVolume"):
        each["metadata"] = {
            **each["metadata"],
            "name": f"{each['metadata']['name']}-{name}",
        }  # a live one cannot change
    assert len(documents) > 80
    given = json.dumps({"apiVersion": "v1", "kind": "List", "items": documents})
    told = cluster.kubectl("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-", given=given)
    assert len(told.splitlines()) == len(documents)
