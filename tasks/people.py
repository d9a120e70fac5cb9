"""A departure's steps as tasks, and the homes that nobody uses.

A step that fails is an outcome, so that the evidence tells what was done before it.
"""

from __future__ import annotations

import shlex
import time
from functools import partial

from prefect import task
from prefect.cache_policies import NO_CACHE

from domain.clock import utc_now
from domain.errors import RiskhubError
from domain.health import Finding
from domain.people import Home, Standing
from domain.plan import Outcome
from domain.text import size
from environments import Environment
from environments.people import PeopleSettings
from plans.people import why_not_stale
from systems import archives, hub, running
from systems.homes import home_name, require_home_mount, user_of
from systems.mirror import homes_at_rest
from systems.mirrored import homes_of
from tasks.attempt import attempt
from tasks.mirror import push_all
from tasks.progress import in_the_ui
from tasks.retries import while_unreachable

Done = tuple[list[Outcome], dict[str, str]]


def no_people(env: Environment, policy: PeopleSettings | None = None) -> frozenset[str]:
    """Users of the Hub who never leave and whose homes never rest."""
    return frozenset({env.health.synthetic_user, *(policy or env.people).service_users})


def with_people_token(env: Environment) -> Environment:
    """The environment whose Hub is asked as departures ask it.

    Raises:
        Refused: their token is not set here.
    """
    return env.model_copy(update={"hub": hub.with_people_token(env.hub)})


@task(name="observe-person", timeout_seconds=300, cache_policy=NO_CACHE, **while_unreachable(1, 2, 4))
def observe_person(env: Environment, user: str) -> Standing:
    """What is there of one person: in the Hub, among the homes, in the archive."""
    home = home_name(user)
    return Standing(
        user=user,
        known=hub.read_user(env.hub, user),
        tokens=hub.list_tokens(env.hub, user),
        admins=frozenset(each.name for each in hub.list_users(env.hub) if each.admin),
        home=home,
        home_is_there=archives.home_is_there(env.homes, home),
        archive=archives.last_archive(env, home),
    )


@task(name="revoke-tokens", timeout_seconds=600, cache_policy=NO_CACHE)
def revoke_tokens(env: Environment, user: str) -> tuple[list[Outcome], Finding]:
    """Every token of the user, and the Hub's own word that it refuses them."""
    began = time.monotonic()
    try:
        revoked = hub.revoke_tokens(env.hub, user)
    except RiskhubError as error:
        failed = Outcome("revoke", f"tokens of {user}", "failed", str(error), time.monotonic() - began)
        return [failed], Finding("revoked-tokens", "failed", f"{error.thing}: {error.cause}", error.next_step)
    proof = f"the Hub lists no token of {user}, and refuses one that it took before ({len(revoked)} revoked)"
    return [Outcome("revoke", f"token {each.id}", "done") for each in revoked], Finding("revoked-tokens", "ok", proof)


@task(name="end-servers", timeout_seconds=1800, cache_policy=NO_CACHE)
def end_servers(env: Environment, user: str) -> tuple[list[Outcome], Finding]:
    """Every server of the user as it is now, whatever it does, held against the pods or processes."""
    since = hub.read_clock(env.hub)
    known = hub.read_user(env.hub, user)
    outcomes = [
        attempt("stop", server.label, partial(hub.end_server, env.hub, user, server.name))
        for server in (known.servers if known else ())
    ]
    return running.confirm_stops(env.hub, outcomes, since=since, cluster=env.cluster)


@task(name="remove-user", timeout_seconds=300, cache_policy=NO_CACHE)
def remove_user(env: Environment, user: str) -> Outcome:
    """The user from the Hub, with groups, roles, auth_state and the session of their browser."""
    return attempt("remove", f"user {user}", partial(hub.delete_user, env.hub, user))


@task(name="confirm-gone", timeout_seconds=60, cache_policy=NO_CACHE, **while_unreachable(1, 2, 4))
def confirm_gone(env: Environment, user: str) -> Finding:
    """Whether the Hub knows the user at the end: whom the SSO lets in it makes anew at their next login."""
    if hub.read_user(env.hub, user) is None:
        return Finding("login", "ok", f"the Hub does not know {user} at the end of the run")
    step = "block them in the SSO, or take them out of the platform's groups there, then run again"
    return Finding("login", "failed", "they have logged in again meanwhile: the SSO lets them in", step)


@task(name="archive-home", task_run_name="archive-{home}", cache_policy=NO_CACHE)
def archive_and_move(env: Environment, user: str, home: str, point: str | None = None) -> Done:
    """Archive a home in which nothing runs, and move it away once that is verified.

    Args:
        point: of the mirror; without one the newest archive, where it is what is on disk, else a new point.
    """
    links: dict[str, str] = {}

    def archive() -> str:
        running.require_gone(env.hub, user, env.cluster)
        chosen = point or archives.point_on_disk(env, home) or push_all(env, homes_of(env)).point
        archive, key = archives.archive_home(env, user, home, chosen, progress=in_the_ui("archive-home"))
        links[f"archive of {home}"] = f"s3://{env.objects.bucket}/{key}"
        back = f"riskhub restore home --user {shlex.quote(user)} --at {archive.point_at.isoformat()}"
        held = f"{archive.files} files, {size(archive.bytes)}, read back and under a legal hold"
        return f"point {archive.point}: {held}; back by {back}"

    def move() -> str:
        moved = str(archives.move_away(env.homes, home))
        links[f"home {home}"] = moved
        return f"to {moved}"

    archived = attempt("archive", f"home {home}", archive)
    if archived.state != "done":
        return [archived], links
    return [archived, attempt("move away", f"home {home}", move)], links


@task(name="observe-homes", timeout_seconds=1800, cache_policy=NO_CACHE, **while_unreachable(2, 2))
def observe_homes(env: Environment) -> list[Home]:
    """Every home that is there and in the newest point of the mirror, with its owner.

    Raises:
        Refused: the token does not see everybody: who is missing in its list would look as if they had left.
    """
    require_home_mount(env.homes)
    hub.require_whole_sight(env.hub)
    owners = {home_name(user.name): user for user in hub.list_users(env.hub)}
    there = {each.name for each in env.homes.user_data.iterdir() if each.is_dir() and not each.is_symlink()}
    return [
        Home(name, user_of(name), owners.get(name), found.bytes, found.changed_at)
        for name, found in homes_at_rest(homes_of(env).location).items()
        if name in there
    ]


@task(name="archive-stale-home", task_run_name="archive-stale-{home.name}", cache_policy=NO_CACHE)
def archive_stale_home(env: Environment, home: Home, policy: PeopleSettings, point: str) -> Done:
    """Archive one home unless its owner came back since the plan; what changed in it since, `point` tells."""
    target = f"home {home.name}"
    try:
        owner = hub.read_user(env.hub, home.user)
        found = homes_at_rest(homes_of(env).location, only=home.name).get(home.name)
    except RiskhubError as error:
        return [Outcome("archive", target, "failed", str(error))], {}
    if found is None:
        return [Outcome("archive", target, "skipped", "it is gone since the plan")], {}
    now = Home(home.name, home.user, owner, found.bytes, found.changed_at)
    if why := why_not_stale(now, policy, never=no_people(env, policy), now=utc_now()):
        return [Outcome("archive", target, "skipped", why)], {}
    return archive_and_move.fn(env, home.user, home.name, point)
