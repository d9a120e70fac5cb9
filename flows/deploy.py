"""Deployments: the Hub and the runbook's own engine onto their cluster, proven, or rolled back."""

from __future__ import annotations

from dataclasses import replace

from domain.clock import utc_now
from domain.cluster import Pod
from domain.deployment import Change, Ended, LastDeployment, Manifest, ObjectKey, key_of
from domain.errors import RiskhubError
from domain.health import Finding
from domain.plan import Outcome, Plan
from domain.record import Record
from environments import Environment, EnvironmentName, load_environment
from environments.settings import ClusterSettings
from flows.chapter import chapter
from plans.cluster import workload_causes
from plans.deployment import plan_deployment, prepare, require_secrets, workloads_in
from plans.diagnosis import diagnose
from tasks.cluster import (
    apply_changes,
    await_rollouts,
    dry_run,
    keep_deployment,
    look_at_cluster,
    read_last_deployment,
    read_secret_keys,
    render_overlay,
    require_cluster,
    watched_servers,
)
from tasks.health import prove_with_a_server
from tasks.records import publish_plan, record

Manifests = tuple[Manifest, ...]


@chapter(name="deploy-hub")
def deploy_hub(environment: EnvironmentName = "local", execute: bool = False) -> Record:
    """Bring the cluster to what the environment's overlay says, and prove it with a real server; else roll back.

    Run it when: a configuration, an image or a limit changed in Git; after a restore of the cluster.
    It never touches a cluster that is not the environment's, makes up no Secret (one that is missing, or a key of it,
    is refused), deploys no image that is not pinned, and removes nothing that holds data or that it did not apply.
    If it fails: the result names the cause, and the deployment before is back in place, where there was one.
    Correct the cause in Git and run it again. Refused: nothing was changed; the message says what to do.
    """
    env, started = load_environment(environment), utc_now()
    cluster = require_cluster(env)
    manifests = prepare(render_overlay(env))
    require_secrets(manifests, read_secret_keys(env))
    last = read_last_deployment(env)
    plan = _planned(env, cluster, manifests, last)
    publish_plan(plan, environment=env)
    ended = _deployed(env, cluster, plan, manifests, last) if execute else Ended()
    return record(
        flow="deploy-hub",
        environment=env,
        started_at=started,
        plan=plan,
        executed=execute,
        outcomes=ended.outcomes,
        findings=ended.findings,
        measures={"changes": len(plan.actions), "unchanged": len(plan.left_alone)},
        state="failed" if ended.cause else None,
        summary=_summary(plan, cluster, ended, executed=execute),
    )


def _planned(env: Environment, cluster: ClusterSettings, manifests: Manifests, last: LastDeployment) -> Plan[Change]:
    observed = dry_run(env, manifests, last.applied)
    title = f"Deploy overlay {cluster.overlay or env.name} to cluster {cluster.name}"
    return plan_deployment(observed, title=title, remove_at_most=cluster.remove_at_most)


def _deployed(
    env: Environment, cluster: ClusterSettings, plan: Plan[Change], manifests: Manifests, last: LastDeployment
) -> Ended:
    """Apply, wait, prove; what is not proven is rolled back."""
    ours = frozenset(map(key_of, manifests))
    outcomes = apply_changes(env, plan, replace(last, applied=last.applied | ours))
    failed = [outcome.detail for outcome in outcomes if outcome.state == "failed"]
    findings = () if failed else _proven(env, manifests)
    bad = failed or [finding.seen for finding in findings if finding.state == "failed"]
    if not bad:
        keep_deployment(env, LastDeployment(manifests, utc_now(), ours))
        return Ended(tuple(outcomes), findings)
    back, words = _rolled_back(env, last, ours) if plan.actions else ([], "nothing had been changed before")
    return Ended((*outcomes, *back), findings, f"{bad[0]}; {words}")


def _proven(env: Environment, manifests: Manifests) -> tuple[Finding, ...]:
    """Every pod ready, and a user's whole session on them; what is not, with its cause first."""
    try:
        waiting = await_rollouts(env, workloads_in(manifests))
        if waiting:
            return (_not_ready(env, waiting),)
        ready = Finding("rollout", "ok", f"{len(workloads_in(manifests))} workloads run what was deployed, all ready")
        with watched_servers(env) as seen:
            session = prove_with_a_server(env)
        return (ready, session) if session.state != "failed" else _no_session(env, session, seen())
    except RiskhubError as error:
        return (Finding("rollout", "failed", f"{error.thing}: {error.cause}", error.next_step),)


def _not_ready(env: Environment, waiting: tuple[ObjectKey, ...]) -> Finding:
    about, snapshot = look_at_cluster(env)
    if snapshot is None:
        return about[0]
    causes = workload_causes(snapshot, [(key.kind, key.namespace, key.name) for key in waiting])
    step = "correct it in Git, then riskhub deploy hub"
    return Finding("rollout", "failed", "; ".join(causes), step)


def _no_session(env: Environment, session: Finding, seen: tuple[Pod, ...]) -> tuple[Finding, ...]:
    """The failed session, before it what it fails by."""
    about, snapshot = look_at_cluster(env, seen)
    told = diagnose([session, *about], snapshot, synthetic_user=env.health.synthetic_user)
    failed = next(finding for finding in told if finding.probe == session.probe)
    return (*(finding for finding in told if finding.probe == failed.because_of), failed)


def _rolled_back(env: Environment, last: LastDeployment, ours: frozenset[ObjectKey]) -> tuple[list[Outcome], str]:
    """Back to the deployment before: its manifests again, without what the failed one added; and what came of it."""
    if not last.manifests:
        return [], "there is no earlier proven deployment to go back to: what was applied stays, to be looked at"
    applied = last.applied | ours
    try:
        plan = plan_deployment(dry_run(env, last.manifests, applied), title="Roll back", remove_at_most=len(ours))
        outcomes = apply_changes(env, plan, replace(last, applied=applied))
        waiting = await_rollouts(env, workloads_in(last.manifests))
        if all(outcome.state == "done" for outcome in outcomes) and not waiting:
            keep_deployment(env, replace(last, applied=frozenset(map(key_of, last.manifests))))
    except RiskhubError as error:
        return [Outcome("roll back", "deployment", "failed", str(error))], "the rollback failed as well"
    back = [replace(outcome, verb="roll back", detail=f"{outcome.verb}: {outcome.detail}") for outcome in outcomes]
    back += [Outcome("roll back", key.label, "failed", "it is not ready again") for key in waiting]
    if any(outcome.state != "done" for outcome in back):
        return back, "the rollback failed as well: see the outcomes"
    return back, f"rolled back to the deployment of {last.proven_at:%Y-%m-%d %H:%M} UTC"


def _summary(plan: Plan[Change], cluster: ClusterSettings, ended: Ended, *, executed: bool) -> str:
    count, where = len(plan.actions), f"cluster {cluster.name}"
    if not executed:
        return f"{count} objects of {where} would change" if count else f"{where} is as the overlay says"
    return ended.cause or f"{where} is as the overlay says ({count} objects changed), proven by a real server"
