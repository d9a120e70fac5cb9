"""How full the stores are: the homes' file system, the Hub's database, the cluster's quotas."""

from __future__ import annotations

import os

from domain.errors import Unreachable
from domain.metrics import Unit
from domain.utilisation import Capacity
from environments.settings import ClusterSettings, DatabaseSettings, HomesSettings
from systems import database
from systems.homes import require_home_mount

_NO_LIMIT = 2**60  # EFS calls itself 8 EiB large: nobody will fill that


def of_the_homes(homes: HomesSettings, limit: int | None) -> Capacity:
    """The whole file system, as df tells it. `limit` (bytes) where somebody agreed on one: EFS has none.

    Raises:
        Refused: it is not mounted.
        Unreachable: it does not answer.
    """
    require_home_mount(homes)
    try:
        space = os.statvfs(homes.user_data)
    except OSError as error:  # such as a stale file handle
        thing = f"homes at {homes.mount_point}"
        raise Unreachable(thing, str(error.strerror), "unmount it and mount it anew", kind="homes-unmounted") from None
    taken = space.f_blocks - space.f_bfree
    size = (taken + space.f_bavail) * space.f_frsize  # what only root may use is no room
    return Capacity(
        name="homes",
        used=taken * space.f_frsize,
        limit=limit or (size if size < _NO_LIMIT else None),
        unit="bytes",
    )


def of_the_database(settings: DatabaseSettings, limit: int | None) -> Capacity:
    """The Hub's database. The server does not know how large its disk is: `limit` (bytes) is what it was given.

    Raises:
        Unreachable, Refused, Failed: see `database.ask`.
    """
    size = database.ask(settings, "select pg_database_size(current_database())")
    return Capacity(name="database", used=int(size), limit=limit, unit="bytes")


def of_the_quotas(settings: ClusterSettings) -> tuple[Capacity, ...]:
    """Each line of the quotas of the Hub's and the runbook's own namespace.

    Raises:
        Unreachable, Refused: see `systems.cluster.connection`.
    """
    from systems.cluster import objects  # noqa: PLC0415 - the client, only where there is a cluster
    from systems.cluster.connection import connect  # noqa: PLC0415

    cluster = connect(settings)
    return tuple(
        Capacity(
            name=f"quota {line.namespace}/{line.quota}: {line.resource}",
            used=line.used,
            limit=line.hard,
            unit=_unit(line.resource),
        )
        for space in (settings.namespace, settings.operations_namespace)
        for item in cluster.items(f"/api/v1/namespaces/{space}/resourcequotas")
        for line in objects.quota_lines(item)
    )


def _unit(resource: str) -> Unit:
    if resource.endswith(("memory", "storage")):
        return "bytes"
    return "cores" if resource.endswith("cpu") else "count"
