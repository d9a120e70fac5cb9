"""Objects of a cluster: what the server would make of manifests, made so, and removed again.

Everything is server-side apply by the field manager `riskhub`, and the difference shown before is the server's
own dry run: with its defaults, its admission and our rights, where a diff of texts would know none of them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from domain.deployment import LABEL, Change, Manifest, ObjectKey, Observed, Preview, key_of
from domain.errors import Refused
from systems.cluster.connection import Cluster, NotThere


def observe(cluster: Cluster, manifests: Sequence[Manifest], applied: Collection[ObjectKey]) -> Observed:
    """The manifests as they are in the cluster and as the server would leave them; nothing is changed.

    `applied`: what earlier deployments applied. What is left of it beside the manifests is told too.

    Raises:
        Refused: the server does not take a manifest, or forbids it.
    """
    leftovers = set(applied) - {key_of(manifest) for manifest in manifests}
    lives = (cluster.read(key) for key in sorted(leftovers))
    previews = tuple(preview(cluster, manifest) for manifest in manifests)
    return Observed(previews, tuple(live for live in lives if live is not None))


def preview(cluster: Cluster, manifest: Manifest) -> Preview:
    """One manifest against the cluster. In a namespace that is still to be made the server cannot try it."""
    key = key_of(manifest)
    live = cluster.read(key)
    try:
        merged = cluster.apply(key, manifest, dry_run=True)
    except NotThere:
        if live is not None or not key.namespace:
            raise
        merged = None
    return Preview(manifest, live, merged)


def carry_out_change(cluster: Cluster, change: Change) -> str:
    """Apply or remove one object; what was done, in a word or two.

    Raises:
        Refused: it is to be removed and does not bear our label, or the server does not take it.
    """
    if change.manifest is not None:
        applied = cluster.apply(change.key, change.manifest)
        return f"applied, version {applied['metadata']['resourceVersion']}"
    live = cluster.read(change.key)
    if live is None:
        return "gone already"
    if LABEL not in (live["metadata"].get("labels") or {}):
        cause = f"it does not bear the label {LABEL}: it is not ours any more"
        raise Refused(change.key.label, cause, "remove it by hand if nobody needs it")
    cluster.remove(change.key, live["metadata"]["uid"])
    return "removed"
