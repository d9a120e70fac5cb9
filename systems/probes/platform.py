"""Which probes an environment gets."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from environments.settings import Environment
from systems.probes.backups import look_at_mirror, look_at_snapshots
from systems.probes.bucket import look_at_bucket
from systems.probes.homes import look_at_homes
from systems.probes.look import Probe, Seen
from systems.probes.risk_api import look_at_risk_api
from systems.probes.sessions import (
    CELL_DEADLINE,
    START_DEADLINE,
    STOP_DEADLINE,
    look_at_a_start,
    look_at_hub,
    look_at_proxy,
    look_with_synthetic_user,
)

_SOON = timedelta(seconds=20)


def probes_of(environment: Environment) -> tuple[Probe, ...]:
    """Every probe, in the order they are read; what the environment lacks says `not configured`.

    A cluster is looked at after them (`systems.probes.cluster`), since what they do leaves traces in it.
    """
    env = environment
    homes = partial(
        look_at_homes,
        env.homes,
        warn_share=env.health.storage_warn_share,
        mounted=not env.aws.emulated,  # the embedded stack's EFS is a folder
    )
    snapshot = partial(look_at_snapshots, env.aws, env.homes, max_age=env.health.backup_max_age)
    mirror = partial(look_at_mirror, env.objects, max_age=env.health.backup_max_age)
    return (
        Probe("hub-api", partial(look_at_hub, env.hub), _SOON),
        Probe("proxy-routes", partial(look_at_proxy, env.hub), _SOON),
        session_probe(env),
        Probe("homes", homes, _SOON),
        Probe("object-store", partial(look_at_bucket, env.objects), _SOON),
        Probe("backup-snapshot", snapshot, _SOON),
        Probe("backup-mirror", mirror, _SOON),
        Probe("risk-api", partial(look_at_risk_api, env.risk_api), _SOON),
        *(() if env.cluster else (Probe("cluster", _no_cluster, _SOON),)),
    )


def session_probe(environment: Environment, *, starting: bool = False) -> Probe:
    """The synthetic user's session; `starting`: on a Hub that may still be starting, which is waited for."""
    hub, health = environment.hub, environment.health
    deadline = health.spawn_deadline + CELL_DEADLINE + 3 * STOP_DEADLINE
    if starting:
        return Probe("synthetic-user", partial(look_at_a_start, hub, health), deadline + START_DEADLINE)
    return Probe("synthetic-user", partial(look_with_synthetic_user, hub, health), deadline)


def _no_cluster() -> Seen:
    return Seen("this environment names no Kubernetes cluster", "not configured")
