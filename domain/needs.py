"""What a pod's spec asks for by name: Secrets, ConfigMaps, claims. The same for a manifest and for what runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from domain.cluster import Need, NeedKind


def needs_of(spec: Any) -> tuple[Need, ...]:
    """What a pod's spec asks for by name and cannot start without."""
    found = [*_of_variables(spec), *_of_volumes(spec)]
    return tuple(dict.fromkeys(found))


def _of_variables(spec: Any) -> Iterator[Need]:
    for container in (*(spec.get("initContainers") or ()), *spec["containers"]):
        for variable in container.get("env") or ():
            source = variable.get("valueFrom") or {}
            if secret := source.get("secretKeyRef"):
                yield from _unless_optional(secret, "Secret", secret["key"])
            if values := source.get("configMapKeyRef"):
                yield from _unless_optional(values, "ConfigMap", values["key"])
        for source in container.get("envFrom") or ():
            if secret := source.get("secretRef"):
                yield from _unless_optional(secret, "Secret", None)
            if values := source.get("configMapRef"):
                yield from _unless_optional(values, "ConfigMap", None)


def _of_volumes(spec: Any) -> Iterator[Need]:
    for volume in spec.get("volumes") or ():
        if bound := volume.get("persistentVolumeClaim"):
            yield Need("PersistentVolumeClaim", bound["claimName"])
        for source in (volume, *((volume.get("projected") or {}).get("sources") or ())):
            if secret := source.get("secret"):
                yield from _of_source(secret, "Secret")
            if values := source.get("configMap"):
                yield from _of_source(values, "ConfigMap")


def _of_source(source: Any, kind: NeedKind) -> Iterator[Need]:
    named = {"name": source.get("secretName") or source.get("name"), "optional": source.get("optional")}
    keys = [each["key"] for each in source.get("items") or ()]
    for key in keys or [None]:
        yield from _unless_optional(named, kind, key)


def _unless_optional(source: Any, kind: NeedKind, key: str | None) -> Iterator[Need]:
    if not source.get("optional"):
        yield Need(kind, source["name"], key)
