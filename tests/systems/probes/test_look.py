"""Carrying out a probe: on time, and always with a finding."""

from __future__ import annotations

from datetime import timedelta
from threading import Event

from domain.errors import Unreachable
from systems.probes import Probe, Seen, carry_out

SOON = timedelta(seconds=0.2)


def failing(error: Exception):
    def look() -> Seen:
        raise error

    return look


def test_what_is_seen_becomes_the_finding():
    finding = carry_out(Probe("disk", lambda: Seen("90% used", "degraded", "make room"), SOON, "bucket-down"))
    assert (finding.probe, finding.state, finding.seen, finding.next_step) == (
        "disk",
        "degraded",
        "90% used",
        "make room",
    )


def test_an_error_is_a_failed_finding_with_its_next_step():
    finding = carry_out(
        Probe("store", failing(Unreachable("store", "does not answer", "start it")), SOON, "bucket-down")
    )
    assert (finding.state, finding.seen, finding.next_step) == ("failed", "store: does not answer", "start it")


def test_a_look_that_hangs_is_given_up_at_its_deadline():
    release = Event()

    def look() -> Seen:
        release.wait(30)
        return Seen("late")

    finding = carry_out(Probe("mount", look, SOON, "bucket-down"))
    release.set()
    assert finding.state == "failed" and "no answer within" in finding.seen
    assert finding.seconds < 5


def test_a_probe_that_breaks_is_a_failed_finding_that_quotes_nothing():
    finding = carry_out(Probe("odd", failing(ValueError("token=secret")), SOON, "bucket-down"))
    assert finding.state == "failed" and "ValueError" in finding.seen
    assert "secret" not in finding.seen + finding.next_step
