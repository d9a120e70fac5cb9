"""What a deployment would do to a cluster, object by object, and what it must not do. Pure.

The difference shown is the server's own: each object as it is against what its dry run says it would be. Secrets are
never part of it: a deployment asks that they are there, with every key, and makes none.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from domain.deployment import LABEL, Change, Manifest, ObjectKey, Observed, key_of
from domain.errors import Refused
from domain.needs import needs_of
from domain.plan import Action, Plan

# Whoever comes first is needed by those after it; kinds not named come right before the workloads.
_ORDER = (
    *("Namespace", "CustomResourceDefinition", "PriorityClass", "StorageClass", "PersistentVolume"),
    *("ClusterRole", "ClusterRoleBinding", "ResourceQuota", "LimitRange"),
    *("ServiceAccount", "Role", "RoleBinding", "NetworkPolicy", "ConfigMap", "PersistentVolumeClaim", "Service"),
    *("PodDisruptionBudget", "", "StatefulSet", "Deployment", "DaemonSet", "CronJob", "Job", "HorizontalPodAutoscaler"),
)
_WORKLOADS = frozenset({"Deployment", "StatefulSet", "DaemonSet"})
_TEMPLATED = _WORKLOADS | {"Job"}
# Removing one of these takes data or everything in it along: a person does that, by hand.
_NEVER_REMOVED = frozenset(
    {"Namespace", "PersistentVolume", "PersistentVolumeClaim", "Secret", "CustomResourceDefinition"}
)

_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
# An overlay's zeros: an image that was never built, an account, a file system that was never made.
_NOT_MADE = re.compile(r"@sha256:0{64}|(?<![0-9a-f])0{12}(?![0-9a-f])|fs-0{17}")
_FLOATING = frozenset({"latest", "main", "master", "stable", "edge", "nightly", "dev"})

_SERVERS_OWN = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink")
_HIDDEN = re.compile(r"token|password|secret|credential|key", re.IGNORECASE)
_VEIL = "(not shown)"
_SHOWN = 6
_LONGEST = 60


def prepare(rendered: Sequence[Manifest]) -> tuple[Manifest, ...]:
    """The manifests as they are applied: in order, each with our label.

    Raises:
        Refused: a Secret is among them, an image is not pinned, something is named that was never made, or two have
            the same name.
    """
    keys = [key_of(manifest) for manifest in rendered]
    if twice := sorted({key.label for key in keys if keys.count(key) > 1}):
        raise Refused("manifests", f"rendered twice: {', '.join(twice)}", "correct the overlay")
    if secret := next((key for key in keys if key.kind == "Secret"), None):
        cause = f"{secret.label} is among them"
        raise Refused("manifests", cause, "take it out of the overlay: Secrets come from the vault, never from Git")
    for manifest in rendered:
        _require_pinned(manifest)
    return tuple(sorted(map(_labelled, rendered), key=_rank))


def require_secrets(manifests: Iterable[Manifest], there: Mapping[tuple[str, str, str], Collection[str]]) -> None:
    """Every Secret that the pods of `manifests` need is there, with every key.

    `there`: the keys that hold something, by (kind, namespace, name).

    Raises:
        Refused: one is missing, or a key of it. It is never made up.
    """
    missing: dict[str, set[str]] = {}
    for manifest in manifests:
        namespace = key_of(manifest).namespace
        for need in (need for spec in _pod_specs(manifest) for need in needs_of(spec)):
            keys = there.get(("Secret", namespace, need.name))
            if need.kind == "Secret" and (keys is None or (need.key and need.key not in keys)):
                lacking = missing.setdefault(f"Secret {namespace}/{need.name}", set())
                lacking.update({need.key} if need.key and keys is not None else ())
    if missing:
        told = "; ".join(
            f"{secret} has no key {', '.join(sorted(keys))}" if keys else f"{secret} is missing"
            for secret, keys in sorted(missing.items())
        )
        raise Refused(
            "deployment",
            f"what its pods need is not there ({told})",
            "bring it back (riskhub restore configuration) or put it there from the vault; it is never made up: "
            "with another crypt key every auth_state is lost",
        )


def plan_deployment(observed: Observed, *, title: str, remove_at_most: int) -> Plan[Change]:
    """What is created, changed and removed, in the order of the doing; the fields that differ are the reason.

    Only what an earlier deployment applied is removed, and never what holds data.

    Raises:
        Refused: more than `remove_at_most` objects would be removed, or a namespace is missing that none makes.
    """
    actions: list[Action[Change]] = []
    left: list[Action[Change]] = []
    namespaces = {
        key.name for key in map(key_of, (each.manifest for each in observed.previews)) if key.kind == "Namespace"
    }
    for preview in observed.previews:
        key = key_of(preview.manifest)
        change = Change(key, preview.manifest)
        if preview.merged is None and key.namespace not in namespaces:
            raise Refused(key.label, f"namespace {key.namespace} is not there", "add it to the overlay, or create it")
        if preview.live is None:
            actions.append(Action("create", key.label, "it is not there yet", change))
        elif differences := _differences(preview.live, preview.merged or preview.manifest):
            actions.append(Action("change", key.label, _told(differences), change))
        else:
            left.append(Action("leave", key.label, "it is as it should be", change))
    removals, kept = _removals(observed.leftovers)
    if len(removals) > remove_at_most:
        cause = f"it would remove {len(removals)} objects, more than the {remove_at_most} allowed in one run"
        raise Refused("deployment", cause, "see whether it is the right overlay; then raise cluster.remove_at_most")
    digest = _digest([preview.manifest for preview in observed.previews])[:12]
    return Plan(f"{title} (manifests {digest})", (*actions, *removals), (*left, *kept))


def workloads_in(manifests: Iterable[Manifest]) -> tuple[ObjectKey, ...]:
    """Those whose pods must get ready."""
    return tuple(key for key in map(key_of, manifests) if key.kind in _WORKLOADS)


def _removals(leftovers: Iterable[Manifest]) -> tuple[list[Action[Change]], list[Action[Change]]]:
    """What is to be removed, in reverse order of its making, and what stays though nobody asks for it."""
    removals, kept = [], []
    for live in sorted(leftovers, key=_rank, reverse=True):
        key = key_of(live)
        change = Change(key, None)
        if key.kind in _NEVER_REMOVED:
            kept.append(
                Action("leave", key.label, "the overlay has it no longer; it holds data: remove it by hand", change)
            )
        elif LABEL not in (live["metadata"].get("labels") or {}):
            kept.append(
                Action(
                    "leave",
                    key.label,
                    f"the overlay has it no longer; without the label {LABEL} it is not ours",
                    change,
                )
            )
        else:
            removals.append(
                Action("remove", key.label, "an earlier deployment made it, the overlay has it no longer", change)
            )
    return removals, kept


def _require_pinned(manifest: Manifest) -> None:
    key = key_of(manifest)
    if zeros := _NOT_MADE.search(json.dumps(manifest)):
        cause = f"it names something that was never made ({zeros[0][:20]})"
        step = "build the images (build.py writes their digests), and give the overlay the account's own names"
        raise Refused(key.label, cause, step)
    for image in _images(manifest):
        if _DIGEST.search(image):
            continue
        _, _, tag = image.rpartition("/")[2].partition(":")
        if not tag or tag in _FLOATING:
            cause = f"image {image} may be another one tomorrow"  # a floating tag broke every spawn (2i2c, 2026-02-11)
            raise Refused(key.label, cause, "pin it by its digest in the overlay's images/")


def _images(manifest: Manifest) -> Iterator[str]:
    """Of containers, and those that the Hub's variables IMAGE_* name for the users' servers."""
    variables: dict[str, Any] = dict(manifest.get("data") or {}) if manifest["kind"] == "ConfigMap" else {}
    for spec in _pod_specs(manifest):
        for container in (*(spec.get("initContainers") or ()), *spec["containers"]):
            yield container["image"]
            variables |= {each.get("name"): each.get("value") for each in container.get("env") or ()}
    yield from (value for name, value in variables.items() if value and str(name).startswith("IMAGE_"))


def _pod_specs(manifest: Manifest) -> Iterator[Any]:
    spec = manifest.get("spec") or {}
    if manifest["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    if manifest["kind"] in _TEMPLATED | {"CronJob"}:
        yield spec["template"]["spec"]
    elif manifest["kind"] == "Pod":
        yield spec


def _labelled(manifest: Manifest) -> Manifest:
    metadata = manifest["metadata"]
    return {**manifest, "metadata": {**metadata, "labels": {**(metadata.get("labels") or {}), LABEL: "hub"}}}


def _rank(manifest: Manifest) -> int:
    kind = manifest["kind"]
    return _ORDER.index(kind if kind in _ORDER else "")


def _digest(manifests: Sequence[Manifest]) -> str:
    return hashlib.sha256(json.dumps(manifests, sort_keys=True).encode()).hexdigest()


def _differences(live: Manifest, merged: Manifest) -> list[str]:
    return list(_compared("", _comparable(live), _comparable(merged)))


def _comparable(manifest: Manifest) -> dict[str, Any]:
    metadata = {name: value for name, value in manifest["metadata"].items() if name not in _SERVERS_OWN}
    return {name: value for name, value in manifest.items() if name not in ("status", "metadata")} | {
        "metadata": metadata
    }


def _compared(path: str, before: Any, after: Any) -> Iterator[str]:
    if before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in sorted({*before, *after}):
            yield from _compared(f"{path}.{name}" if path else name, before.get(name), after.get(name))
    elif _named(before) and _named(after):
        by_name = [{each["name"]: each for each in items} for items in (before, after)]
        for name in sorted({*by_name[0], *by_name[1]}):
            yield from _compared(f"{path}[{name}]", by_name[0].get(name), by_name[1].get(name))
    elif isinstance(before, str) and isinstance(after, str) and "\n" in before + after:
        lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
        count = Counter(line[:1] for line in lines if not line.startswith(("+++", "---", "@@")))
        yield f"{path}: {count['+']} lines new, {count['-']} gone"
    else:
        yield f"{path}: {_short(path, before)} -> {_short(path, after)}"


def _named(items: Any) -> bool:
    return isinstance(items, list) and all(isinstance(each, Mapping) and "name" in each for each in items)


def _short(path: str, value: Any) -> str:
    if value is None:
        return "nothing"
    if path.endswith(".value") and _HIDDEN.search(path):
        return _VEIL
    text = value if isinstance(value, str) else json.dumps(_veiled(value), sort_keys=True)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _veiled(value: Any) -> Any:
    """`value` without what variables of a telling name hold: somebody may have typed a token into the cluster."""
    if isinstance(value, list):
        return [_veiled(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    hidden = "value" in value and _HIDDEN.search(str(value.get("name")))
    return {name: _VEIL if hidden and name == "value" else _veiled(each) for name, each in value.items()}


def _told(differences: list[str]) -> str:
    more = f"; and {len(differences) - _SHOWN} more" if len(differences) > _SHOWN else ""
    return "; ".join(differences[:_SHOWN]) + more
