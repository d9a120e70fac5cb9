"""Troubleshooting: one symptom, or one person who cannot work, looked at until there is a written answer.

The probes are those of the health checks, and those about the person; `plans.diagnosis` tells cause from consequence.
"""

from __future__ import annotations

from collections.abc import Collection

from domain.clock import utc_now
from domain.record import Record
from environments import EnvironmentName, load_environment
from flows.chapter import chapter
from flows.health import found, look
from plans.diagnosis import answer
from tasks.health import probes_about, probes_of


@chapter(name="diagnose-authentication")
def diagnose_authentication(environment: EnvironmentName = "local", user: str | None = None) -> Record:
    """Why somebody cannot log in, or a token is refused.

    Run it when: a login ends on an error page, or a program says that its token was rejected.
    It looks at SSO and its clock, at the Hub, its database and our token, logs the synthetic user in the way people do,
    and, with a user named, at whether the Hub knows them and in which groups. It changes nothing that lasts.
    If it finds nothing: the trouble is in that person's browser or account; have them try a private window.
    """
    wanted = {"certificates", "database", "hub-api", "sso", "synthetic-user", "user-account"}
    return _diagnose("diagnose-authentication", environment, user, wanted)


@chapter(name="diagnose-resources")
def diagnose_resources(environment: EnvironmentName = "local", user: str | None = None) -> Record:
    """Why a server does not start, or was ended.

    Run it when: a spawn fails or hangs, or somebody's kernel dies.
    It starts a server of each profile itself, looks at the Hub, at the cluster's nodes, quotas, images and pods, and,
    with a user named, at what their own server waits for and at what in their home keeps one from starting.
    If it finds nothing: read that server's own log; on the node it may be gone with the pod.
    """
    wanted = {"database", "hub-api", "homes", "synthetic-user", "user-server", "user-home", "user-configuration"}
    return _diagnose("diagnose-resources", environment, user, wanted, cluster=True)


@chapter(name="diagnose-storage")
def diagnose_storage(environment: EnvironmentName = "local", user: str | None = None) -> Record:
    """Why somebody cannot save, or misses files.

    Run it when: a notebook cannot be saved or opened, or a home looks empty or old.
    It looks at the homes' file system, the bucket, how old the copies are, and, with a user named, at their home.
    If it finds nothing and files are missing: riskhub restore home --user shows what can come back, and from when.
    """
    wanted = {"homes", "object-store", "backup-mirror", "backup-snapshot", "user-home"}
    return _diagnose("diagnose-storage", environment, user, wanted, cluster=True)


@chapter(name="diagnose-network")
def diagnose_network(environment: EnvironmentName = "local", user: str | None = None) -> Record:
    """Why a page does not load, or something does not answer.

    Run it when: a server is said to run and its page does not come, or notebooks reach no data.
    It looks at names and certificates, the proxy and its routes, the Hub behind it, SSO, the Risk API, the bucket, and,
    with a user named, at whether their own server answers on its public address.
    If it finds nothing: the trouble lies between that person and the public address; ask from where they come.
    """
    wanted = {"certificates", "hub-api", "proxy-routes", "sso", "risk-api", "object-store", "user-server"}
    return _diagnose("diagnose-network", environment, user, wanted, cluster=True)


def _diagnose(
    flow: str, environment: EnvironmentName, user: str | None, wanted: Collection[str], *, cluster: bool = False
) -> Record:
    env, started = load_environment(environment), utc_now()
    probes = [probe for probe in (*probes_of(env), *probes_about(env, user)) if probe.name in wanted]
    findings = look(env, probes, cluster=cluster)
    return found(flow, env, started, findings, answer(findings, about=user or ""))
