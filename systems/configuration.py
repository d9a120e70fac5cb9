"""What a Hub is configured by, as one document for the recovery point.

The files that configure it; and where there is a cluster its namespaces and ConfigMaps as they are, and its Secrets
sealed. The cluster's part is signed under the backup key: a ConfigMap holds code that the Hub runs.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from domain.deployment import Manifest, ObjectKey, SavedObject, key_of
from domain.errors import Damaged, Refused
from environments.settings import ClusterSettings
from systems.sealing import Seal

FILES = (
    "k8s/base/jupyterhub_config.py",
    "environments/{environment}.toml",
    "prefect.yaml",
    "requirements.lock",
)
WHOLE_UP_TO = 64 * 1024


def collect_configuration(project: Path, environment: str, cluster: Mapping[str, Any] | None = None) -> bytes:
    """The configuration as JSON: each file's SHA-256, and its text when it is at most 64 KiB.

    The lock is kept by digest alone: it is long, and the commit has it. `cluster`: from `sealed_configuration`.
    """
    files = {}
    for name in (pattern.format(environment=environment) for pattern in FILES):
        content = (project / name).read_bytes()
        text = content.decode() if len(content) <= WHOLE_UP_TO else None
        files[name] = {"sha256": hashlib.sha256(content).hexdigest(), "text": text}
    document = {"environment": environment, "files": files, **({"cluster": cluster} if cluster else {})}
    return json.dumps(document, indent=1).encode()


def require_seal(cluster: ClusterSettings) -> Seal:
    """The seal of the cluster's backups.

    Raises:
        Refused: there is no backup key. Secrets are never kept unsealed.
    """
    if cluster.backup_key is None:
        raise Refused(
            f"configuration of cluster {cluster.name}",
            "its Secrets cannot be sealed: there is no backup key",
            "set CONFIGURATION_BACKUP_KEY to a Fernet key, and keep that key outside the cluster and the bucket",
        )
    return Seal(cluster.backup_key)


def sealed_configuration(
    cluster: ClusterSettings, manifests: Sequence[Manifest], seal: Seal, *, deployed: Sequence[Manifest] = ()
) -> dict[str, Any]:
    """The cluster's part of the document: `manifests` as they are, but Secrets sealed, with fingerprints.

    `deployed`: the manifests that were last deployed and proven. A restore of the configuration leaves them to
    `riskhub deploy hub`; a drill starts its Hub from them.
    """
    document: dict[str, Any] = {
        "name": cluster.name,
        "identity": cluster.identity,
        "key": seal.key_id,
        "objects": [manifest for manifest in manifests if manifest["kind"] != "Secret"],
        "secrets": [
            {
                "namespace": manifest["metadata"]["namespace"],
                "name": manifest["metadata"]["name"],
                "fingerprints": dict(recognised(manifest, seal).fingerprints),
                "sealed": seal.close(manifest),
            }
            for manifest in manifests
            if manifest["kind"] == "Secret"
        ],
        "deployed": list(deployed),
    }
    return {**document, "signature": seal.signature(document)}


def open_configuration(body: bytes, seal: Seal, *, thing: str) -> tuple[Manifest, ...]:
    """The manifests of a saved document, Secrets opened.

    Raises:
        Refused: it holds no cluster, or was sealed under another key.
        Damaged: it is not what was saved.
    """
    saved = _genuine(body, seal, thing)
    try:
        return (*saved["objects"], *(_opened(each, seal, thing) for each in saved["secrets"]))
    except (KeyError, TypeError, AttributeError):
        raise _no_document(thing) from None


def deployed_then(body: bytes, seal: Seal, *, thing: str) -> tuple[Manifest, ...]:
    """The manifests that were last deployed when the document was saved. Errors as `open_configuration`.

    Raises:
        Refused: it holds none.
    """
    deployed = _genuine(body, seal, thing).get("deployed")
    if not deployed:
        step = "riskhub deploy hub, then take another recovery point"
        raise Refused(thing, "it does not tell what was deployed", step)
    return tuple(deployed)


def _genuine(body: bytes, seal: Seal, thing: str) -> dict[str, Any]:
    """The cluster's part of the document, if it is what we wrote."""
    try:
        document = json.loads(body)
        if "cluster" not in document:
            raise Refused(thing, "it holds no cluster", "take a point of an environment that has one")
        saved = dict(document["cluster"])
        signature = saved.pop("signature")
        if saved["key"] != seal.key_id:
            cause = f"it was sealed under key {saved['key']}, and CONFIGURATION_BACKUP_KEY is key {seal.key_id}"
            raise Refused(thing, cause, f"set CONFIGURATION_BACKUP_KEY to key {saved['key']}")
        if not seal.is_signed(saved, signature):
            cause = "its signature does not fit: somebody without the key altered it"
            raise Damaged(thing, cause, "take another recovery point, and find out who wrote to this one")
    except (KeyError, TypeError, ValueError, AttributeError):
        raise _no_document(thing) from None
    return saved


def _no_document(thing: str) -> Damaged:
    return Damaged(thing, "it is no configuration document", "take another recovery point")


def recognised(manifest: Manifest, seal: Seal) -> SavedObject:
    """The object by the fingerprints of what it holds: data, labels, a Secret's type."""
    values = {name: str(text).encode() for name, text in (manifest.get("data") or {}).items()}
    if manifest["kind"] == "Secret":  # in the API its data is base64, and two spellings of one value are equal
        values = {name: base64.b64decode(text) for name, text in values.items()}
        values |= {"type": str(manifest.get("type") or "Opaque").encode()}
    values |= {name: base64.b64decode(text) for name, text in (manifest.get("binaryData") or {}).items()}
    labels = manifest["metadata"].get("labels") or {}
    values |= {f"label {name}": str(value).encode() for name, value in labels.items()}
    return SavedObject(key_of(manifest), {name: seal.fingerprint(value) for name, value in sorted(values.items())})


def _opened(secret: Mapping[str, Any], seal: Seal, thing: str) -> Manifest:
    opened: Manifest = seal.open(secret["sealed"], thing=thing)
    if key_of(opened) != ObjectKey("v1", "Secret", secret["namespace"], secret["name"]):
        raise Damaged(thing, "a Secret in it is not the one it is called", "take another recovery point")
    return opened
