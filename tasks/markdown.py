"""Plans and records as markdown, for the artifacts in the Prefect UI.

Names come from users: everything that is not ours is escaped, so that a file called `[x](https://...)`
or one with a line break shows as its name and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from domain.plan import OutcomeState
from domain.record import PlannedAction, Record, RunState
from domain.text import visible

ROWS = 200  # an artifact is read by a person; the whole list is in the evidence
LONGEST = 300

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~])")
_SIGNS: dict[RunState, str] = {
    "complete": "✅ complete",
    "planned": "📝 planned, nothing was changed",
    "partial": "⚠️ partial",
    "refused": "⛔ refused",
    "failed": "❌ failed",
}
_OUTCOMES: dict[OutcomeState, str] = {"failed": "❌ failed", "skipped": "skipped", "done": "done"}


def escaped(text: str) -> str:
    """`text` as literal markdown of one line; control and direction characters become visible escapes."""
    short = text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text)} characters)"
    entities = visible(short).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    literal = _SPECIAL.sub(r"\\\1", entities)
    return literal.replace("://", "&#58;//").replace("www.", "www&#46;")


def plan_page(
    title: str, digest: str, actions: Sequence[PlannedAction], left_alone: Sequence[PlannedAction], environment: str
) -> str:
    """A plan, readable before it is applied: what would be done and why, then what is left alone and why."""
    parts = [
        f"# {escaped(title)}",
        f"Environment **{environment}** · {len(actions)} to do, {len(left_alone)} left alone",
    ]
    parts += _actions("To do", actions) or ["Nothing to do."]
    parts += _actions("Left alone", left_alone)
    parts.append(f"Digest `{digest}`")
    return "\n\n".join(parts)


def record_page(record: Record) -> str:
    """A run's result: its state first, then what went wrong, what was done, figures and where to look next."""
    parts = [
        f"# {_SIGNS[record.state]}: {escaped(record.flow)}",
        escaped(record.summary),
        f"Environment **{record.environment}** · started {record.started_at:%Y-%m-%d %H:%M:%S} UTC · "
        f"took {(record.finished_at - record.started_at).total_seconds():.1f} s",
    ]
    if record.causes:
        told = ((c.kind, c.seen, c.next_step, c.page, ", ".join(c.explains)) for c in record.causes)
        parts.append(_table(("cause", "seen", "next step", "page", "explains"), told))
    if record.findings:
        rows = ((f.probe, f.state, f.seen, f.next_step, f"{f.seconds:.1f}") for f in record.findings)
        parts += ["## Findings", _table(("probe", "state", "seen", "next step", "seconds"), rows)]
    if record.logged:
        said = ((each.category, str(each.count), each.message, *each.samples[:1]) for each in record.logged[:ROWS])
        parts += ["## What the logs said", _table(("category", "lines", "message", "such as"), said)]
    if record.outcomes:
        parts += _outcomes(record)
    elif record.actions:
        parts += _actions("Planned", record.actions)
    if record.measures:
        rows_of_figures = ((name, str(value)) for name, value in record.measures.items())
        parts += ["## Figures", _table(("figure", "value"), rows_of_figures)]
    if record.links:
        parts.append(links_part(record.links))
    if record.plan_digest:
        parts.append(f"Plan digest `{record.plan_digest}`")
    return "\n\n".join(parts)


def links_part(links: Mapping[str, str]) -> str:
    """Where to look next; empty when there is nowhere."""
    return "## Where to look\n\n" + "\n".join(_link(name, where) for name, where in links.items()) if links else ""


def table_part(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table under its title, cut where it is too long to be read."""
    return "\n\n".join([f"## {escaped(title)}", _table(head, rows[:ROWS]), *_more(len(rows), "")])


def _actions(heading: str, actions: Sequence[PlannedAction]) -> list[str]:
    if not actions:
        return []
    table = _table(("action", "target", "why"), ((a.verb, a.target, a.reason) for a in actions[:ROWS]))
    return [f"## {heading} ({len(actions)})", table, *_more(len(actions))]


def _outcomes(record: Record) -> list[str]:
    worst_first = sorted(record.outcomes, key=lambda outcome: list(_OUTCOMES).index(outcome.state))
    rows = ((o.verb, o.target, _OUTCOMES[o.state], o.detail, f"{o.seconds:.1f}") for o in worst_first[:ROWS])
    table = _table(("action", "target", "outcome", "detail", "seconds"), rows)
    return [f"## Outcomes ({len(worst_first)})", table, *_more(len(worst_first))]


def _more(count: int, where: str = "; the evidence lists every one") -> list[str]:
    return [f"… and {count - ROWS} more{where}."] if count > ROWS else []


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    lines += [f"| {' | '.join(escaped(cell) for cell in row)} |" for row in rows]
    return "\n".join(lines)


def _link(name: str, where: str) -> str:
    if re.fullmatch(r"https?://[\w.:/%?=&#~+-]+", where):
        return f"- {escaped(name)}: <{where}>"
    return f"- {escaped(name)}: {escaped(where)}"
