"""The overlays as kubectl renders them, each once, and the pods that are in them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import yaml

from environments.loader import PROJECT

OVERLAYS = ("local", "dev", "uat", "prod")
K8S = PROJECT / "k8s"

Document = dict[str, Any]


@cache
def rendered(folder: str) -> tuple[Document, ...]:
    """What `kubectl kustomize` makes of a folder below `k8s`."""
    if not shutil.which("kubectl"):
        pytest.fail("kubectl is not on the PATH: the manifests cannot be rendered; install kubectl 1.32 or later")
    done = subprocess.run(
        ("kubectl", "kustomize", str(K8S / folder)), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return tuple(yaml.load_all(done.stdout, Loader=yaml.CSafeLoader))


def overlay(name: str) -> tuple[Document, ...]:
    return rendered(f"overlays/{name}")


def of_kind(documents: Iterable[Document], *kinds: str) -> list[Document]:
    return [each for each in documents if each["kind"] in kinds]


def named(documents: Iterable[Document], kind: str, name: str, namespace: str | None = None) -> Document:
    """The one document of that kind and name."""
    found = [
        each
        for each in of_kind(documents, kind)
        if each["metadata"]["name"] == name and namespace in (None, each["metadata"].get("namespace"))
    ]
    assert len(found) == 1, f"{len(found)} of {kind} {namespace or ''}/{name}"
    return found[0]


def configuration(documents: Iterable[Document], name: str, namespace: str) -> Document:
    """The ConfigMap that is called `name`, or `name` and the hash of its content."""
    found = [
        each
        for each in of_kind(documents, "ConfigMap")
        if each["metadata"]["namespace"] == namespace
        and (each["metadata"]["name"] == name or each["metadata"]["name"].rpartition("-")[0] == name)
    ]
    assert len(found) == 1, f"{len(found)} ConfigMaps {namespace}/{name}"
    return found[0]


@dataclass(frozen=True)
class Pods:
    """The pods of one workload.

    Attributes:
        name: "namespace/component" for messages.
        replicas: how many there are; of a DaemonSet as many as nodes, counted as one.
    """

    name: str
    namespace: str
    replicas: int
    labels: dict[str, str]
    spec: Document

    @property
    def containers(self) -> list[Document]:
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]


def workloads(documents: Iterable[Document]) -> Iterator[Pods]:
    for each in of_kind(documents, "Deployment", "DaemonSet", "CronJob"):
        metadata = each["metadata"]
        template = (each["spec"]["jobTemplate"]["spec"] if each["kind"] == "CronJob" else each["spec"])["template"]
        yield Pods(
            name=f"{metadata['namespace']}/{metadata['name']}",
            namespace=metadata["namespace"],
            replicas=each["spec"].get("replicas", 1),
            labels=template["metadata"]["labels"],
            spec=template["spec"],
        )
