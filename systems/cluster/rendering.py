"""An overlay's manifests, by `kubectl kustomize`: the very tool that on-call would use by hand."""

from __future__ import annotations

import shutil
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from domain.deployment import Manifest
from domain.errors import Failed, Refused

DEADLINE = timedelta(seconds=60)


def render(overlay: Path, *, deadline: timedelta = DEADLINE) -> tuple[Manifest, ...]:
    """The manifests of the overlay in this folder, in kustomize's order. Nothing of a cluster is read.

    Raises:
        Refused: there is no such overlay, no kubectl, or kustomize does not take it.
        Failed: it was not done within `deadline`.
    """
    thing = f"overlay {overlay.name}"
    if not (overlay / "kustomization.yaml").is_file():
        raise Refused(thing, f"{overlay} holds no kustomization.yaml", "correct the environment's cluster.overlay")
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        raise Refused(thing, "kubectl is not installed here", "install it, or run this from the runbook's image")
    try:
        done = subprocess.run(
            (kubectl, "kustomize", str(overlay)),
            capture_output=True,
            text=True,
            timeout=deadline.total_seconds(),
            check=False,
        )
    except subprocess.TimeoutExpired:
        cause = f"kubectl kustomize was not done after {deadline.total_seconds():.0f} s"
        raise Failed(thing, cause, "look for a base that it fetches over the network") from None
    if done.returncode != 0:
        words = " ".join(done.stderr.split())[-400:]
        raise Refused(thing, f"kustomize does not take it: {words}", f"correct {overlay}") from None
    return tuple(_checked(thing, document) for document in yaml.safe_load_all(done.stdout) if document)


def _checked(thing: str, document: Any) -> Manifest:
    name = (document.get("metadata") or {}).get("name") if isinstance(document, dict) else None
    if not name or not document.get("apiVersion") or not document.get("kind"):
        raise Refused(thing, "it renders something without apiVersion, kind or name", "correct its resources")
    manifest: Manifest = document
    return manifest
