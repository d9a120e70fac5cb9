"""The configuration of the real cluster: saved with its Secrets sealed, and brought back by one command."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from domain.clock import utc_now
from domain.errors import Refused
from domain.recovery import Taken, point_id
from systems.recovery_points import read_member, seal_recovery_point, store_member
from tasks.backup import save_configuration
from tasks.configuration import compare_configuration
from tests.cluster.conditions import riskhub, wait_until

HUB = ("-n", "jupyterhub", "get", "secret", "hub", "-o", "json")

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def point(cluster) -> str:
    """A recovery point of the configuration alone, newer than any other."""
    made = new_point()
    taken = saved(cluster, made)
    assert taken.member is not None, taken.outcome
    seal_recovery_point(cluster.environment.objects, made, [taken.member])
    return made


def new_point() -> str:
    """An id is a second: the next one."""
    before = point_id(utc_now())
    wait_until(lambda: point_id(utc_now()) > before)
    return point_id(utc_now())


def saved(cluster, made: str) -> Taken:
    return save_configuration.fn(cluster.environment, made)


def values(cluster) -> dict[str, str]:
    return {name: base64.b64decode(text).decode() for name, text in json.loads(cluster.kubectl(*HUB))["data"].items()}


def test_a_backup_holds_every_secret_sealed_and_none_in_the_clear(cluster, point):
    store = cluster.environment.objects
    member = saved(cluster, new_point()).member
    assert member is not None
    text = read_member(store, member).decode()
    document = json.loads(text)["cluster"]
    assert {each["name"] for each in document["secrets"]} >= {"hub", "runbook"}
    clear = [value for value in values(cluster).values() if len(value) > 8]
    assert clear and not [
        value for value in clear if value in text or base64.b64encode(value.encode()).decode() in text
    ]
    assert member.facts["identity"] == cluster.environment.cluster.identity


def test_a_secret_that_was_deleted_and_one_that_was_altered_come_back(cluster, point):
    before = values(cluster)
    other = base64.b64encode(b"another").decode()
    cluster.kubectl("-n", "jupyterhub", "patch", "secret", "hub", "-p", json.dumps({"data": {"metrics_token": other}}))
    cluster.kubectl("-n", "riskhub", "delete", "configmap", "platform")
    planned = riskhub("restore", "configuration")
    reasons = {each["target"]: each["reason"] for each in planned.record["actions"]}
    assert reasons["Secret jupyterhub/hub"] == "another value: metrics_token"
    assert reasons["ConfigMap riskhub/platform"].startswith("it is missing")
    assert values(cluster)["metrics_token"] == "another", "a plan changes nothing"
    unconfirmed = riskhub("restore", "configuration", "--point", point, "--execute")
    assert unconfirmed.code == 1 and "confirm it as dev/riskhub-dev" in unconfirmed.record["problem"]
    assert values(cluster)["metrics_token"] == "another", "nobody confirmed it"
    done = riskhub("restore", "configuration", "--point", point, "--confirm", "dev/riskhub-dev", "--execute")
    assert (done.code, done.record["state"]) == (0, "complete"), done.said
    assert values(cluster) == before
    assert riskhub("restore", "configuration").record["actions"] == []
    assert not [value for value in before.values() if len(value) > 8 and value in planned.said + done.said]


def test_a_point_that_was_altered_is_refused_and_nothing_is_applied(cluster, point):
    """By the bucket's owner, say: object and manifest fit each other, the seal does not."""
    store = cluster.environment.objects
    taken = saved(cluster, new_point())
    document = json.loads(read_member(store, taken.member))
    document["cluster"]["objects"][-1].setdefault("data", {})["jupyterhub_config.py"] = "import os"
    forged = new_point()
    member = store_member(store, forged, "configuration", "configuration.json", json.dumps(document).encode())
    seal_recovery_point(store, forged, [member])
    answer = riskhub("restore", "configuration", "--point", forged, "--confirm", "dev/riskhub-dev", "--execute")
    assert answer.code == 1
    assert "its signature does not fit" in answer.record["problem"]


def test_another_backup_key_is_refused_by_its_name(cluster, point):
    key = SecretStr(Fernet.generate_key().decode())
    other = cluster.environment.cluster.model_copy(update={"backup_key": key})
    env = cluster.environment.model_copy(update={"cluster": other})
    with pytest.raises(Refused, match="it was sealed under key"):
        compare_configuration.fn(env, point)
