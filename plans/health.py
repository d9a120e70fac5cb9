"""What a set of findings means. Pure; what comes from what is decided in `plans.diagnosis`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from domain.health import Finding
from domain.record import RunState


@dataclass(frozen=True)
class Verdict:
    """The platform's health in one word and one line."""

    state: RunState
    summary: str


def judge(findings: Sequence[Finding]) -> Verdict:
    """Failed when a part failed, partial when one is degraded, complete when all that there is are ok.

    A part that is not configured counts for neither side, and where nothing was seen to be ok nothing is
    healthy: a check that looked at nothing must not be green. What only follows from another part's trouble
    is named after it.
    """
    follow = [finding.probe for finding in findings if finding.because_of]
    failed = [finding.probe for finding in findings if finding.state == "failed" and not finding.because_of]
    degraded = [finding.probe for finding in findings if finding.state == "degraded" and not finding.because_of]
    absent = [finding.probe for finding in findings if finding.state == "not configured"]
    fine = sum(finding.state == "ok" for finding in findings)
    parts = [
        *([f"failed: {', '.join(failed)}"] if failed else []),
        *([f"degraded: {', '.join(degraded)}"] if degraded else []),
        *([f"from that follow: {', '.join(follow)}"] if follow else []),
        f"{fine} of {len(findings) - len(absent)} parts ok",
        *([f"not configured: {', '.join(absent)}"] if absent else []),
    ]
    bad = {finding.state for finding in findings}
    state: RunState = "complete"
    if "failed" in bad or not bad & {"ok", "degraded"}:
        state = "failed"
    elif "degraded" in bad:
        state = "partial"
    return Verdict(state, "; ".join(parts))


def in_order(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Causes first, then what follows from them, then what is well; among equals as they came."""
    rank = {"failed": 0, "degraded": 1, "ok": 3, "not configured": 4}
    return tuple(sorted(findings, key=lambda each: 2 if each.because_of else rank[each.state]))
