"""Which recovery points go, and which crypt keys those that stay still need. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from domain.errors import Damaged, Refused
from domain.health import Finding
from domain.plan import Action, Outcome, Plan, most_at_once
from domain.recovery import RecoveryPoint
from environments.settings import RetentionPolicy


@dataclass(frozen=True)
class NeededKeys:
    """The crypt keys without which some points' dumps are of no use.

    Attributes:
        points: the ids of the points that need a key, by its fingerprint.
        unknown: points of which nobody can say what they need: damaged ones, and those without the record of a
            key. While there is one, no key is known to be free.
    """

    points: Mapping[str, tuple[str, ...]]
    unknown: tuple[str, ...]


def plan_retention(
    points: Iterable[RecoveryPoint | Damaged], locks: Mapping[str, datetime], policy: RetentionPolicy, *, now: datetime
) -> Plan[RecoveryPoint]:
    """Choose the points to remove, oldest first.

    The newest point stays, and the newest of each of the last days, weeks (ISO) and months that have one, in UTC, as
    `policy` counts them: days without a point do not count, so that nothing goes merely because backups stopped.
    A point that is still locked is left alone, and so is a damaged one: it may be whole in an earlier version.

    Args:
        locks: until when a point's manifest can be neither deleted nor replaced, by the point's id.

    Raises:
        Refused: more than `policy.max_share` of the points would go, and more than `policy.at_least`.
    """
    found = list(points)
    whole = sorted((each for each in found if isinstance(each, RecoveryPoint)), key=lambda point: point.id)
    kept = _kept(whole[::-1], policy)
    removals: list[Action[RecoveryPoint]] = []
    left: list[Action[RecoveryPoint]] = []
    for point in whole:
        until = locks.get(point.id)
        if point.id in kept:
            left.append(Action("keep", point.id, kept[point.id], point))
        elif until is not None and until > now:
            left.append(Action("keep", point.id, f"no rule keeps it, but it is locked until {until:%Y-%m-%d}", point))
        else:
            removals.append(Action("remove", point.id, "no rule keeps it: newer ones stand for its day", point))
    allowed = most_at_once(len(whole), max_share=policy.max_share, at_least=policy.at_least)
    if len(removals) > allowed:
        raise Refused(
            "recovery retention",
            f"{len(removals)} of {len(whole)} points would be removed, more than the {allowed} allowed in one run",
            "look at the policy; if it is right, run with a larger --max-share",
        )
    return Plan("Remove recovery points that no rule keeps", tuple(removals), tuple(left))


def staying(
    points: Iterable[RecoveryPoint | Damaged], plan: Plan[RecoveryPoint], outcomes: Sequence[Outcome], *, executed: bool
) -> list[RecoveryPoint | Damaged]:
    """The points that are there after the run: all but those whose removal was done, or, in a dry run, is planned."""
    done = {outcome.target for outcome in outcomes if outcome.state == "done"}
    gone = done if executed else {action.target for action in plan.actions}
    return [each for each in points if isinstance(each, Damaged) or each.id not in gone]


def damaged_points(points: Iterable[RecoveryPoint | Damaged]) -> list[Finding]:
    """A finding for each point that cannot be read, and is therefore left alone."""
    damaged = (each for each in points if isinstance(each, Damaged))
    return [
        Finding("damaged-point", "degraded", f"{each.thing}: {each.cause}; it is left alone", each.next_step)
        for each in damaged
    ]


def needed_keys(points: Iterable[RecoveryPoint | Damaged]) -> NeededKeys:
    """What whoever gives up a crypt key has to ask first."""
    needed: dict[str, list[str]] = {}
    unknown: list[str] = []
    for point in points:
        if isinstance(point, Damaged):
            unknown.append(point.thing)
            continue
        keys = _keys_of(point)
        if not keys:
            unknown.append(f"recovery point {point.id}")
        for key in keys:
            needed.setdefault(key, []).append(point.id)
    return NeededKeys({key: tuple(sorted(ids)) for key, ids in sorted(needed.items())}, tuple(unknown))


def told(needed: NeededKeys) -> list[Finding]:
    """A finding for each key, and one for what nobody knows."""
    findings = [Finding("crypt-key", "ok", f"{key} is needed by {_span(ids)}") for key, ids in needed.points.items()]
    if needed.unknown:
        seen = f"nobody can say which key is needed by {', '.join(needed.unknown)}"
        findings.append(Finding("crypt-key", "degraded", seen, "give up no crypt key while they are there"))
    return findings


def _kept(newest_first: Sequence[RecoveryPoint], policy: RetentionPolicy) -> dict[str, str]:
    """The ids of the points that stay, each with the rule that keeps it."""
    kept = {newest_first[0].id: "the newest"} if newest_first else {}
    rules = (("day", "%Y-%m-%d", policy.daily), ("week", "%G-W%V", policy.weekly), ("month", "%Y-%m", policy.monthly))
    for word, form, count in rules:
        newest: dict[str, str] = {}
        for point in newest_first:
            newest.setdefault(f"{point.created_at:{form}}", point.id)
        for name, point_id in islice(newest.items(), count):
            kept.setdefault(point_id, f"the newest of {word} {name}")
    return kept


def _span(ids: Sequence[str]) -> str:
    return f"{len(ids)} points, {ids[0]} to {ids[-1]}" if len(ids) > 1 else f"point {ids[0]}"


def _keys_of(point: RecoveryPoint) -> list[str]:
    """The key that its Hub encrypted with, and those before it that rows were still kept under."""
    facts = next((member.facts for member in point.members if member.kind == "database"), {})
    told = (facts.get("crypt_key"), *str(facts.get("crypt_keys_before", "")).split(";"))
    return [key for key in told if isinstance(key, str) and key]
