"""Findings in, root causes out: one broken database is one cause, not seven. Pure.

What follows from what is in `plans.kinds`; what a cluster shows becomes findings in `plans.cluster`. A trouble that
follows from another one says so in `because_of` and stands after it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from domain.cluster import ClusterSnapshot
from domain.health import Cause, Finding, Kind
from plans.cluster import areas_of
from plans.health import in_order
from plans.kinds import follows_from, page_of

_BAD = ("failed", "degraded")


def diagnose(
    findings: Sequence[Finding], snapshot: ClusterSnapshot | None = None, *, synthetic_user: str = ""
) -> tuple[Finding, ...]:
    """The findings of the probes and of the cluster's areas: causes first, what follows from them after.

    `snapshot` is None where there is no cluster, or none that answers. `synthetic_user`: whose session the probe of
    that name tried; why its pod did not start is told by the cluster.
    """
    areas: tuple[Finding, ...] = ()
    breaks: Mapping[str, frozenset[Kind]] = {}
    if snapshot is not None:
        session = next((each for each in findings if each.probe == "synthetic-user" and each.state == "failed"), None)
        areas, breaks = areas_of(snapshot, synthetic_user, session)
    told = [*areas, *findings]
    bad = [each for each in in_order(told) if each.state in _BAD and not each.because_of]
    return in_order([_explained(each, bad, breaks) for each in told])


def causes(findings: Sequence[Finding]) -> tuple[Cause, ...]:
    """What is to be mended, in the order to do it: the bad findings that follow from no other, as `diagnose` told."""
    return tuple(
        Cause(
            kind=each.kind,
            probe=each.probe,
            state=each.state,
            seen=each.seen,
            next_step=each.next_step,
            page=page_of(each.kind) if each.kind else "",
            explains=tuple(other.probe for other in findings if other.because_of == each.probe),
        )
        for each in in_order(findings)
        if each.state in _BAD and not each.because_of
    )


def answer(findings: Sequence[Finding], *, about: str = "") -> str:
    """What on-call asked, answered in a line or two: the causes with what to do, or that nothing seen explains it.

    `about`: the person whose trouble it is, where it is one's own.
    """
    found = causes(findings)
    asked = f"for {about}: " if about else ""
    if not found:
        fine = sum(each.state == "ok" for each in findings)
        return f"{asked}nothing that was looked at explains it: {fine} looks, all well"
    first = found[0]
    more = f"; then {', '.join(each.kind or each.probe for each in found[1:])}" if len(found) > 1 else ""
    return f"{asked}{first.kind or first.probe}: {first.seen}. Next: {first.next_step}{more}"


def _explained(finding: Finding, bad: Sequence[Finding], breaks: Mapping[str, frozenset[Kind]]) -> Finding:
    """The finding with the root that it follows from, if it does."""
    if finding not in bad:
        return finding
    root = finding
    while (above := _above(root, bad, breaks)) is not None:
        root = above
    if root is finding:
        return finding
    return replace(finding, because_of=root.probe, next_step=f"mend {root.probe} first: {root.next_step}")


def _above(finding: Finding, bad: Sequence[Finding], breaks: Mapping[str, frozenset[Kind]]) -> Finding | None:
    """The first trouble that brings this one about; one that is told twice is told by the first who saw it."""
    if not finding.kind:
        return None
    for other in bad:
        if other is finding or not other.kind:
            continue
        if finding.kind in breaks.get(other.probe, follows_from(other.kind)):
            return other
    return next((other for other in bad[: bad.index(finding)] if other.kind == finding.kind), None)
