"""Which probes an environment gets: the quick ones, for every five minutes, and all of them, for every morning."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from environments.settings import Environment
from systems.probes.backups import look_at_mirror, look_at_snapshots
from systems.probes.bucket import look_at_bucket
from systems.probes.certificates import look_at_certificates
from systems.probes.database import look_at_database
from systems.probes.homes import look_at_homes
from systems.probes.hub import look_at_hub, look_at_proxy
from systems.probes.look import Probe, Seen
from systems.probes.person import look_at_account, look_at_configuration, look_at_home, look_at_server
from systems.probes.reports import look_at_reports
from systems.probes.risk_api import look_at_risk_api
from systems.probes.scheduler import look_at_scheduler
from systems.probes.sso import look_at_sso
from systems.probes.synthetic_user import START_DEADLINE, look_at_a_start, look_with_synthetic_user, session_deadline

_SOON = timedelta(seconds=20)
_LOCAL = timedelta(seconds=5)


def quick_probes_of(environment: Environment) -> tuple[Probe, ...]:
    """Those that take no more than a moment when all is well: each part asked once, nothing started.

    A cluster is looked at after them (`systems.probes.cluster`), since what they do leaves traces in it.
    """
    env = environment
    homes = partial(
        look_at_homes,
        env.homes,
        warn_share=env.health.storage_warn_share,
        mounted=not env.aws.emulated,  # the embedded stack's EFS is a folder
    )
    urls = [env.hub.api_url, env.hub.public_url, env.risk_api.url, env.prefect.api_url]
    urls += [url for url in (env.sso.url, env.objects.endpoint_url) if url]
    certificates = partial(look_at_certificates, urls, min_days=env.health.certificate_min_days)
    return (
        Probe("certificates", certificates, _SOON, "certificate"),
        Probe("database", partial(look_at_database, env.database), _SOON, "database-down"),
        Probe("hub-api", partial(look_at_hub, env.hub, env.database), timedelta(seconds=40), "hub-overloaded"),
        Probe("proxy-routes", partial(look_at_proxy, env.hub), timedelta(seconds=40), "proxy-api"),
        Probe("sso", partial(look_at_sso, env.sso), _SOON, "sso-down"),
        Probe("homes", homes, _LOCAL, "homes-slow"),
        Probe("object-store", partial(look_at_bucket, env.objects), _SOON, "bucket-down"),
        Probe("risk-api", partial(look_at_risk_api, env.risk_api), _SOON, "risk-api-slow"),
        Probe("scheduler", partial(look_at_scheduler, env.prefect), _SOON, "scheduler-down"),
        *(() if env.cluster else (Probe("cluster", _no_cluster, _SOON, "cluster-down"),)),
    )


def probes_of(environment: Environment) -> tuple[Probe, ...]:
    """Every probe, in the order they are read; what the environment lacks says `not configured`."""
    env = environment
    max_age = env.health.backup_max_age
    snapshot = partial(look_at_snapshots, env.aws, env.homes, max_age=max_age)
    mirror = partial(look_at_mirror, env.objects, max_age=max_age)
    reports = partial(look_at_reports, env.objects, max_age=env.health.report_max_age)
    return (
        *quick_probes_of(env),
        session_probe(env),
        Probe("backup-snapshot", snapshot, _SOON, "backup-overdue"),
        Probe("backup-mirror", mirror, _SOON, "backup-overdue"),
        Probe("reports", reports, _SOON, "report-overdue"),
    )


def session_probe(environment: Environment, *, starting: bool = False) -> Probe:
    """The synthetic user's session; `starting`: on a Hub that may still be starting, which is waited for."""
    env = environment
    look = look_at_a_start if starting else look_with_synthetic_user
    more = START_DEADLINE if starting else timedelta(0)
    deadline = session_deadline(env.health) + more
    return Probe("synthetic-user", partial(look, env.hub, env.health, env.homes.shared), deadline, "session-failed")


def probes_about(environment: Environment, user: str) -> tuple[Probe, ...]:
    """What keeps this one person from working, where the platform is well."""
    env = environment
    server = partial(look_at_server, env.hub, user, spawn_deadline=env.health.spawn_deadline)
    return (
        Probe("user-account", partial(look_at_account, env.hub, user), _SOON, "user-account"),
        Probe("user-server", server, timedelta(seconds=40), "user-server"),
        Probe("user-home", partial(look_at_home, env.homes, user), _LOCAL, "homes-slow"),
        Probe("user-configuration", partial(look_at_configuration, env.homes, user), _LOCAL, "homes-slow"),
    )


def _no_cluster() -> Seen:
    return Seen("this environment names no Kubernetes cluster", "not configured")
