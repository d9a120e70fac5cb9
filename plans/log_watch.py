"""Log lines in, findings out: what tells of trouble is counted by category, and a burst of it is a finding. Pure.

Which lines count is in `plans.log_patterns`, what is left of them for people to read in `plans.log_masking`. Lines are
written by users too: memory is bounded whatever they write, and a line counts once, however it came.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo

from domain.clock import in_words
from domain.health import Finding, Kind
from domain.logs import CATEGORIES, Category, LoggedMessage, Origin, Reading, Usual
from environments.settings import LogSettings
from plans.log_masking import LONGEST_SAMPLE, cut, masked, message_of, plain, without_users
from plans.log_patterns import Told, category_of, told_in, worth_reading

WINDOW = timedelta(minutes=15)  # what the limits are meant for, and how often the flow runs
LONGEST_LINE = 4096  # bytes; the rest of a line is not looked at
TOLD_APART = 2000  # lines a category and run; more are counted, and not told apart
MESSAGES = 50  # a category
SAMPLES, SAMPLES_OF_ONE = 10, 2  # a category, a message
REMEMBERED = 8000  # lines, to know one that comes twice
REMEMBERED_FOR = timedelta(hours=2)  # a log group delivers late

_LEARNT = 3.0  # hours until what is usual is known
_DAY = 24.0  # hours; what is usual is that of about the last day
_OTHERS = "others, not told apart"
# On-call needs the name where it is about somebody's server, home or account; a failed login may hold a password.
_NAMES_USERS: frozenset[Category] = frozenset({"allocation", "storage", "security"})

_WORDS: Mapping[Category, tuple[Kind, str, str]] = {
    "authentication": (
        "log-authentication",
        "refused logins and tokens",
        "read the addresses in the samples: block one that tries names at the ingress; if it is all, look at SSO",
    ),
    "allocation": (
        "log-allocation",
        "servers that could not be started or ended by themselves",
        "riskhub health check tells what keeps servers from starting",
    ),
    "api": (
        "log-api",
        "errors between browser, proxy, Hub, servers and Kubernetes",
        "riskhub health pulse tells which part does not answer",
    ),
    "storage": (
        "log-storage",
        "reads and writes that the storage refused",
        "compare owner, rights and room of the homes in the samples",
    ),
    "security": (
        "log-security",
        "forged requests and attempts at what somebody has no right to",
        "find out who the users in the samples are, and whether it was them; revoke their tokens if not",
    ),
}


@dataclass
class Tally:
    """Counts lines as they come; holds a bounded part of them.

    Attributes:
        since: older lines are not counted; None: all are.
        zone: of lines that tell their time without one.
        secrets: values that are masked whatever they look like.
        counted: digests of what was counted lately, from the cursor; grows by what is counted now.
    """

    now: datetime
    since: datetime | None = None
    zone: tzinfo = UTC
    secrets: Sequence[str] = ()
    counted: dict[str, tuple[str, float]] = field(default_factory=dict)
    counts: Counter[Category] = field(default_factory=Counter)
    messages: dict[Category, Counter[str]] = field(default_factory=dict)
    _samples: dict[tuple[Category, str], list[str]] = field(default_factory=dict)
    _sampled: Counter[Category] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.secrets = sorted((each for each in self.secrets if each), key=len, reverse=True)
        self.messages = {category: Counter() for category in CATEGORIES}

    def take(self, origin: Origin, line: bytes, at: datetime | None = None, key: str = "", times: int = 1) -> bool:
        """Count one line, if it tells of trouble and was not counted before; was it?

        Args:
            line: without its end.
            at: when it was written, where its channel knows; else what the line says.
            key: what its channel calls it; a line with a key is counted once.
            times: how often it occurred.
        """
        if origin.channel != "event" and not worth_reading(line):
            return False
        told = told_in(plain(_readable(line)), self.zone)
        if told is None or told.program not in origin.programs:
            return False
        category = category_of(told)
        when = at or told.at
        if category is None or (self.since and when and when < self.since):
            return False
        if not self._is_new(origin, line, told, key):
            return False
        self.counts[category] += times
        self._keep(category, told, times)
        return True

    def logged(self) -> tuple[LoggedMessage, ...]:
        """What was counted, the most frequent first within each category."""
        return tuple(
            LoggedMessage(category, message, count, tuple(self._samples.get((category, message), ())))
            for category in CATEGORIES
            for message, count in self.messages[category].most_common()
        )

    def remembered(self) -> dict[str, tuple[str, float]]:
        """What a later run needs to know a line again, as much of it as is kept."""
        oldest = (self.now - REMEMBERED_FOR).timestamp()
        recent = [(digest, told) for digest, told in self.counted.items() if told[1] >= oldest]
        return dict(recent[-REMEMBERED:])

    def _is_new(self, origin: Origin, line: bytes, told: Told, key: str) -> bool:
        """Not known by its key, nor by its words and time from another channel."""
        if told.at is None and not key:
            return True
        digests = [_digest(key.encode())] if key else []
        digests += [_digest(line.strip())] if told.at else []
        for digest in digests:
            known = self.counted.get(digest)
            if known and (known[0] != origin.channel or (digest == digests[0] and key)):
                return False
        for digest in digests:
            self.counted[digest] = (origin.channel, self.now.timestamp())
        if len(self.counted) > 2 * REMEMBERED:
            self.counted = self.remembered()
        return True

    def _keep(self, category: Category, told: Told, times: int) -> None:
        messages = self.messages[category]
        if messages.total() >= TOLD_APART:
            messages[_OTHERS] += times
            return
        text = masked(told.text.rstrip(), self.secrets)
        message = message_of(text)
        if message not in messages and len(messages) >= MESSAGES:
            message = _OTHERS
        messages[message] += times
        kept = self._samples.setdefault((category, message), [])
        if len(kept) < SAMPLES_OF_ONE and self._sampled[category] < SAMPLES:
            self._sampled[category] += 1
            shown = text if category in _NAMES_USERS else without_users(text)
            when = f"{told.at:%H:%M:%S} " if told.at else ""
            kept.append(cut(f"{when}{told.program}: {shown}", LONGEST_SAMPLE))


def judge_logs(
    counts: Mapping[Category, int],
    settings: LogSettings,
    usual: Mapping[Category, Usual],
    window: timedelta,
    readings: Collection[Reading],
) -> tuple[Finding, ...]:
    """One finding a category, and one about the reading itself.

    A burst is more lines in the window than the category's limit for a quarter of an hour (in proportion for a longer
    window), or, of at least half of it, more than `settings.multiple` times what is usual.
    """
    told = [_judged(each, counts.get(each, 0), settings, usual.get(each, Usual()), window) for each in CATEGORIES]
    return (*told, _of_the_reading(readings))


def usual_after(
    usual: Mapping[Category, Usual], counts: Mapping[Category, int], findings: Iterable[Finding], window: timedelta
) -> dict[Category, Usual]:
    """What is usual, with this window in it. A burst teaches nothing: else a long one would become what is usual."""
    bursts = {finding.kind for finding in findings if finding.state == "degraded"}
    hours = window / timedelta(hours=1)
    if hours <= 0:
        return dict(usual)
    learnt = {}
    for category in CATEGORIES:
        before = usual.get(category, Usual())
        if _WORDS[category][0] in bursts:
            learnt[category] = before
            continue
        seen = min(before.hours, _DAY)
        rate = (before.rate * seen + counts.get(category, 0)) / (seen + hours)
        learnt[category] = Usual(rate=round(rate, 4), hours=round(min(seen + hours, _DAY), 4))
    return learnt


def span_in_words(window: timedelta) -> str:
    """How long a window is: by the second up to two minutes."""
    return f"{window.total_seconds():.0f} s" if window < timedelta(minutes=2) else in_words(window)


def _judged(category: Category, count: int, settings: LogSettings, usual: Usual, window: timedelta) -> Finding:
    kind, what, next_step = _WORDS[category]
    windows = max(1.0, window / WINDOW)
    limit = settings.limit_of(category) * windows
    expected = usual.rate * windows * (WINDOW / timedelta(hours=1))
    known = usual.hours >= _LEARNT
    seen = f"{count} {'line' if count == 1 else 'lines'} in {span_in_words(window)} ({what})"
    if known:
        seen += f"; usual is {expected:.1f}"
    if count > limit:
        return Finding(kind, "degraded", f"{seen}; the limit is {limit:.0f}", next_step, kind=kind)
    if known and count > limit / 2 and count > settings.multiple * expected:
        told = f"{seen}; more than {settings.multiple:g} times that"
        return Finding(kind, "degraded", told, next_step, kind=kind)
    return Finding(kind, "ok", seen)


def _of_the_reading(readings: Collection[Reading]) -> Finding:
    """Was everything read that there is?"""
    sources = sum(reading.sources for reading in readings)
    unread = [each for reading in readings for each in reading.unread]
    lost = [each for reading in readings for each in reading.lost]
    behind = [each for reading in readings for each in reading.behind]
    if unread:
        seen = f"not read: {'; '.join(unread)}"
        return Finding("log-sources", "failed", seen, "mend the way to it: its lines wait", kind="log-unread")
    if lost:
        seen = f"lines are gone before they were read: {'; '.join(lost)}"
        return Finding("log-sources", "degraded", seen, "rotate less often, or keep the last file", kind="log-unread")
    if behind:
        seen = f"more was written than one run reads: {'; '.join(behind)}"
        return Finding("log-sources", "degraded", seen, "find out who writes so much; run again", kind="log-unread")
    if not sources:
        return Finding("log-sources", "not configured", "no file, no pod and no log group")
    return Finding("log-sources", "ok", f"{sources} sources, {sum(reading.lines for reading in readings)} lines read")


def _readable(line: bytes) -> str:
    """The line as text. One that is too long loses its last word as well, which may be half of a secret."""
    if len(line) > LONGEST_LINE:
        line = line[:LONGEST_LINE].rsplit(maxsplit=1)[0]
    return line.decode(errors="replace").strip()


def _digest(line: bytes) -> str:
    return hashlib.blake2b(line, digest_size=10).hexdigest()
