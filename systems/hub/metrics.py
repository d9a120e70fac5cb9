"""How spawns went, from the Hub's own metrics. They need the scope read:metrics."""

from __future__ import annotations

from collections import defaultdict

from domain.errors import Refused
from domain.utilisation import SpawnCount, Spawns
from environments.settings import HubSettings
from systems.hub.api import HubApi
from systems.hub.condition import require_scope

_SPAWNS = "jupyterhub_server_spawn_duration_seconds"
_BEGAN = "process_start_time_seconds"


def read_spawns(hub: HubSettings) -> Spawns:
    """The Hub's counts of spawns since it began.

    Raises:
        Refused: the token may not read them, or they are not as of Hub 6.
        Unreachable: see `HubApi`.
    """
    require_scope(hub, "read:metrics")  # to another token it answers 403 and no word why
    with HubApi(hub) as api:
        return spawns_in(api.text("/metrics"), api.thing)


def spawns_in(metrics: str, thing: str) -> Spawns:
    """The counts of spawns in the text of `/hub/metrics`.

    Raises:
        Refused: it has none, or is no such text.
    """
    from prometheus_client.parser import text_string_to_metric_families  # noqa: PLC0415 - not where a stop is all

    buckets: defaultdict[tuple[str, str], dict[float, float]] = defaultdict(dict)
    began = None
    try:
        for family in text_string_to_metric_families(metrics):
            for sample in family.samples:
                if sample.name == _BEGAN:
                    began = sample.value
                elif sample.name == f"{_SPAWNS}_bucket":
                    ended = sample.labels["status"], sample.labels["reason"]
                    buckets[ended][float(sample.labels["le"])] = sample.value
    except (ValueError, KeyError):  # a Hub before 6 has no reason
        began = None
    if began is None or not buckets:
        cause = "its metrics do not tell of spawns as a Hub 6 does"
        raise Refused(thing, cause, "check the Hub's version, and JUPYTERHUB_METRICS_PREFIX: it has to be unset")
    counts = (SpawnCount(status=status, reason=reason, buckets=each) for (status, reason), each in buckets.items())
    return Spawns(hub_began=began, counts=tuple(each for each in counts if each.count))
