"""The Hub of a cluster stopped, for what must not happen beside it. Users' servers are never ended here."""

from __future__ import annotations

import time
from datetime import timedelta

from domain.deployment import ObjectKey
from domain.errors import Failed, Refused
from systems.cluster.connection import Cluster, NotThere

_HUB = "hub"
_SERVERS = "singleuser-server"  # the component that KubeSpawner's pods are labelled with
_ENDED = ("Succeeded", "Failed")
_NAMED = 5
_POLL_SECONDS = 0.3


def stop_hub(cluster: Cluster, *, deadline: timedelta) -> str:
    """Scale the Hub to nothing and wait until its pods are gone; what was done, in words. Twice is harmless.

    Raises:
        Refused: users' servers run; the message names the first of them.
        Failed: pods of the Hub are still there at `deadline`.
    """
    servers = _pods(cluster, _SERVERS)
    if servers:
        named = ", ".join(servers[:_NAMED]) + (" and more" if len(servers) > _NAMED else "")
        cause = f"{len(servers)} users' servers run ({named}), and would write over what is restored"
        raise Refused(cluster.thing, cause, "stop them (Hub's admin page, or delete their pods), then run again")
    try:
        cluster.scale(ObjectKey("apps/v1", "Deployment", cluster.settings.namespace, _HUB), 0)
    except NotThere:
        return "there was none"
    give_up = time.monotonic() + deadline.total_seconds()
    while left := _pods(cluster, _HUB):
        if time.monotonic() > give_up:
            cause = f"{', '.join(left)} did not end within {deadline.total_seconds():.0f} s"
            raise Failed(cluster.thing, cause, "look at the node that it runs on, then run again")
        time.sleep(_POLL_SECONDS)
    return "its pods are gone"


def _pods(cluster: Cluster, component: str) -> list[str]:
    path = f"/api/v1/namespaces/{cluster.settings.namespace}/pods"
    found = cluster.items(path, labelSelector=f"component={component}")
    return sorted(
        item["metadata"]["name"] for item in found if item["status"].get("phase") not in ("Succeeded", "Failed")
    )
