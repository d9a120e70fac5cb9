"""What a set of findings means. Pure; finding the root cause behind several is built on top of this."""

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
    healthy: a check that looked at nothing must not be green.
    """
    failed = [finding.probe for finding in findings if finding.state == "failed"]
    degraded = [finding.probe for finding in findings if finding.state == "degraded"]
    absent = [finding.probe for finding in findings if finding.state == "not configured"]
    fine = len(findings) - len(failed) - len(degraded) - len(absent)
    parts = [
        *([f"failed: {', '.join(failed)}"] if failed else []),
        *([f"degraded: {', '.join(degraded)}"] if degraded else []),
        f"{fine} of {len(findings) - len(absent)} parts ok",
        *([f"not configured: {', '.join(absent)}"] if absent else []),
    ]
    state: RunState = "failed" if failed or fine + len(degraded) == 0 else "partial" if degraded else "complete"
    return Verdict(state, "; ".join(parts))
