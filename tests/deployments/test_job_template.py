"""The work pool's job template: what Prefect asks of it, and what flow runs need in their pods."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator
from prefect.utilities.templating import find_placeholders

from tests.k8s.jobs import TEMPLATE, flow_run, job
from tests.k8s.rendering import OVERLAYS, named, overlay
from tests.k8s.restricted import refused

MANIFEST = TEMPLATE["job_configuration"]["job_manifest"]
VARIABLES = TEMPLATE["variables"]
IMAGE = "registry.example.org/riskhub/runbook@sha256:" + "a" * 64


def test_prefect_takes_it_for_a_job_of_the_kubernetes_worker() -> None:
    """prefect-kubernetes 0.8.0 refuses a manifest that lacks one of these, or has another value."""
    assert (MANIFEST["apiVersion"], MANIFEST["kind"]) == ("batch/v1", "Job")
    pod = MANIFEST["spec"]["template"]["spec"]
    assert (pod["parallelism"], pod["completions"], pod["restartPolicy"]) == (1, 1, "Never")
    assert pod["containers"][0]["name"] == "prefect-job"


def test_every_placeholder_is_a_variable_and_every_variable_is_used() -> None:
    used = {each.name for each in find_placeholders(TEMPLATE["job_configuration"])}
    assert used == VARIABLES["properties"].keys()


def test_the_variables_are_a_schema_that_its_own_defaults_fit() -> None:
    Draft202012Validator.check_schema(VARIABLES)
    for variable in VARIABLES["properties"].values():
        if "default" in variable:
            Draft202012Validator(variable).validate(variable["default"])


def test_without_an_image_a_run_starts_nothing_from_the_internet() -> None:
    """Prefect would fall back to its own image, and that one would be handed our Secret."""
    assert job()["spec"]["template"]["spec"]["containers"][0]["image"] == "riskhub/runbook:not-set"


def test_a_run_works_on_the_homes_and_on_what_is_shared_beside_them_as_the_runbook() -> None:
    spec = flow_run(IMAGE).spec
    (container,) = spec["containers"]
    assert container["image"] == IMAGE
    assert container["volumeMounts"][0] == {"name": "homes", "mountPath": "/mnt/efs"}, "the whole file system, to write"
    assert spec["serviceAccountName"] == "runbook"
    assert container["envFrom"] == [{"configMapRef": {"name": "platform"}}, {"secretRef": {"name": "runbook"}}]


@pytest.mark.parametrize("name", OVERLAYS)
def test_what_a_run_names_is_in_every_overlay(name: str) -> None:
    documents, spec = overlay(name), flow_run(IMAGE).spec
    named(documents, "ServiceAccount", spec["serviceAccountName"], "riskhub")
    named(documents, "PersistentVolumeClaim", "homes", "riskhub")
    named(documents, "ConfigMap", "platform", "riskhub")
    named(documents, "PriorityClass", spec["priorityClassName"])
    assert job()["metadata"]["namespace"] == "riskhub"
    assert named(documents, "ConfigMap", "platform", "riskhub")["data"]["EFS_MOUNT_POINT"] == "/mnt/efs"


def test_a_run_is_admitted_where_restricted_is_enforced() -> None:
    pods = flow_run(IMAGE)
    assert refused(pods.spec) == []
    assert pods.containers[0]["securityContext"]["readOnlyRootFilesystem"] is True


def test_a_run_asks_for_room_and_has_a_limit() -> None:
    resources = flow_run(IMAGE).containers[0]["resources"]
    assert resources == {"requests": {"cpu": "100m", "memory": "512Mi"}, "limits": {"memory": "2Gi"}}
    larger = job(image=IMAGE, memory_limit="6Gi")["spec"]["template"]["spec"]["containers"][0]["resources"]
    assert larger["limits"] == {"memory": "6Gi"}


def test_a_run_is_tried_once_and_its_job_goes_after_an_hour() -> None:
    """Prefect decides about another try; a Job that retried by itself would restore or cull twice."""
    spec = job()["spec"]
    assert (spec["backoffLimit"], spec["ttlSecondsAfterFinished"]) == (0, 3600)


def test_network_policies_know_a_run_and_never_take_it_for_a_server_of_prefect() -> None:
    """AWS's policy agent shares rules between pods whose names agree up to the last dash: no run names its own Job."""
    assert job()["metadata"]["generateName"] == "flow-run-"
    assert flow_run(IMAGE).labels == {"app": "riskhub", "component": "flow-run"}
    assert "labels" not in json.dumps(TEMPLATE["variables"])
