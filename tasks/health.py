"""Probes as tasks: each shows in the UI by its own name, none is retried, since a retry would hide what is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from prefect import task
from prefect.cache_policies import NO_CACHE

from domain.clock import utc_now
from domain.health import Finding
from environments import Environment
from plans.recovery import in_one, judge_recovery
from systems import probes
from systems.probes import Probe, Seen
from systems.recovery_standing import read_standing

_RECOVERY_DEADLINE = timedelta(seconds=20)


def probes_of(env: Environment) -> tuple[Probe, ...]:
    """Every probe of the platform's parts, and of what would bring them back."""
    return (
        *probes.probes_of(env),
        Probe("recovery", partial(look_at_recovery, env), _RECOVERY_DEADLINE, "backup-overdue"),
    )


def probes_about(env: Environment, user: str | None) -> tuple[Probe, ...]:
    """The probes about one person; none where nobody is named."""
    return probes.probes_about(env, user) if user else ()


def quick_probes_of(env: Environment) -> tuple[Probe, ...]:
    """The probes that take a moment."""
    return probes.quick_probes_of(env)


def look_with(probes_to_carry_out: Sequence[Probe]) -> list[Finding]:
    """All of them side by side; what each found, in their order."""
    return [look.result() for look in [carry_out.submit(probe) for probe in probes_to_carry_out]]


def look_at_recovery(env: Environment) -> Seen:
    """What `riskhub recovery status` tells: age of the points, and whether a drill showed that they work."""
    if env.recovery is None:
        return Seen(f"environment {env.name} has no [recovery] section", "not configured")
    told = in_one(judge_recovery(read_standing(env), env.recovery, now=utc_now()))
    return Seen(told.seen, told.state, told.next_step, told.kind)


@task(name="probe", task_run_name="probe-{probe.name}", cache_policy=NO_CACHE)
def carry_out(probe: Probe) -> Finding:
    """One probe, within its own deadline."""
    return probes.carry_out(probe)


@task(name="prove-with-a-server", cache_policy=NO_CACHE)
def prove_with_a_server(env: Environment) -> Finding:
    """A user's whole session on a Hub that has just started, and may need a moment to answer."""
    return probes.carry_out(probes.session_probe(env, starting=True))
