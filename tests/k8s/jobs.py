"""Flow runs' pods as Prefect's Kubernetes worker makes them of our job template."""

from __future__ import annotations

import json

from prefect.utilities.templating import apply_values

from environments.loader import PROJECT
from tests.k8s.rendering import Document, Pods

TEMPLATE: Document = json.loads((PROJECT / "deployments" / "kubernetes-job-template.json").read_text())


def job(**values: str) -> Document:
    """The Job's manifest before Prefect adds the run's own labels, variables and command."""
    defaults = {
        name: each["default"] for name, each in TEMPLATE["variables"]["properties"].items() if "default" in each
    }
    manifest: Document = apply_values(TEMPLATE["job_configuration"]["job_manifest"], {**defaults, **values})
    return manifest


def flow_run(image: str) -> Pods:
    """A run's pod in that image, for the checks that every pod has to stand."""
    template = job(image=image)["spec"]["template"]
    return Pods("riskhub/flow-run", "riskhub", 1, template["metadata"]["labels"], template["spec"])
