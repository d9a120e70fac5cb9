"""Mirrored folders brought back whole, all homes or what users share: compare, bring back, compare again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from prefect import task
from prefect.cache_policies import NO_CACHE

from domain.errors import Refused, RiskhubError, Unreachable
from domain.plan import Action, Outcome, Plan
from environments import Environment
from plans.environment import plan_parts_restore
from systems import hub
from systems.homes import require_home_mount
from systems.mirror import RestorePlan, RestoreResult, apply_restore, last_point, plan_restore
from systems.mirrored import Mirrored, homes_of, require_shared
from tasks.progress import in_the_ui
from tasks.retries import while_unreachable

_TOLD = 100  # of what was not brought back


class Compared(NamedTuple):
    """A folder (or `path` in it) held against a point of its mirror."""

    folder: Mirrored
    path: str | None
    found: RestorePlan


class Restored(NamedTuple):
    """What became of it: outcomes, where what was replaced is, and how many files and bytes came back."""

    outcomes: list[Outcome]
    links: dict[str, str]
    figures: dict[str, int]


@task(name="compare-homes", cache_policy=NO_CACHE, **while_unreachable(2, 2))
def compare_homes(env: Environment, at: datetime | None) -> tuple[Compared, Plan[str]]:
    """Every home held against the mirror's point, by SHA-256; and the same, home by home."""
    require_home_mount(env.homes)
    homes = homes_of(env)
    found = plan_restore(homes.location, homes.folder, at=at, progress=in_the_ui("restore-homes"))
    compared = Compared(homes, None, found)
    return compared, plan_parts_restore(_differing(compared), title=found.title)


@task(name="compare-shared", cache_policy=NO_CACHE, **while_unreachable(2, 2))
def compare_shared(env: Environment, at: datetime | None, path: str | None) -> tuple[list[Compared], Plan[str]]:
    """Each shared folder (or the one that `path` lies in) held against its point; one without such a point is left.

    Raises:
        Refused: there are no shared folders, `path` lies in none of them, or none has a point as old as that.
    """
    compared: list[Compared] = []
    without: list[str] = []
    for folder, below in _chosen(require_shared(env), path):
        point = last_point(folder.location, at)
        if point is None:
            without.append(folder.name)
            continue
        found = plan_restore(
            folder.location,
            folder.folder,
            point=point.id,
            path=below,
            progress=in_the_ui(f"restore-{folder.key}"),
        )
        compared.append(Compared(folder, below, found))
    if not compared:
        cause = "there is no point of them" + (f" until {at:%Y-%m-%d %H:%M:%S} UTC" if at else "")
        step = "give a later time" if at else "riskhub backup shared --execute makes one, of what is there now"
        raise Refused(", ".join(without), cause, step)
    return compared, plan_parts_restore(
        (each for one in compared for each in _differing(one)),
        title="; ".join(one.found.title for one in compared),
        left_alone=[Action("leave", name, "there is no point of it as old as that", name) for name in without],
    )


@task(name="require-no-server", cache_policy=NO_CACHE)
def require_no_server(env: Environment) -> None:
    """Refuse while anybody works in a home; a Hub that does not answer has nobody new in them."""
    try:
        running = hub.list_servers(env.hub)
    except Unreachable:
        return
    if running:
        cause = f"{len(running)} servers run ({running[0].label} first), and would write over what is restored"
        raise Refused("homes", cause, "stop them (Hub's admin page), then run again")


@task(name="apply-homes-restore", cache_policy=NO_CACHE)
def apply_homes_restore(compared: Compared, plan: Plan[str]) -> Restored:
    """Bring back what differs, then compare again: a home is `done` when nothing of it differs any more."""
    result, left = _brought_back(compared)
    links = {"what was replaced": str(result.kept)} if result.kept else {}
    return Restored(_outcomes(plan, left), links, {"files": result.files, "bytes": result.bytes})


@task(name="apply-shared-restore", cache_policy=NO_CACHE)
def apply_shared_restore(compared: Sequence[Compared], plan: Plan[str]) -> Restored:
    """The same with each shared folder; one that cannot be restored does not stop the others."""
    left: dict[str, str] = {}
    links: dict[str, str] = {}
    files = size = 0
    for each in compared:
        try:
            result, still = _brought_back(each)
        except RiskhubError as error:
            left |= {part: str(error) for part, _ in _differing(each)}
            continue
        left |= still
        files, size = files + result.files, size + result.bytes
        if result.kept:
            links[f"what was replaced of {each.folder.name}"] = str(result.kept)
    return Restored(_outcomes(plan, left), links, {"files": files, "bytes": size})


def _chosen(folders: Sequence[Mirrored], path: str | None) -> list[tuple[Mirrored, str | None]]:
    """The folders to restore, each with the path in it; a `path` begins with a folder's name."""
    if path is None:
        return [(folder, None) for folder in folders]
    name, _, below = path.partition("/")
    found = [(folder, below or None) for folder in folders if folder.folder.name == name]
    if not found:
        names = ", ".join(folder.folder.name for folder in folders)
        raise Refused(f"path {path!r}", f"it is in none of the shared folders {names}", "write it as data/prices.csv")
    return found


def _brought_back(compared: Compared) -> tuple[RestoreResult, dict[str, str]]:
    """Restore, and compare again; what still differs of each part, in words."""
    folder, path, found = compared
    result = apply_restore(found, progress=in_the_ui(f"restore-{folder.key}"))
    again = plan_restore(folder.location, folder.folder, point=found.point.id, path=path)
    why = {miss.path: miss.reason for miss in result.skipped}
    left: dict[str, list[str]] = {}
    for action in again.actions:
        kept = left.setdefault(folder.part_of(action.target), [])
        if len(kept) < _TOLD:
            kept.append(f"{action.target}: {why.get(action.target, action.reason)}")
    return result, {part: "; ".join(kept) for part, kept in left.items()}


def _outcomes(plan: Plan[str], left: dict[str, str]) -> list[Outcome]:
    return [
        Outcome("restore", each.on, "failed" if each.on in left else "done", left.get(each.on, ""))
        for each in plan.actions
    ]


def _differing(compared: Compared) -> Iterator[tuple[str, str]]:
    return ((compared.folder.part_of(action.target), action.verb) for action in compared.found.actions)
