"""What a recovery drill does, in the one right order, and what its figures mean against the targets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple, get_args

from domain.health import Finding
from domain.plan import Action, Outcome, Plan
from domain.recovery import RecoveryPoint
from environments.settings import RecoverySettings

Step = Literal["check", "begin", "restore", "compare", "start", "decrypt", "log_in", "run", "tear_down"]
STEPS: tuple[Step, ...] = get_args(Step)

_WORDS: dict[Step, tuple[str, str, str]] = {
    "check": ("check", "recovery point", "its members are there, are what was stored, and fit each other and the key"),
    "begin": ("begin", "second Hub", "beside the first: own database, own ports, own folder"),
    "restore": ("restore", "homes", "from the mirror's point, each file by SHA-256"),
    "compare": ("compare", "homes", "against the manifest, before anybody works in them"),
    "start": ("start", "Hub", "on the restored database, every row of the dump in it"),
    "decrypt": ("decrypt", "auth_state", "by the Hub itself, which is silent about a wrong key"),
    "log_in": ("log in", "owner of a notebook", "with a token of theirs; their server starts in the restored home"),
    "run": ("run", "restored notebook", "as its owner; here the recovery time ends"),
    "tear_down": ("tear down", "second Hub", "whatever happened"),
}

NOT_SHOWN = (
    "A login through SSO: the token of the notebook's owner is made for them.",
    "Files of /shared: they are mirrored too, and a drill brings back homes.",
    "Another machine or another cluster: the drill's Hub is on the one of the first.",
    "The time that AWS takes to give back a snapshot: homes come from the mirror.",
)


class Ages(NamedTuple):
    """How much work would be lost now: since the newest point of the homes, and of the database."""

    homes: timedelta
    database: timedelta


def plan_drill(point: RecoveryPoint, homes: int | None, *, now: datetime) -> Plan[Step]:
    """Plan a drill from `point`.

    Args:
        homes: how many homes come back; all for None.
    """
    scope = "every home" if homes is None else f"{homes} homes"
    age = _minutes(now - point.created_at)
    return Plan(
        title=f"Rebuild the Hub from point {point.id}, {age} min old, with {scope}",
        actions=tuple(Action(verb, target, why, step) for step, (verb, target, why) in _WORDS.items()),
    )


def words_of(step: Step) -> tuple[str, str]:
    """Verb and target of a step, as plan and outcomes name it."""
    verb, target, _ = _WORDS[step]
    return verb, target


def hold_against_targets(rto: timedelta | None, ages: Ages, targets: RecoverySettings) -> list[Finding]:
    """A finding for each figure; `rto` is None when no notebook ran."""
    return [
        _finding("rto", "from nothing to a user's notebook", rto, targets.rto, "find the slowest step below"),
        _finding("rpo-homes", "newest point of the homes", ages.homes, targets.rpo_homes, "look at mirror-homes' runs"),
        _finding(
            "rpo-database", "newest dump of the database", ages.database, targets.rpo_database, "run riskhub backup run"
        ),
    ]


def verdict(outcomes: Sequence[Outcome], findings: Sequence[Finding]) -> str:
    """`failed` with the first cause, or `passed` with the figures, those that missed their target named first."""
    broken = next((outcome for outcome in outcomes if outcome.state == "failed"), None)
    if broken:
        return f"failed: {broken.verb} {broken.target}: {broken.detail}"
    late = ", ".join(finding.probe for finding in findings if finding.state != "ok")
    figures = "; ".join(finding.seen for finding in findings)
    return f"passed, but missed its target: {late}; {figures}" if late else f"passed; {figures}"


def _finding(probe: str, what: str, seen: timedelta | None, target: timedelta, next_step: str) -> Finding:
    if seen is None:
        return Finding(probe, "failed", f"{what}: never, the drill ended before", "mend what ended it, drill again")
    told = f"{what}: {seen.total_seconds():.1f} s, target {target.total_seconds():.0f} s"
    return Finding(probe, "ok", told) if seen <= target else Finding(probe, "degraded", told, next_step)


def _minutes(age: timedelta) -> int:
    return int(age.total_seconds() // 60)
