"""What could be restored now, and whether it is known to work: the standing answer to on-call and auditors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from domain.clock import in_words
from domain.health import Finding, FindingState, KindIfAny
from domain.record import Record
from domain.recovery import Standing
from environments.settings import RecoverySettings

_DRILL = "riskhub recovery drill --execute"


def judge_recovery(standing: Standing, targets: RecoverySettings, *, now: datetime) -> list[Finding]:
    """A finding for each of: newest recovery point, homes, shared folders (if any), last drill, its recovery time.

    What is missing or overdue is degraded: users work on, but what they do is not known to come back. Failed is
    what was tried and did not work: a drill.
    """
    point = standing.point.created_at if standing.point else None
    return [
        _age("recovery-point", point, targets.rpo_database, "riskhub backup run --execute", now),
        *(
            Finding("damaged-point", "degraded", f"{it.thing}: {it.cause}", it.next_step, kind="point-damaged")
            for it in standing.damaged
        ),
        _age("homes", standing.homes, targets.rpo_homes, "riskhub backup homes --execute", now),
        *_shared(standing, targets, now),
        _drill(standing.drill, targets, now),
        _recovery_time(standing.drill, targets),
    ]


def in_one(findings: Sequence[Finding]) -> Finding:
    """All of them as one called `recovery`, as bad as the worst: what is not ok and each next step, else everything."""
    bad = [finding for finding in findings if finding.state != "ok"]
    state: FindingState = "failed" if any(finding.state == "failed" for finding in bad) else "degraded" if bad else "ok"
    seen = "; ".join(f"{finding.probe}: {finding.seen}" for finding in bad or findings)
    step = "; ".join(dict.fromkeys(finding.next_step for finding in bad))
    kind: KindIfAny = next((each.kind for each in bad if each.state == state), "")
    return Finding("recovery", state, seen, step, kind=kind)


def _age(probe: str, made: datetime | None, at_most: timedelta, command: str, now: datetime) -> Finding:
    if made is None:
        return Finding(probe, "degraded", "there is none: nothing could be restored", command, kind="backup-overdue")
    seen = f"{made:%Y-%m-%d %H:%M:%S} UTC, {in_words(now - made)} old, at most {in_words(at_most)} wanted"
    if now - made <= at_most:
        return Finding(probe, "ok", seen)
    return Finding(probe, "degraded", seen, command, kind="backup-overdue")


def _shared(standing: Standing, targets: RecoverySettings, now: datetime) -> Iterator[Finding]:
    command = "riskhub backup shared --execute"
    missing = [name for name, made in standing.shared.items() if made is None]
    if missing:
        seen = f"there is none of {', '.join(missing)}: it could not be restored"
        yield Finding("shared", "degraded", seen, command, kind="backup-overdue")
    elif standing.shared:
        yield _age("shared", standing.shared_until, targets.rpo_shared, command, now)


def _drill(drill: Record | None, targets: RecoverySettings, now: datetime) -> Finding:
    if drill is None:
        seen = "there was never one: nobody knows that the backups work"
        return Finding("drill", "degraded", seen, _DRILL, kind="drill-overdue")
    age = now - drill.finished_at
    seen = f"{in_words(age)} ago: {drill.summary}"
    if drill.state == "failed":
        return Finding("drill", "failed", seen, "mend what it names, then " + _DRILL, kind="drill-failed")
    if age > targets.drill_every:
        seen = f"overdue, every {in_words(targets.drill_every)} wanted; {seen}"
        return Finding("drill", "degraded", seen, _DRILL, kind="drill-overdue")
    return Finding("drill", "ok", seen)


def _recovery_time(drill: Record | None, targets: RecoverySettings) -> Finding:
    measured = drill.measures.get("rto_seconds") if drill else None
    if not isinstance(measured, (int, float)):
        seen = "not measured by the last drill" if drill else "never measured"
        return Finding("rto", "degraded", seen, _DRILL, kind="drill-overdue")
    seen = f"{measured:.1f} s in the last drill, at most {targets.rto.total_seconds():.0f} s wanted"
    if measured <= targets.rto.total_seconds():
        return Finding("rto", "ok", seen)
    return Finding("rto", "degraded", seen, "look at the drill's slowest step", kind="drill-failed")
