"""Deployments on the real node: proven by a real server, or rolled back and told why."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from domain.record import Record
from environments.loader import PROJECT, state_folder
from flows.chapter import record_of
from flows.deploy import deploy_hub
from tests.cluster.conditions import check, riskhub, troubles, wait_until

pytestmark = pytest.mark.timeout(1200)

VALUES = Path("cluster/dev.env")  # of environments/dev.toml
ABSENT = "localhost/riskhub/jupyterhub:never-built"
HUB = ("-n", "jupyterhub", "get", "deployment", "hub", "-o")


@pytest.fixture
def deploy(cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[dict[str, Any]], Record]]:
    """`deploy(changes)`: the overlay `local` with a kustomization's `changes` on top, executed."""
    monkeypatch.setattr("tasks.cluster.OVERLAYS", tmp_path)
    monkeypatch.setattr("systems.cluster.rollouts.STUCK_FOR", timedelta(seconds=5))

    def run(changes: dict[str, Any]) -> Record:
        folder = tmp_path / "local"
        folder.mkdir(exist_ok=True)
        base = os.path.relpath(PROJECT / "k8s" / "overlays" / "local", folder)
        (folder / "kustomization.yaml").write_text(json.dumps({"resources": [base], **changes}))
        record = record_of(deploy_hub("dev", execute=True, return_state=True))
        assert record is not None
        return record

    with temporary_settings({PREFECT_API_URL: cluster.environment.prefect.api_url}):
        yield run
    riskhub("deploy", "hub", "--execute")


def is_well(cluster) -> bool:
    return troubles(check(cluster.environment)) == []


def test_what_is_deployed_differs_in_nothing(cluster):
    wait_until(lambda: is_well(cluster))
    answer = riskhub("deploy", "hub")
    assert (answer.code, answer.record["state"], answer.record["actions"]) == (0, "planned", [])
    assert len(answer.record["left_alone"]) > 50


def test_a_hub_scaled_to_zero_is_shown_then_brought_back_and_proven(cluster):
    cluster.kubectl("-n", "jupyterhub", "scale", "deployment/hub", "--replicas=0")
    (action,) = riskhub("deploy", "hub").record["actions"]
    assert (action["verb"], action["target"]) == ("change", "Deployment jupyterhub/hub")
    assert "spec.replicas: 0 -> 1" in action["reason"]
    assert cluster.kubectl(*HUB, "jsonpath={.spec.replicas}") == "0", "a plan changes nothing"
    answer = riskhub("deploy", "hub", "--execute")
    assert (answer.code, answer.record["state"]) == (0, "complete"), answer.said
    findings = {each["probe"]: each["state"] for each in answer.record["findings"]}
    assert findings == {"rollout": "ok", "synthetic-user": "ok"}


def test_an_image_that_does_not_exist_is_named_and_rolled_back_with_all_that_came_with_it(cluster, deploy):
    before = cluster.kubectl(*HUB, "jsonpath={.spec.template.spec.containers[0].image}")
    name, _, tag = ABSENT.partition(":")
    record = deploy(
        {
            "images": [{"name": name, "newTag": tag}],
            "configMapGenerator": [
                {
                    "name": "stray",
                    "namespace": "jupyterhub",
                    "literals": ["A=1"],
                    "options": {"disableNameSuffixHash": True},
                }
            ],
        }
    )
    assert record.state == "failed"
    assert ABSENT in record.summary and "rolled back to the deployment of" in record.summary
    assert cluster.kubectl(*HUB, "jsonpath={.spec.template.spec.containers[0].image}") == before
    assert "stray" not in cluster.kubectl("-n", "jupyterhub", "get", "configmaps")
    wait_until(lambda: is_well(cluster))


def test_a_hub_that_is_ready_but_starts_no_server_is_rolled_back(cluster, deploy):
    patch = [{"name": "IMAGE_BUSINESS_USER", "value": ABSENT}]
    target = {"kind": "Deployment", "name": "hub", "namespace": "jupyterhub"}
    env = {"spec": {"template": {"spec": {"containers": [{"name": "hub", "env": patch}]}}}}
    document = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "hub"}, **env}
    record = deploy({"patches": [{"target": target, "patch": json.dumps(document)}]})
    assert record.state == "failed"
    assert "server of riskhub-check" in record.summary and ABSENT in record.summary
    assert "rolled back" in record.summary


def test_a_missing_secret_is_refused_and_not_made(cluster):
    kept = json.loads(cluster.kubectl("-n", "jupyterhub", "get", "secret", "hub", "-o", "json"))
    cluster.kubectl("-n", "jupyterhub", "delete", "secret", "hub")
    try:
        answer = riskhub("deploy", "hub", "--execute")
        assert (answer.code, answer.record["state"]) == (1, "refused")
        assert "Secret jupyterhub/hub is missing" in answer.record["problem"]
        assert "hub" not in cluster.kubectl("-n", "jupyterhub", "get", "secrets", "-o", "name")
    finally:
        put_back(cluster, kept)


def test_a_missing_key_is_refused_by_its_name(cluster):
    kept = json.loads(cluster.kubectl("-n", "jupyterhub", "get", "secret", "hub", "-o", "json"))
    drop = '[{"op": "remove", "path": "/data/crypto_key"}]'
    cluster.kubectl("-n", "jupyterhub", "patch", "secret", "hub", "--type=json", "-p", drop)
    try:
        answer = riskhub("deploy", "hub", "--execute")
        assert answer.code == 1 and "Secret jupyterhub/hub has no key crypto_key" in answer.record["problem"]
    finally:
        put_back(cluster, kept)


def test_another_cluster_than_the_environments_is_refused(cluster, tmp_path: Path):
    values = (state_folder() / VALUES).read_text()
    identity = cluster.environment.cluster.identity
    (tmp_path / VALUES).parent.mkdir()
    (tmp_path / VALUES).write_text(values.replace(identity, "00000000-0000-0000-0000-000000000000"))
    before = cluster.kubectl(*HUB, "jsonpath={.metadata.resourceVersion}")
    for command in (("deploy", "hub"), ("restore", "configuration")):
        answer = riskhub(*command, "--execute", RISKHUB_STATE=str(tmp_path))
        assert (answer.code, answer.record["state"]) == (1, "refused"), answer.said
        assert "it is another cluster" in answer.record["problem"] or command[0] == "restore"
    assert cluster.kubectl(*HUB, "jsonpath={.metadata.resourceVersion}") == before


def put_back(cluster, secret: dict[str, Any]) -> None:
    """The Secret as it was; its uid and version belong to the one that is gone."""
    metadata = {name: secret["metadata"][name] for name in ("name", "namespace")}
    path = state_folder() / "secret-to-put-back.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps({**secret, "metadata": metadata}))
    try:
        cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(path))
    finally:
        path.unlink()
