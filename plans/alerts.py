"""Who is to be alerted of what, and when nobody is: root causes in, alerts and silences out. Pure, the clock passed in.

An alert goes on until its probe was looked at and tells something else. What a run did not look at it does not end: it
renews that, since otherwise what only the morning's check sees would be over when its time is up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from domain.alerts import HEARTBEAT, SOURCE, ActiveAlert, Alert, Severity, Silence
from domain.clock import in_words
from domain.health import Cause, Finding, Kind
from domain.text import visible
from environments.alerts import AlertsSettings
from plans.kinds import page_of, service_of, severity_of

PULSE_MISSING: Kind = "pulse-missing"
RUN_FAILED: Kind = "run-failed"
RUN_MISSED: Kind = "run-missed"

_FLOW_RUNS = "flow-runs"
_WATCH = "watch"
_NOT_FROM_PROBES = frozenset({_FLOW_RUNS, _WATCH})  # what the health checks neither renew nor end


@dataclass(frozen=True)
class AlertPlan:
    """What Alertmanager is to be told.

    Attributes:
        firing: root causes of now.
        kept: what fires, and was not looked at this time.
        ended: what fired, and is no root cause any more.
    """

    firing: tuple[Alert, ...] = ()
    kept: tuple[Alert, ...] = ()
    ended: tuple[Alert, ...] = ()

    @property
    def all(self) -> tuple[Alert, ...]:
        return (*self.firing, *self.kept, *self.ended)


def plan_alerts(
    causes: Sequence[Cause],
    findings: Sequence[Finding],
    active: Iterable[ActiveAlert],
    environment: str,
    *,
    lasts: timedelta,
    now: datetime,
) -> AlertPlan:
    """What a look at the platform means for the alerts of its environment.

    Args:
        findings: all of the look. A probe that is not among them, or not configured, was not looked at.
        active: what fires of this environment, whoever sent it.
        lasts: for how long what fires now goes on without another look.
    """
    firing = tuple(_of(cause, environment, now, now + lasts) for cause in causes)
    told = [alert.labels for alert in firing]
    looked_at = {finding.probe for finding in findings if finding.state != "not configured"}
    rest = [each for each in active if each.labels not in told and each.labels.get("probe") not in _NOT_FROM_PROBES]
    return AlertPlan(
        firing=firing,
        kept=tuple(_until(each, now + lasts) for each in rest if each.labels.get("probe") not in looked_at),
        ended=tuple(_until(each, now) for each in rest if each.labels.get("probe") in looked_at),
    )


def plan_watch(last: datetime | None, cause: str, environment: str, *, patience: timedelta, now: datetime) -> AlertPlan:
    """The dead man's switch.

    Args:
        last: when a pulse last left its mark within `patience`; none: it did not.
        cause: why nobody can tell; empty where the place of the marks was looked at.
        patience: how long silence of the pulse is borne.
    """
    if last is not None and now - last <= patience:
        labels = _labels(HEARTBEAT, environment, _WATCH, "none", service_of(PULSE_MISSING))
        seen = f"the pulse of {environment} was last seen at {last:%Y-%m-%d %H:%M:%S} UTC"
        beat = Alert(labels, {"summary": seen}, now, now + patience)
        return AlertPlan(firing=(beat,), ended=(_missing("a pulse is there again", environment, now, now),))
    seen = cause or f"no health pulse of {environment} for more than {in_words(patience)}: nobody looks at the platform"
    return AlertPlan(firing=(_missing(seen, environment, now, now + patience),))


def run_labels(kind: Kind, environment: str) -> dict[str, str]:
    """The labels of an alert about flow runs; flow and deployment are told by Prefect."""
    return _labels(kind, environment, _FLOW_RUNS, severity_of(kind, "failed"), service_of(kind))


def silences_of(settings: AlertsSettings, environment: str, *, now: datetime) -> tuple[Silence, ...]:
    """The silences that the maintenance windows mean: those that go on, and the next of each."""
    spans = [(each.name, each.begins, each.ends) for each in settings.windows if now < each.ends]
    spans += [(each.name, *each.when.span(now)) for each in settings.weekly]
    return tuple(Silence(environment, f"maintenance window {name!r}", begins, ends) for name, begins, ends in spans)


def plan_silences(
    wanted: Collection[Silence], found: Collection[Silence], *, now: datetime
) -> tuple[tuple[Silence, ...], tuple[Silence, ...]]:
    """The silences to make, and those to end: ours that no window asks for any more, or not like that.

    Alertmanager lets a silence begin at the moment it is made, not before: of one that goes on only its end counts.
    """
    due = {_span(each, now) for each in wanted}
    there = {_span(each, now) for each in found}
    make = tuple(each for each in wanted if _span(each, now) not in there)
    end = tuple(each for each in found if _span(each, now) not in due)
    return make, end


def _span(silence: Silence, now: datetime) -> tuple[str, datetime, datetime]:
    return silence.comment, max(silence.begins, now), silence.ends.replace(microsecond=0)


def _of(cause: Cause, environment: str, begins: datetime, ends: datetime) -> Alert:
    severity, service = severity_of(cause.kind, cause.state), service_of(cause.kind)
    labels = _labels(cause.kind or cause.probe, environment, cause.probe, severity, service)
    return Alert(labels, _annotations(cause.seen, cause.next_step, cause.page, cause.explains), begins, ends)


def _missing(seen: str, environment: str, begins: datetime, ends: datetime) -> Alert:
    kind = PULSE_MISSING
    labels = _labels(kind, environment, _WATCH, severity_of(kind, "failed"), service_of(kind))
    step = "riskhub health pulse, then see why Prefect does not run it"
    return Alert(labels, _annotations(seen, step, page_of(kind)), begins, ends)


def _labels(
    name: str, environment: str, probe: str, severity: Severity | Literal["none"], service: str
) -> dict[str, str]:
    return {
        "alertname": name,
        "environment": environment,
        "probe": probe,
        "service": service,
        "severity": severity,
        "source": SOURCE,
    }


def _annotations(seen: str, next_step: str, page: str, explains: Sequence[str] = ()) -> dict[str, str]:
    told = {"summary": seen, "next_step": next_step, "page": page, "explains": ", ".join(explains)}
    return {name: visible(text) for name, text in told.items() if text}


def _until(active: ActiveAlert, moment: datetime) -> Alert:
    return Alert(active.labels, active.annotations, min(active.starts_at, moment), moment)
