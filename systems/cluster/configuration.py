"""The cluster's own configuration: the two namespaces, their ConfigMaps and Secrets, read whole and put back.

Secrets pass through here in the clear, on their way between the cluster and a seal: nothing of them is logged,
returned to a task or shown in a plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from domain.deployment import Difference, Manifest, ObjectKey, key_of
from domain.errors import RiskhubError
from domain.plan import Outcome
from systems.cluster.condition import read_workloads
from systems.cluster.connection import Cluster
from systems.cluster.deployments import NAME
from systems.cluster.resources import preview
from systems.configuration import recognised
from systems.sealing import Seal

_MADE_BY_THE_CLUSTER = ("kube-root-ca.crt", NAME)
# It repeats the whole object, a Secret's values too.
_APPLIED_BY_KUBECTL = "kubectl.kubernetes.io/last-applied-configuration"
_KEPT = ("data", "binaryData", "type", "immutable")


def read_configuration(cluster: Cluster) -> tuple[Manifest, ...]:
    """The namespaces, then their ConfigMaps and Secrets, without what the cluster makes by itself."""
    namespaces = (cluster.settings.namespace, cluster.settings.operations_namespace)
    found = [cluster.get(f"/api/v1/namespaces/{space}") for space in namespaces]
    manifests = [_manifest("Namespace", item) for item in found]
    for plural, kind in (("configmaps", "ConfigMap"), ("secrets", "Secret")):
        for space in namespaces:
            items = cluster.items(f"/api/v1/namespaces/{space}/{plural}")
            manifests += [_manifest(kind, item) for item in items if _is_ours(item)]
    return tuple(manifests)


def differences(cluster: Cluster, saved: Iterable[Manifest], seal: Seal) -> Iterator[Difference]:
    """Each saved object against the cluster, by the server's own dry run; nothing is changed."""
    for manifest in saved:
        seen = preview(cluster, manifest)
        live, restored = (recognised(each, seal) if each else None for each in (seen.live, seen.merged))
        wanted = recognised(manifest, seal)
        yield Difference(wanted, live, restored or wanted)


def asked_by_workloads(cluster: Cluster) -> frozenset[ObjectKey]:
    """The Secrets and ConfigMaps that workloads of the two namespaces need."""
    namespaces = (cluster.settings.namespace, cluster.settings.operations_namespace)
    return frozenset(
        ObjectKey("v1", need.kind, workload.namespace, need.name)
        for space in namespaces
        for workload in read_workloads(cluster, space)
        for need in workload.needs
    )


def restore(cluster: Cluster, saved: Iterable[Manifest], wanted: Iterable[ObjectKey], seal: Seal) -> list[Outcome]:
    """Put back those of `saved` that are `wanted`; done means that the object reads back as it was saved."""
    chosen = set(wanted)
    return [_restored(cluster, manifest, seal) for manifest in saved if key_of(manifest) in chosen]


def _restored(cluster: Cluster, manifest: Manifest, seal: Seal) -> Outcome:
    key = key_of(manifest)
    try:
        cluster.apply(key, manifest)
        live = recognised(cluster.get(cluster.path(key)), seal).fingerprints
    except RiskhubError as error:
        return Outcome("restore", key.label, "failed", str(error))
    other = [name for name, value in recognised(manifest, seal).fingerprints.items() if live.get(name) != value]
    if other:
        return Outcome("restore", key.label, "failed", f"it reads back with another {', '.join(sorted(other))}")
    return Outcome("restore", key.label, "done", "it reads back as it was saved")


def _is_ours(item: Any) -> bool:
    metadata = item["metadata"]
    made = metadata["name"] in _MADE_BY_THE_CLUSTER or metadata.get("ownerReferences")
    return not made and item.get("type") != "kubernetes.io/service-account-token"


def _manifest(kind: str, item: Any) -> Manifest:
    metadata = item["metadata"]
    annotations = dict(metadata.get("annotations") or {})
    annotations.pop(_APPLIED_BY_KUBECTL, None)
    kept = {
        "name": metadata["name"],
        "namespace": metadata.get("namespace"),
        "labels": metadata.get("labels"),
        "annotations": annotations,
    }
    return {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {name: value for name, value in kept.items() if value},
        **{name: item[name] for name in _KEPT if name in item},
    }
