"""What findings mean together."""

from __future__ import annotations

import pytest

from domain.health import Finding
from plans.health import judge

OK = Finding("hub-api", "ok", "JupyterHub 6")
DEGRADED = Finding("backup-snapshot", "degraded", "3 days old", "run the backup")
FAILED = Finding("object-store", "failed", "does not answer", "start it")
ABSENT = Finding("cluster", "not configured", "no cluster")


@pytest.mark.parametrize(
    ("findings", "state"),
    [
        ((OK, OK), "complete"),
        ((OK, ABSENT), "complete"),
        ((OK, DEGRADED), "partial"),
        ((OK, DEGRADED, FAILED), "failed"),
        ((ABSENT,), "failed"),
        ((), "failed"),
    ],
)
def test_the_worst_finding_decides_and_nothing_seen_is_not_healthy(findings, state):
    assert judge(findings).state == state


def test_the_summary_names_the_bad_parts_and_counts_only_what_there_is():
    summary = judge([OK, DEGRADED, FAILED, ABSENT]).summary
    assert summary == "failed: object-store; degraded: backup-snapshot; 1 of 3 parts ok; not configured: cluster"
