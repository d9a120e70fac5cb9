"""People: their departure, and homes that nobody uses any more."""

from __future__ import annotations

from datetime import timedelta

from domain.clock import utc_now
from domain.health import Finding
from domain.plan import Outcome
from domain.record import Record
from environments import EnvironmentName, load_environment
from environments.people import PeopleSettings
from flows.chapter import chapter
from plans.people import leave_summary, left_open, plan_leave, plan_stale_homes, stale_summary, stale_table
from tasks.confirmation import require_confirmed
from tasks.hub import require_scope
from tasks.mirror import push_homes
from tasks.people import (
    archive_and_move,
    archive_stale_home,
    confirm_gone,
    end_servers,
    no_people,
    observe_homes,
    observe_person,
    remove_user,
    revoke_tokens,
    with_people_token,
)
from tasks.records import publish_plan, record
from tasks.utilisation import publish_tables

RIGHTS = ("tokens", "delete:servers", "delete:users")
_OF_BYTES = timedelta(hours=6)  # every byte of a home is read back


@chapter(name="leaver", timeout=_OF_BYTES)
def leaver(user: str, environment: EnvironmentName = "local", confirm: str = "", execute: bool = False) -> Record:
    """See one person out: access ends at once, their home is archived under a legal hold, then moved away.

    Run it when: somebody leaves the company or the platform. Block their login in the SSO first, or take them out of
    the platform's groups there: the Hub lets in whom the SSO lets in, and would make them anew.
    It revokes every token and proves that the Hub refuses them, stops every server and looks at what really runs,
    removes the user from the Hub (which ends groups, auth_state and the browser's session), then makes a point of the
    mirror and holds the home as it is in it. It deletes no file, and moves the home only after every object was read
    back. It is refused for the Hub's last administrator, for users that are no people, and without the token of
    departures, which on-call's terminal alone has.
    If it fails: the outcomes name the step; correct what it says and run it again, it goes on where it was.

    Args:
        user: who leaves, by the name the Hub lists.
        confirm: the environment and its cluster, typed, e.g. prod/riskhub-prod; without a cluster its name alone.
    """
    env, started = with_people_token(load_environment(environment)), utc_now()
    seen = observe_person(env, user)
    plan = plan_leave(seen, never=no_people(env))
    publish_plan(plan, environment=env)
    outcomes: list[Outcome] = []
    findings: list[Finding] = []
    links: dict[str, str] = {}
    if execute and plan.actions:
        require_confirmed(env, confirm)
        if seen.known:
            for right in RIGHTS:
                require_scope(env.hub, right)
            outcomes, revoked = revoke_tokens(env, user)
            stopped, looked = end_servers(env, user)
            findings = [revoked, looked]
            outcomes += stopped
            if not left_open(stopped):
                outcomes.append(remove_user(env, user))
        if seen.home_is_there and not left_open(outcomes):
            archived, links = archive_and_move(env, user, seen.home)
            outcomes += archived
        if not left_open(outcomes):
            findings.append(confirm_gone(env, user))
    return record(
        flow="leaver",
        environment=env,
        started_at=started,
        plan=plan,
        executed=execute,
        outcomes=outcomes,
        findings=findings,
        links=links,
        measures={"tokens": len(seen.tokens), "servers": len(seen.known.servers) if seen.known else 0},
        summary=leave_summary(user, plan, outcomes, findings, executed=execute),
    )


@chapter(name="archive-stale-homes", timeout=_OF_BYTES)
def archive_stale_homes(
    environment: EnvironmentName = "local",
    policy: PeopleSettings | None = None,
    confirm: str = "",
    execute: bool = False,
) -> Record:
    """Find homes that nobody uses, and archive them as a leaver's is archived.

    Run it when: every week by schedule, which only lists them; with execute when the list was looked at.
    A home is stale when its owner is unknown to the Hub or was not active for long, and nothing in it changed for as
    long. It archives a few at a time, looks at each again right before, and refuses a list that is suspiciously long.
    If it fails: the outcomes name each home that stays and why; run it again.

    Args:
        confirm: the environment and its cluster, typed, e.g. prod/riskhub-prod; without a cluster its name alone. A run
            that was started in Prefect without it waits for somebody to approve it.
    """
    env, started = load_environment(environment), utc_now()
    policy = policy or env.people
    plan = plan_stale_homes(observe_homes(env), policy, never=no_people(env, policy), now=started)
    publish_plan(plan, environment=env)
    title = f"Homes that nobody uses in {env.name}"
    publish_tables("archive-stale-homes-list", title, [stale_table(plan, now=started)])
    outcomes: list[Outcome] = []
    links: dict[str, str] = {}
    approval: dict[str, str] = {}
    if execute and plan.actions:
        approval = require_confirmed(env, confirm)
        point = push_homes(env).point
        for action in plan.actions:
            archived, where = archive_stale_home(env, action.on, policy, point)
            outcomes += archived
            links |= where
    return record(
        flow="archive-stale-homes",
        environment=env,
        started_at=started,
        plan=plan,
        executed=execute,
        outcomes=outcomes,
        links=links,
        measures={"homes": len(plan.actions) + len(plan.left_alone), "stale": len(plan.actions), **approval},
        summary=stale_summary(plan, outcomes, executed=execute),
    )
