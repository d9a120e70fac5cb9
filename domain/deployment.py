"""Manifests and what a deployment does with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from domain.health import Finding
from domain.plan import Outcome

Manifest = Mapping[str, Any]

# Put on everything a deployment applies; nothing without it is ever removed.
LABEL = "riskhub/deployment"


@dataclass(frozen=True, order=True)
class ObjectKey:
    """What names one object of a cluster. `namespace` is empty for what belongs to none."""

    api_version: str
    kind: str
    namespace: str
    name: str

    @property
    def label(self) -> str:
        """`Deployment jupyterhub/hub`, as people and messages name it."""
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


def key_of(manifest: Manifest) -> ObjectKey:
    """The key of a manifest that has a kind and a name."""
    metadata = manifest["metadata"]
    return ObjectKey(manifest["apiVersion"], manifest["kind"], metadata.get("namespace") or "", metadata["name"])


@dataclass(frozen=True)
class Preview:
    """One manifest against the cluster, changed nothing.

    Attributes:
        live: the object as it is; None when there is none.
        merged: as the server would leave it, by its own dry run; None when it could not try, since the
            namespace itself is still to be made.
    """

    manifest: Manifest
    live: Manifest | None
    merged: Manifest | None


@dataclass(frozen=True)
class Change:
    """What is to become of one object. `manifest` is None when it is to be removed."""

    key: ObjectKey
    manifest: Manifest | None


@dataclass(frozen=True)
class LastDeployment:
    """What earlier deployments left in the cluster.

    Attributes:
        manifests: of the last deployment that was proven good; empty when there is none.
        proven_at: when it was proven.
        applied: every object that was ever applied since then, by this or by a deployment that failed.
    """

    manifests: tuple[Manifest, ...] = ()
    proven_at: datetime | None = None
    applied: frozenset[ObjectKey] = frozenset()


@dataclass(frozen=True)
class Observed:
    """A set of manifests held against the cluster.

    `leftovers`: what was applied before and is not among the manifests, as it is now.
    """

    previews: tuple[Preview, ...]
    leftovers: tuple[Manifest, ...] = ()


@dataclass(frozen=True)
class Ended:
    """How a deployment ended. `cause`: what it failed by and what became of it; empty when it is proven good."""

    outcomes: tuple[Outcome, ...] = ()
    findings: tuple[Finding, ...] = ()
    cause: str = ""


@dataclass(frozen=True)
class SavedObject:
    """A Namespace, ConfigMap or Secret, by what its values are recognised by.

    `fingerprints`: one an entry; of a Secret's value it is an HMAC, which tells nobody a weak password.
    """

    key: ObjectKey
    fingerprints: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """One saved object held against the cluster: as it is (None: not there), and as a restore would leave it."""

    saved: SavedObject
    live: SavedObject | None
    restored: SavedObject
