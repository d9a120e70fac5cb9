"""Probes as tasks: each shows in the UI by its own name, none is retried, since a retry would hide what is."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from domain.health import Finding
from environments import Environment
from systems import probes
from systems.probes import Probe, probes_of

__all__ = ["carry_out", "probes_of"]


@task(name="probe", task_run_name="probe-{probe.name}", cache_policy=NO_CACHE)
def carry_out(probe: Probe) -> Finding:
    """One probe, within its own deadline."""
    return probes.carry_out(probe)


@task(name="prove-with-a-server", cache_policy=NO_CACHE)
def prove_with_a_server(env: Environment) -> Finding:
    """A user's whole session on a Hub that has just started, and may need a moment to answer."""
    return probes.carry_out(probes.session_probe(env, starting=True))
