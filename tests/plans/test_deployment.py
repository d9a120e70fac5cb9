"""What a deployment would do, and what it refuses before anything is done."""

from __future__ import annotations

from typing import Any

import pytest

from domain.deployment import LABEL, Manifest, Observed, Preview, key_of
from domain.errors import Refused
from domain.plan import Plan
from plans.deployment import plan_deployment, prepare, require_secrets, workloads_in

DIGEST = "sha256:" + "ab" * 32
IMAGE = f"registry.example/riskhub/jupyterhub@{DIGEST}"


def manifest(kind: str, name: str, namespace: str | None = "jupyterhub", **more: Any) -> dict[str, Any]:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    api = {"Deployment": "apps/v1", "CronJob": "batch/v1", "Role": "rbac.authorization.k8s.io/v1"}.get(kind, "v1")
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **more}


def deployment(image: str = IMAGE, **container: Any) -> dict[str, Any]:
    spec = {"containers": [{"name": "hub", "image": image, **container}]}
    return manifest("Deployment", "hub", spec={"replicas": 1, "template": {"metadata": {}, "spec": spec}})


def observed(
    *pairs: tuple[Manifest, Manifest | None, Manifest | None], leftovers: tuple[Manifest, ...] = ()
) -> Observed:
    return Observed(tuple(Preview(*pair) for pair in pairs), leftovers)


def planned(seen: Observed, *, remove_at_most: int = 10) -> Plan[Any]:
    return plan_deployment(seen, title="Deploy", remove_at_most=remove_at_most)


def reason(before: Manifest, after: Manifest) -> str:
    (action,) = planned(observed((after, before, after))).actions
    assert action.verb == "change"
    return action.reason


# Before anything is asked of the cluster


def test_manifests_come_in_the_order_they_need_each_other_and_bear_our_label():
    rendered = [
        deployment(),
        manifest("NetworkPolicy", "default-deny"),
        manifest("ConfigMap", "platform"),
        manifest("Sprocket", "unknown"),
        manifest("ServiceAccount", "hub"),
        manifest("Namespace", "jupyterhub", None),
    ]
    ready = prepare(rendered)
    kinds = ["Namespace", "ServiceAccount", "NetworkPolicy", "ConfigMap", "Sprocket", "Deployment"]
    assert [each["kind"] for each in ready] == kinds
    assert {each["metadata"]["labels"][LABEL] for each in ready} == {"hub"}
    assert LABEL not in (rendered[0]["metadata"].get("labels") or {}), "what was rendered is left as it is"


@pytest.mark.parametrize(
    "image",
    [
        "registry.example/riskhub/jupyterhub",
        "registry.example:5000/riskhub/jupyterhub",
        "registry.example/riskhub/jupyterhub:latest",
        "jupyterhub:main",
    ],
)
def test_an_image_that_may_be_another_one_tomorrow_is_refused(image):
    with pytest.raises(Refused, match="may be another one tomorrow"):
        prepare([deployment(image)])


@pytest.mark.parametrize("image", [IMAGE, "localhost/riskhub/jupyterhub:node", f"localhost:5000/x:1@{DIGEST}"])
def test_a_pinned_image_is_taken(image):
    assert prepare([deployment(image)])


@pytest.mark.parametrize(
    "text",
    [
        f"registry.example/riskhub/proxy@sha256:{'0' * 64}",
        "arn:aws:iam::000000000000:role/riskhub-dev-runbook",
        f"fs-{'0' * 17}::fsap-1",
    ],
)
def test_what_the_overlay_marks_as_not_made_yet_is_refused_wherever_it_stands(text):
    with pytest.raises(Refused, match="never made"):
        prepare([manifest("ConfigMap", "platform", data={"WHERE": text})])


def test_the_images_of_the_users_servers_are_held_to_the_same():
    with pytest.raises(Refused, match="business-user:latest may be another"):
        prepare([manifest("ConfigMap", "platform", data={"IMAGE_BUSINESS_USER": "riskhub/business-user:latest"})])
    with pytest.raises(Refused, match="business-user:latest may be another"):
        prepare([deployment(env=[{"name": "IMAGE_BUSINESS_USER", "value": "riskhub/business-user:latest"}])])


def test_the_image_of_a_cron_jobs_pod_is_looked_at_too():
    pod = {"containers": [{"name": "job", "image": "job:latest"}]}
    job = manifest("CronJob", "nightly", spec={"jobTemplate": {"spec": {"template": {"spec": pod}}}})
    with pytest.raises(Refused, match="job:latest"):
        prepare([job])


def test_a_secret_among_the_manifests_is_refused():
    with pytest.raises(Refused, match="Secret jupyterhub/hub is among them"):
        prepare([manifest("Secret", "hub", data={"api_token": "eA=="})])


def test_two_manifests_of_one_name_are_refused():
    with pytest.raises(Refused, match="rendered twice: ConfigMap jupyterhub/platform"):
        prepare([manifest("ConfigMap", "platform"), manifest("ConfigMap", "platform")])


# Secrets


def asking(**source: Any) -> dict[str, Any]:
    return deployment(
        env=[{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "hub", "key": "api_token", **source}}}]
    )


def test_a_missing_secret_is_refused_and_never_made_up():
    with pytest.raises(Refused, match=r"Secret jupyterhub/hub is missing.*never made up"):
        require_secrets([asking()], {})


def test_a_missing_key_is_refused_by_its_name():
    with pytest.raises(Refused, match="Secret jupyterhub/hub has no key api_token"):
        require_secrets([asking()], {("Secret", "jupyterhub", "hub"): {"cookie_secret"}})


def test_a_secret_of_another_namespace_is_not_taken_for_it():
    with pytest.raises(Refused):
        require_secrets([asking()], {("Secret", "riskhub", "hub"): {"api_token"}})


def test_secrets_that_are_there_or_optional_are_no_obstacle():
    require_secrets([asking()], {("Secret", "jupyterhub", "hub"): {"api_token"}})
    require_secrets([asking(optional=True)], {})


def test_every_way_a_pod_asks_for_a_secret_is_seen():
    asked = deployment(envFrom=[{"secretRef": {"name": "from"}}])
    asked["spec"]["template"]["spec"]["volumes"] = [
        {"name": "a", "secret": {"secretName": "mounted", "items": [{"key": "tls.key", "path": "x"}]}},
        {"name": "b", "projected": {"sources": [{"secret": {"name": "projected"}}]}},
    ]
    asked["spec"]["template"]["spec"]["initContainers"] = [
        {"name": "wait", "image": IMAGE, "env": [{"valueFrom": {"secretKeyRef": {"name": "early", "key": "url"}}}]}
    ]
    with pytest.raises(Refused) as refused:
        require_secrets([asked], {("Secret", "jupyterhub", "mounted"): set()})
    told = str(refused.value)
    assert all(name in told for name in ("early is missing", "from is missing", "projected is missing"))
    assert "mounted has no key tls.key" in told


# The plan


def test_what_is_not_there_is_created_and_what_is_as_it_should_be_is_left_alone():
    new, same = manifest("ConfigMap", "new"), manifest("ConfigMap", "same")
    plan = planned(observed((new, None, new), (same, same, same)))
    assert [(action.verb, action.target) for action in plan.actions] == [("create", "ConfigMap jupyterhub/new")]
    assert [action.target for action in plan.left_alone] == ["ConfigMap jupyterhub/same"]


def test_what_only_the_server_writes_is_no_difference():
    before = manifest("ConfigMap", "platform")
    before = {**before, "metadata": {**before["metadata"], "resourceVersion": "1", "managedFields": [1]}, "status": 1}
    after = {**before, "metadata": {**before["metadata"], "resourceVersion": "2", "managedFields": []}, "status": 2}
    assert planned(observed((before, before, after))).actions == ()


def test_the_fields_that_differ_are_the_reason():
    scaled = deployment()
    scaled["spec"]["replicas"] = 0
    assert reason(scaled, deployment()) == "spec.replicas: 0 -> 1"
    other = IMAGE.replace("ab", "cd")
    assert "spec.template.spec.containers[hub].image" in reason(deployment(other), deployment())


def test_long_texts_are_told_by_their_lines():
    before = manifest("ConfigMap", "configuration", data={"config.py": "a = 1\nb = 2\nc = 3\n"})
    after = manifest("ConfigMap", "configuration", data={"config.py": "a = 1\nb = 9\nc = 3\nd = 4\n"})
    assert reason(before, after) == "data.config.py: 2 lines new, 1 gone"


def test_what_looks_like_a_secret_is_not_shown():
    before = deployment(env=[{"name": "API_TOKEN", "value": "s3cr3t"}])
    after = deployment(env=[{"name": "API_TOKEN", "value": "an0ther"}])
    bare = deployment()
    for told in (reason(before, after), reason(before, bare), reason(bare, after)):
        assert "s3cr3t" not in told and "an0ther" not in told
        assert "not shown" in told


def test_what_an_earlier_deployment_made_and_the_overlay_has_no_longer_is_removed_last_made_first():
    labelled = {"labels": {LABEL: "hub"}}
    old = [manifest(kind, "old") for kind in ("ConfigMap", "Deployment")]
    leftovers = tuple({**each, "metadata": {**each["metadata"], **labelled}} for each in old)
    plan = planned(observed(leftovers=leftovers))
    removals = [(action.verb, action.target) for action in plan.actions]
    assert removals == [("remove", "Deployment jupyterhub/old"), ("remove", "ConfigMap jupyterhub/old")]
    assert all(action.on.manifest is None for action in plan.actions)


def test_what_lost_our_label_or_holds_data_is_never_removed():
    claim = manifest("PersistentVolumeClaim", "homes")
    claim["metadata"]["labels"] = {LABEL: "hub"}
    taken_over = manifest("ConfigMap", "theirs")
    plan = planned(observed(leftovers=(claim, taken_over)))
    assert plan.actions == ()
    told = {action.target: action.reason for action in plan.left_alone}
    assert "holds data" in told["PersistentVolumeClaim jupyterhub/homes"]
    assert "not ours" in told["ConfigMap jupyterhub/theirs"]


def test_a_plan_that_would_remove_too_much_is_refused_whole():
    def ours(name: str) -> Manifest:
        made = manifest("ConfigMap", name)
        return {**made, "metadata": {**made["metadata"], "labels": {LABEL: "hub"}}}

    seen = observed(leftovers=tuple(ours(f"map-{n}") for n in range(4)))
    assert len(planned(seen, remove_at_most=4).actions) == 4
    with pytest.raises(Refused, match="would remove 4 objects, more than the 3 allowed"):
        planned(seen, remove_at_most=3)


def test_an_object_for_a_namespace_that_nobody_makes_is_refused():
    lonely = manifest("ConfigMap", "platform", "elsewhere")
    with pytest.raises(Refused, match="namespace elsewhere is not there"):
        planned(observed((lonely, None, None)))
    home = manifest("Namespace", "elsewhere", None)
    assert len(planned(observed((home, None, home), (lonely, None, None))).actions) == 2


def test_another_configuration_is_another_plan_even_where_the_words_are_the_same():
    before = manifest("ConfigMap", "platform", data={"TEXT": "x\n"})
    one, other = (manifest("ConfigMap", "platform", data={"TEXT": text}) for text in ("y\n", "z\n"))
    digests = [planned(observed((each, before, each))).digest for each in (one, other)]
    assert digests[0] != digests[1]


def test_the_workloads_are_those_whose_pods_must_get_ready():
    assert workloads_in([deployment(), manifest("ConfigMap", "platform")]) == (key_of(deployment()),)
