"""Server-side apply, its dry run, what is removed and what is kept, on a real API server; in namespaces of its own."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from domain.deployment import LABEL, LastDeployment, Manifest, key_of
from domain.errors import Damaged, Refused
from domain.plan import Outcome
from environments.settings import ClusterSettings
from plans.configuration import plan_configuration_restore
from plans.deployment import plan_deployment, prepare
from systems.cluster.condition import look
from systems.cluster.configuration import asked_by_workloads, differences, read_configuration, restore
from systems.cluster.connection import Cluster, Invalid, connect
from systems.cluster.deployments import NAME, carry_out, keep_last_deployment, read_last_deployment
from systems.cluster.resources import observe
from systems.configuration import require_seal

TOKEN = "s3cr3t-token"


@pytest.fixture
def scratch(cluster) -> Iterator[ClusterSettings]:
    """The node's cluster, with two namespaces that do not exist yet in the place of the Hub's and the runbook's."""
    mark = secrets.token_hex(4)
    changed = {
        "namespace": f"hub-{mark}",
        "operations_namespace": f"ops-{mark}",
        "backup_key": SecretStr(Fernet.generate_key().decode()),
    }
    settings = cluster.environment.cluster.model_copy(update=changed)
    yield settings
    for namespace in (settings.namespace, settings.operations_namespace):
        cluster.kubectl("delete", "namespace", namespace, "--ignore-not-found", "--wait=false")


@pytest.fixture
def api(scratch: ClusterSettings) -> Cluster:
    return connect(scratch)


def namespaces(settings: ClusterSettings) -> list[Manifest]:
    names = (settings.namespace, settings.operations_namespace)
    return [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in names]


def values(settings: ClusterSettings, name: str, **data: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": settings.namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def secret(settings: ClusterSettings, **data: str) -> Manifest:
    encoded = {name: base64.b64encode(value.encode()).decode() for name, value in data.items()}
    metadata = {"name": "hub", "namespace": settings.namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": encoded}


def deploy(api: Cluster, manifests: list[Manifest], *, proven: bool = True) -> list[Outcome]:
    """As the flow does it, without pods to wait for."""
    ready = prepare(manifests)
    last = read_last_deployment(api)
    plan = plan_deployment(observe(api, ready, last.applied), title="Deploy", remove_at_most=10)
    ours = frozenset(map(key_of, ready))
    outcomes = carry_out(api, plan.actions, LastDeployment(last.manifests, last.proven_at, last.applied | ours))
    if proven:
        keep_last_deployment(api, LastDeployment(ready, last.proven_at, ours))
    return outcomes


def told(outcomes: list[Outcome]) -> list[str]:
    return [f"{each.verb} {each.target.split('/')[-1]}: {each.state}" for each in outcomes]


# Identity


def test_another_clusters_identity_is_refused_before_anything_is_asked_of_it(scratch: ClusterSettings):
    other = scratch.model_copy(update={"identity": "00000000-0000-0000-0000-000000000000"})
    with pytest.raises(Refused, match=r"it is another cluster: its identity is .*set CLUSTER_IDENTITY"):
        connect(other)


def test_a_long_list_is_read_to_its_end(scratch, api, monkeypatch):
    names = {f"map-{n}" for n in range(5)}
    deploy(api, [*namespaces(scratch), *(values(scratch, name) for name in names)])
    monkeypatch.setattr("systems.cluster.connection.PAGE", 2)
    found = api.items(f"/api/v1/namespaces/{scratch.namespace}/configmaps")
    assert names <= {each["metadata"]["name"] for each in found}


# Deployments


def test_a_deployment_of_nothing_that_differs_changes_nothing(scratch, api):
    manifests = [*namespaces(scratch), values(scratch, "platform", A="1")]
    assert told(deploy(api, manifests)) == [
        f"create Namespace {scratch.namespace}: done",
        f"create Namespace {scratch.operations_namespace}: done",
        "create platform: done",
    ]
    assert deploy(api, manifests) == []


def test_a_dry_run_changes_nothing(scratch, api, cluster):
    ready = prepare([*namespaces(scratch), values(scratch, "platform", A="1")])
    assert len(plan_deployment(observe(api, ready, ()), title="x", remove_at_most=0).actions) == 3
    assert scratch.namespace not in cluster.kubectl("get", "namespaces")


def test_what_somebody_changed_by_hand_is_told_and_put_right(scratch, api, cluster):
    manifests = [*namespaces(scratch), values(scratch, "platform", A="1")]
    deploy(api, manifests)
    cluster.kubectl(
        "-n",
        scratch.namespace,
        "patch",
        "configmap",
        "platform",
        "--type=merge",
        "-p",
        '{"data": {"A": "2", "B": "3"}}',
    )
    seen = observe(api, prepare(manifests), ())
    reasons = [action.reason for action in plan_deployment(seen, title="x", remove_at_most=0).actions]
    assert reasons == ["data.A: 2 -> 1"]
    deploy(api, manifests)
    live = api.get(f"/api/v1/namespaces/{scratch.namespace}/configmaps/platform")
    assert live["data"] == {"A": "1", "B": "3"}, "what is not ours stays"


def test_a_field_that_the_api_does_not_know_is_refused_in_the_plan(scratch, api):
    deploy(api, namespaces(scratch))
    wrong = {**values(scratch, "platform"), "dato": {"A": "1"}}
    with pytest.raises(Invalid, match="dato"):
        observe(api, prepare([wrong]), ())


def test_a_kind_that_the_cluster_does_not_know_is_refused(scratch, api):
    strange = {**values(scratch, "x"), "apiVersion": "riskhub.example/v1", "kind": "Sprocket"}
    with pytest.raises(Refused, match=r"the cluster knows no Sprocket in riskhub\.example/v1"):
        observe(api, prepare([strange]), ())


def test_what_the_overlay_has_no_longer_is_removed(scratch, api, cluster):
    manifests = [*namespaces(scratch), values(scratch, "kept"), values(scratch, "old")]
    deploy(api, manifests)
    assert told(deploy(api, manifests[:-1])) == ["remove old: done"]
    assert "old" not in cluster.kubectl("-n", scratch.namespace, "get", "configmaps")


def test_what_somebody_else_made_or_took_over_is_never_removed(scratch, api, cluster):
    manifests = [*namespaces(scratch), values(scratch, "taken")]
    deploy(api, manifests)
    cluster.kubectl("-n", scratch.namespace, "create", "configmap", "theirs")
    cluster.kubectl("-n", scratch.namespace, "label", "configmap", "taken", f"{LABEL}-")
    assert deploy(api, manifests[:-1]) == []
    assert {"taken", "theirs"} <= set(cluster.kubectl("-n", scratch.namespace, "get", "configmaps").split())


def test_what_is_taken_over_between_plan_and_act_is_not_removed(scratch, api, cluster):
    manifests = [*namespaces(scratch), values(scratch, "taken")]
    deploy(api, manifests)
    ready, last = prepare(manifests[:-1]), read_last_deployment(api)
    plan = plan_deployment(observe(api, ready, last.applied), title="x", remove_at_most=1)
    cluster.kubectl("-n", scratch.namespace, "label", "configmap", "taken", f"{LABEL}-")
    (outcome,) = carry_out(api, plan.actions, last)
    assert outcome.state == "failed" and "not ours any more" in outcome.detail


def test_what_a_deployment_that_was_cut_off_made_is_known_to_the_next(scratch, api, cluster):
    deploy(api, namespaces(scratch))
    deploy(api, [*namespaces(scratch), values(scratch, "stray")], proven=False)
    assert told(deploy(api, namespaces(scratch))) == ["remove stray: done"]


def test_at_the_first_failure_the_rest_is_left(scratch, api, cluster):
    manifests = [*namespaces(scratch), values(scratch, "first"), values(scratch, "second")]
    deploy(api, namespaces(scratch))
    ready = prepare(manifests)
    plan = plan_deployment(observe(api, ready, ()), title="x", remove_at_most=0)
    cluster.kubectl("delete", "namespace", scratch.namespace)  # between plan and act
    assert told(carry_out(api, plan.actions, LastDeployment())) == ["create first: failed", "create second: skipped"]


def test_a_record_that_somebody_damaged_is_told_and_not_taken_for_none(scratch, api, cluster):
    deploy(api, namespaces(scratch))
    where = ("-n", scratch.operations_namespace, "patch", "configmap", NAME, "--type=merge", "-p")
    cluster.kubectl(*where, '{"data": {"applied": "[{}]"}}')
    with pytest.raises(Damaged, match=f"{NAME}: it cannot be read"):
        read_last_deployment(api)


# Configuration


def test_a_configuration_comes_back_as_it_was_in_a_cluster_that_lost_it(scratch, api, cluster):
    seal = require_seal(scratch)
    deploy(api, [*namespaces(scratch), values(scratch, "platform", A="1")])
    api.apply(key_of(secret(scratch)), secret(scratch, api_token=TOKEN, cookie="x"))
    saved = read_configuration(api)
    cluster.kubectl("-n", scratch.namespace, "delete", "secret", "hub")
    cluster.kubectl(
        "-n", scratch.namespace, "patch", "configmap", "platform", "--type=merge", "-p", '{"data": {"A": "2"}}'
    )
    found = list(differences(api, saved, seal))
    plan = plan_configuration_restore(found, asked_by_workloads(api), point="p", environment="dev")
    reasons = {action.target.split("/")[-1]: action.reason for action in plan.actions}
    assert reasons == {"platform": "another value: A", "hub": "it is missing; 3 entries come back"}
    outcomes = restore(api, saved, [action.on for action in plan.actions], seal)
    assert {each.state for each in outcomes} == {"done"}
    assert all(each.live == each.saved for each in differences(api, saved, seal))


def test_a_whole_namespace_comes_back(scratch, api, cluster):
    seal = require_seal(scratch)
    deploy(api, namespaces(scratch))
    api.apply(key_of(secret(scratch)), secret(scratch, api_token=TOKEN))
    saved = read_configuration(api)
    cluster.kubectl("delete", "namespace", scratch.namespace)
    plan = plan_configuration_restore(differences(api, saved, seal), (), point="p", environment="dev")
    assert [action.target for action in plan.actions] == [
        f"Namespace {scratch.namespace}",
        f"Secret {scratch.namespace}/hub",
    ]
    assert {each.state for each in restore(api, saved, [each.on for each in plan.actions], seal)} == {"done"}


def test_no_value_leaves_with_what_kubectl_wrote_beside_it(scratch, api, cluster):
    deploy(api, namespaces(scratch))
    cluster.kubectl("-n", scratch.namespace, "create", "secret", "generic", "typed", f"--from-literal=t={TOKEN}")
    whole = f"kubectl.kubernetes.io/last-applied-configuration={TOKEN}"
    cluster.kubectl("-n", scratch.namespace, "annotate", "secret", "typed", whole)
    (saved,) = [each for each in read_configuration(api) if each["metadata"]["name"] == "typed"]
    assert "annotations" not in saved["metadata"]


def test_what_the_cluster_makes_by_itself_is_no_configuration(scratch, api):
    deploy(api, [*namespaces(scratch), values(scratch, "platform", A="1")])
    names = {each["metadata"]["name"] for each in read_configuration(api)}
    assert names == {scratch.namespace, scratch.operations_namespace, "platform"}


# The look


def test_a_look_tells_keys_and_no_values(scratch, api):
    deploy(api, namespaces(scratch))
    api.apply(key_of(secret(scratch)), secret(scratch, api_token=TOKEN, empty=""))
    snapshot = look(api)
    assert snapshot.keys["Secret", scratch.namespace, "hub"] == {"api_token"}
    assert TOKEN not in repr(snapshot) and base64.b64encode(TOKEN.encode()).decode() not in repr(snapshot)
