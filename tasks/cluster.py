"""The cluster as tasks: read again when it does not answer, never applied twice by itself.

Every one of them connects anew, and with that asks the cluster for its identity: none acts on another one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from prefect import task
from prefect.cache_policies import NO_CACHE

from domain.cluster import ClusterSnapshot, Pod
from domain.deployment import Change, LastDeployment, Manifest, ObjectKey, Observed
from domain.health import Finding
from domain.plan import Outcome, Plan
from environments import Environment
from environments.loader import PROJECT
from systems.cluster import deployments, rendering, resources, rollouts
from systems.cluster.condition import read_keys
from systems.cluster.connection import cluster_of, connect
from systems.probes import cluster as probes
from tasks.retries import while_unreachable

OVERLAYS = PROJECT / "k8s" / "overlays"

require_cluster = cluster_of


@task(name="render-overlay", cache_policy=NO_CACHE)
def render_overlay(env: Environment) -> tuple[Manifest, ...]:
    """The manifests of the environment's overlay, by kubectl kustomize."""
    return rendering.render(OVERLAYS / (cluster_of(env).overlay or env.name))


@task(name="read-secret-keys", cache_policy=NO_CACHE, **while_unreachable(1, 3, 9))
def read_secret_keys(env: Environment) -> dict[tuple[str, str, str], frozenset[str]]:
    """Which Secrets and ConfigMaps there are, and their keys; no value."""
    settings = cluster_of(env)
    cluster = connect(settings)
    spaces = (settings.namespace, settings.operations_namespace)
    return {key: names for space in spaces for key, names in read_keys(cluster, space).items()}


@task(name="read-last-deployment", cache_policy=NO_CACHE, **while_unreachable(1, 3, 9))
def read_last_deployment(env: Environment) -> LastDeployment:
    """What earlier deployments left in the cluster."""
    return deployments.read_last_deployment(connect(cluster_of(env)))


@task(name="dry-run-on-server", cache_policy=NO_CACHE, **while_unreachable(1, 3, 9))
def dry_run(env: Environment, manifests: tuple[Manifest, ...], applied: Collection[ObjectKey]) -> Observed:
    """The manifests against the cluster, by its own dry run."""
    return resources.observe(connect(cluster_of(env)), manifests, applied)


@task(name="apply-changes", cache_policy=NO_CACHE)
def apply_changes(env: Environment, plan: Plan[Change], noted: LastDeployment) -> list[Outcome]:
    """Make the plan's changes in their order, and stop at the first that fails."""
    return deployments.carry_out(connect(cluster_of(env)), plan.actions, noted) if plan.actions else []


@task(name="await-rollouts", cache_policy=NO_CACHE, **while_unreachable(1, 3, 9))
def await_rollouts(env: Environment, keys: tuple[ObjectKey, ...]) -> tuple[ObjectKey, ...]:
    """Wait for the workloads; those that are not ready in time, or have no hope to be."""
    settings = cluster_of(env)
    return rollouts.await_rollouts(connect(settings), keys, deadline=settings.rollout_deadline)


@task(name="keep-deployment", cache_policy=NO_CACHE, **while_unreachable(1, 3, 9))
def keep_deployment(env: Environment, last: LastDeployment) -> None:
    """Keep what a later deployment rolls back to, and what it may remove."""
    deployments.keep_last_deployment(connect(cluster_of(env)), last)


@task(name="look-at-cluster", cache_policy=NO_CACHE)
def look_at_cluster(env: Environment, seen: tuple[Pod, ...] = ()) -> tuple[tuple[Finding, ...], ClusterSnapshot | None]:
    """One look at the whole cluster, within its own deadline; not retried, since a retry would hide what is.

    Nothing where the environment has none; a finding alone where it does not answer, or is not the right one.
    """
    return probes.look_at_cluster(env, seen=seen)


@contextmanager
def watched_servers(env: Environment) -> Iterator[Callable[[], tuple[Pod, ...]]]:
    """While the block runs, the pods of the synthetic user are watched, since the Hub removes those that failed."""
    with probes.watched_servers(env) as seen:
        yield seen
