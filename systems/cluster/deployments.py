"""What earlier deployments left: the manifests that were last proven good, and every object ever applied.

Kept in the cluster itself, in one ConfigMap of the runbook's namespace: whatever else is broken when a rollback is
due (the Hub, its database, the bucket), the API server answers, or there is nothing to roll back on.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import json
import time
import zlib
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime

from domain.clock import to_utc
from domain.deployment import Change, LastDeployment, Manifest, ObjectKey
from domain.errors import Damaged, Refused, RiskhubError
from domain.plan import Action, Outcome
from systems.cluster.connection import Cluster
from systems.cluster.resources import carry_out_change

NAME = "riskhub-deployment"
LARGEST = 900 * 1024  # bytes in base64; the API server takes objects of 1 MiB


def read_last_deployment(cluster: Cluster) -> LastDeployment:
    """What earlier deployments left; nothing on a cluster that never had one.

    Raises:
        Damaged: the record cannot be read.
    """
    kept = cluster.read(_key(cluster))
    if kept is None:
        return LastDeployment()
    try:
        packed = kept["binaryData"]["manifests"]
        manifests = json.loads(gzip.decompress(base64.b64decode(packed, validate=True)))
        proven_at = kept["data"]["proven_at"]
        return LastDeployment(
            manifests=tuple(manifests),
            proven_at=to_utc(datetime.fromisoformat(proven_at)) if proven_at else None,
            applied=frozenset(ObjectKey(**each) for each in json.loads(kept["data"]["applied"])),
        )
    except (KeyError, TypeError, ValueError, OSError, EOFError, zlib.error, binascii.Error):
        cause = "it cannot be read, so there is nothing to roll back to and nothing is known to be ours"
        raise Damaged(_key(cluster).label, cause, "delete it: the next deployment begins a new one") from None


def keep_last_deployment(cluster: Cluster, last: LastDeployment) -> None:
    """Put `last` in the place of what was kept.

    Raises:
        Refused: it is too large for a ConfigMap.
    """
    key = _key(cluster)
    packed = base64.b64encode(gzip.compress(json.dumps(last.manifests).encode(), mtime=0)).decode()
    if len(packed) > LARGEST:
        cause = f"the manifests take {len(packed)} bytes, packed, and a ConfigMap holds {LARGEST}"
        raise Refused(key.label, cause, "take large files out of the overlay's ConfigMaps")
    manifest: Manifest = {
        "apiVersion": key.api_version,
        "kind": key.kind,
        "metadata": {"name": key.name, "namespace": key.namespace},
        "data": {
            "proven_at": last.proven_at.isoformat() if last.proven_at else "",
            "applied": json.dumps([asdict(each) for each in sorted(last.applied)]),
        },
        "binaryData": {"manifests": packed},
    }
    cluster.apply(key, manifest)


def images_in(manifests: Iterable[Manifest]) -> dict[str, str]:
    """The image of each container, digest and all, by `workload/container`; the users' images by their variable."""
    found: dict[str, str] = {}
    for manifest in manifests:
        pod = ((manifest.get("spec") or {}).get("template") or {}).get("spec") or {}
        for container in pod.get("containers") or ():
            found[f"{manifest['metadata']['name']}/{container['name']}"] = container["image"]
            users = {each["name"]: each.get("value") for each in container.get("env") or ()}
            found |= {name: value for name, value in users.items() if name.startswith("IMAGE_") and value}
    return dict(sorted(found.items()))


def carry_out(cluster: Cluster, actions: Iterable[Action[Change]], noted: LastDeployment) -> list[Outcome]:
    """Make the changes in their order; at the first that fails the rest is left.

    `noted` is kept as soon as the namespaces are there and before anything else is made: a deployment that is cut
    off must not leave objects that nobody knows to be ours.
    """
    outcomes: list[Outcome] = []
    is_noted, failed = False, ""
    for action in actions:
        began = time.monotonic()
        if failed:
            outcomes.append(Outcome(action.verb, action.target, "skipped", f"not tried, since {failed} failed"))
            continue
        try:
            if not is_noted and action.on.key.kind != "Namespace":
                keep_last_deployment(cluster, noted)
                is_noted = True
            done = carry_out_change(cluster, action.on)
            outcomes.append(Outcome(action.verb, action.target, "done", done, time.monotonic() - began))
        except RiskhubError as error:
            failed = action.target
            outcomes.append(Outcome(action.verb, action.target, "failed", str(error), time.monotonic() - began))
    return outcomes


def _key(cluster: Cluster) -> ObjectKey:
    return ObjectKey("v1", "ConfigMap", cluster.settings.operations_namespace, NAME)
