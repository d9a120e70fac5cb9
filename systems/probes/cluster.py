"""The look at the cluster, and why a Hub whose log does not say so cannot use its database.

What is seen is told as a snapshot: what it means is decided in `plans.cluster`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import timedelta

from pydantic import SecretStr

from domain.cluster import Clue, ClueKind, ClusterSnapshot, Pod
from domain.errors import RiskhubError
from domain.health import Finding
from environments.settings import ClusterSettings, DatabaseSettings, Environment
from systems import database
from systems.cluster import condition
from systems.cluster.connection import Cluster, connect
from systems.probes.look import Probe, Seen, carry_out

DEADLINE = timedelta(seconds=90)
_NOBODY: tuple[Pod, ...] = ()


@contextmanager
def watched_servers(environment: Environment) -> Iterator[Callable[[], tuple[Pod, ...]]]:
    """While the block runs, the synthetic user's pods are watched; no cluster, or none that answers: no pods."""
    try:
        cluster = connect(environment.cluster) if environment.cluster else None
    except RiskhubError:  # the look that follows fails by the same and tells it
        cluster = None
    user = environment.health.synthetic_user
    with condition.watched_servers(cluster, user) if cluster else nullcontext(lambda: _NOBODY) as seen:
        yield seen


def look_at_cluster(
    environment: Environment, *, seen: tuple[Pod, ...] = ()
) -> tuple[tuple[Finding, ...], ClusterSnapshot | None]:
    """Whether the right cluster answers, and what is to be seen in it; nothing where the environment has none.

    `seen`: notebook pods as last seen by `watched_servers`.
    """
    settings = environment.cluster
    if settings is None:
        return (), None
    taken: list[ClusterSnapshot] = []

    def look() -> Seen:
        snapshot = observe(settings, environment.database, seen=seen)
        taken.append(snapshot)
        return Seen(f"{settings.name}: Kubernetes {snapshot.version} answers, and is the cluster it should be")

    finding = carry_out(Probe("cluster", look, DEADLINE, "cluster-down"))
    return (finding,), taken[0] if finding.state == "ok" else None


def observe(
    settings: ClusterSettings, hub_database: DatabaseSettings, *, seen: tuple[Pod, ...] = ()
) -> ClusterSnapshot:
    """One look at the cluster.

    Raises:
        Refused, Unreachable: as `systems.cluster.connection`.
    """
    cluster = connect(settings)
    snapshot = condition.look(cluster, seen=seen)
    if any(clue.kind == "database" for clue in snapshot.clues):
        found = tuple(clue for clue in snapshot.clues if clue.kind != "database")
        snapshot = replace(snapshot, clues=(*found, _about_the_database(cluster, hub_database)))
    return snapshot


def _about_the_database(cluster: Cluster, hub_database: DatabaseSettings) -> Clue:
    """Log in as the Hub would, with the very URL of its Secret: the Hub's log says that it failed, not why."""
    # Listed, not read by name: a flow run may list Secrets, and needs no further right for this.
    secrets = cluster.items(
        f"/api/v1/namespaces/{cluster.settings.namespace}/secrets", fieldSelector="metadata.name=hub"
    )
    data = next((secret.get("data") or {} for secret in secrets), {})
    url = base64.b64decode(data.get("database_url") or "").decode(errors="replace")
    if not url:
        return Clue("hub", "database")
    kind, detail = database.why_no_login(DatabaseSettings(url=SecretStr(url), tools=hub_database.tools))
    kinds: dict[database.LoginTrouble, ClueKind] = {
        "password": "database-password",
        "missing": "database-missing",
        "silent": "database-unreachable",
        "name": "name-resolution",
    }
    return Clue("hub", kinds.get(kind, "database"), detail)
