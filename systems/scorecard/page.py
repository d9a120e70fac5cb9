"""The page itself: one HTML file that needs nothing else, no network and no script, fit for printing.

Causes quote user and file names: every word is escaped, and control and direction characters become visible.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, StrictUndefined

from domain.errors import RiskhubError
from domain.plan import Outcome
from domain.record import Record, RunState
from domain.text import visible

_VERDICTS: dict[RunState, str] = {"complete": "passed", "partial": "passed, target missed", "failed": "failed"}
_FIGURES = (
    ("rto", "Time to recover", "from nothing to a user's notebook running"),
    ("rpo_homes", "Homes", "age of their newest point when the drill began"),
    ("rpo_database", "Database", "age of its newest dump when the drill began"),
)


class _Step(NamedTuple):
    name: str
    why: str
    outcome: Outcome | None


class _Figure(NamedTuple):
    """Seconds; None where the drill did not measure it, or an old one did not record its target."""

    name: str
    what: str
    seconds: float | None
    target: float | None

    @property
    def state(self) -> str:
        if self.seconds is None:
            return "failed"
        return "partial" if self.target is not None and self.seconds > self.target else "complete"


def scorecard_page(
    drill: Record, evidence: str, earlier: Sequence[Record | RiskhubError], not_shown: Sequence[str]
) -> str:
    """A drill's page.

    Args:
        evidence: where its evidence lies, as `riskhub evidence verify` takes it.
        earlier: the drills before it, newest first; an error where the evidence does not verify.
        not_shown: what a drill leaves open.
    """
    return _TEMPLATE.render(
        drill=drill,
        evidence=evidence,
        figures=_figures(drill),
        steps=_steps(drill),
        troubles=[finding for finding in drill.findings if finding.state != "ok"],
        history=[(each, _figures(each) if isinstance(each, Record) else ()) for each in (drill, *earlier)],
        not_shown=not_shown,
    )


def _steps(drill: Record) -> list[_Step]:
    """Every planned step; one that a failure before it left out has no outcome."""
    ended = {(outcome.verb, outcome.target): outcome for outcome in drill.outcomes}
    return [
        _Step(f"{action.verb} {action.target}", action.reason, ended.get((action.verb, action.target)))
        for action in drill.actions
    ]


def _figures(drill: Record) -> list[_Figure]:
    return [
        _Figure(name, what, _number(drill, f"{key}_seconds"), _number(drill, f"{key}_target_seconds"))
        for key, name, what in _FIGURES
    ]


def _number(drill: Record, measure: str) -> float | None:
    value = drill.measures.get(measure)
    return float(value) if isinstance(value, (int, float)) else None


def _span(seconds: float | None) -> str:
    """A length of time as people say it, no more exact than it matters."""
    if seconds is None:
        return "–"
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds % 1 else f"{seconds:.0f} s"
    minutes = timedelta(seconds=seconds) / timedelta(minutes=1)
    if minutes < 120:
        return f"{minutes:.0f} min"
    return f"{minutes / 60:.0f} h" if minutes < 48 * 60 else f"{minutes / 60 / 24:.0f} days"


def _shown(value: Any) -> Any:
    return visible(value) if type(value) is str else value


_ENVIRONMENT = Environment(
    autoescape=True, finalize=_shown, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_ENVIRONMENT.filters |= {"span": _span, "verdict": _VERDICTS.__getitem__}
_TEMPLATE = _ENVIRONMENT.from_string(Path(__file__).with_name("page.html").read_text(encoding="utf-8"))
