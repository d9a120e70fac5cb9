"""All of an environment is lost on the node: one command, and dina's notebook runs again."""

from __future__ import annotations

import time

import pytest

from devstack.day.damage import differences, look_at
from devstack.day.people import Person
from devstack.node.loss import lose_everything
from systems.configuration import open_configuration, sealed_configuration
from systems.homes import home_name
from systems.mirrored import shared_of
from systems.recovery_points import newest_point
from systems.sealing import Seal
from tests.cluster.conditions import riskhub, wait_until
from tests.cluster.forged import replaced, with_configuration

pytestmark = pytest.mark.timeout(900)

CONFIRMED = ("--confirm", "dev/riskhub-dev")


@pytest.fixture
def dina(cluster) -> Person:
    person = Person.log_in("dina", cluster.environment.hub.public_url)
    if not person.is_running():
        person.start_server(profile="data-scientist")
    person.write_notebook("portfolio.ipynb")
    yield person
    if person.is_running():
        person.stop_server()
    person.client.close()


def test_while_somebody_works_nothing_is_stopped_or_changed(cluster, dina):
    assert riskhub("backup", "run", "--execute").record["state"] == "complete"
    refused = riskhub("recover", "environment", "--execute", *CONFIRMED)
    assert (refused.code, refused.record["state"]) == (1, "failed"), refused.said
    assert [each["state"] for each in refused.record["outcomes"]] == ["done", "failed"]
    assert "(data-scientist-dina), and would write over" in refused.record["summary"]
    assert dina.run_cell("print(40 + 2)").strip() == "42"


@pytest.mark.parametrize("typed", ["dev", "dev/riskhub-prod"])
def test_the_cluster_has_to_be_typed_too(cluster, typed):
    refused = riskhub("recover", "environment", "--execute", "--confirm", typed)
    assert (refused.code, refused.record["state"]) == (1, "refused"), refused.said
    assert "confirm it as dev/riskhub-dev" in refused.record["summary"]


def test_a_point_of_a_cluster_of_another_name_is_refused(cluster):
    env = cluster.environment
    good = newest_point(env.objects)

    def of_prod(body: bytes, seal: Seal) -> bytes:
        prod = env.cluster.model_copy(update={"name": "riskhub-prod"})
        return replaced(body, sealed_configuration(prod, open_configuration(body, seal, thing="point"), seal))

    point = with_configuration(env, good, of_prod)
    refused = riskhub("recover", "environment", "--point", point, "--execute", *CONFIRMED)
    assert (refused.code, refused.record["state"]) == (1, "refused"), refused.said
    assert "it is of cluster riskhub-prod, and this is riskhub-dev" in refused.record["summary"]


def test_from_nothing_to_a_notebook_that_runs(cluster, dina):
    env = cluster.environment
    dina.stop_server()
    (env.homes.mount_point / "data" / "limits.csv").write_text("desk,limit\n")
    for what in ("shared", "run"):
        assert riskhub("backup", what, "--execute").record["state"] == "complete"
    before = look_at(env.homes.user_data)
    shared = {each.name: look_at(each.folder) for each in shared_of(env)}
    lose_everything(env, env.cluster, cluster.kubectl)

    began = time.monotonic()
    answer = riskhub("recover", "environment", "--execute", *CONFIRMED)
    assert (answer.code, answer.record["state"]) == (0, "complete"), answer.said
    assert [f"{each['verb']} {each['target']}" for each in answer.record["outcomes"]] == [
        "restore configuration", "stop Hub", "restore database", "restore homes", "restore shared folders", "deploy Hub"
    ]  # fmt: skip
    restored = look_at(env.homes.user_data)
    assert {each.name: look_at(each.folder) for each in shared_of(env)} == shared
    back = Person.log_in("dina", env.hub.public_url)
    back.start_server(profile="data-scientist")
    assert back.run_cell("import json; print(len(json.load(open('portfolio.ipynb'))['cells']))").strip() == "1"
    seconds = time.monotonic() - began
    print(f"\nfrom nothing to her own notebook: {seconds:.1f} s; {answer.record['measures']}")
    for each in answer.record["outcomes"]:
        print(f"  {each['verb']} {each['target']}: {each['seconds']:.1f} s")
    of_the_proof = home_name(env.health.synthetic_user)  # deploy hub proves itself by working in it
    assert [each for each in differences(before, restored) if not each.startswith(of_the_proof)] == []
    assert seconds < 120
    back.stop_server()
    wait_until(lambda: bad_parts() <= {"recovery"}, within=200)  # nobody has drilled yet


def bad_parts() -> set[str]:
    findings = riskhub("health", "check").record["findings"]
    return {each["probe"] for each in findings if each["state"] in ("failed", "degraded")}
