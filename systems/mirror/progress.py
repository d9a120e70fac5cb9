"""How far a push, restore or verify is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class Progress:
    """So many of so many entries; bytes moved so far, and of how many in all; for how many seconds."""

    doing: str
    done: int
    total: int
    bytes: int
    total_bytes: int
    seconds: float

    @property
    def percent(self) -> float:
        return min(100.0, 100 * self.done / max(self.total, 1))

    @property
    def words(self) -> str:
        """For people: how many, how much, how fast, how long still."""
        left = self.seconds_left
        rate = self.bytes / self.seconds / 1e6 if self.seconds else 0.0
        remaining = f", {timedelta(seconds=round(left))} left" if left is not None else ""
        moved = f"{self.bytes / 1e6:.1f} of {self.total_bytes / 1e6:.1f} MB, {rate:.1f} MB/s"
        return f"{self.doing}: {self.done} of {self.total} entries, {moved}{remaining}"

    @property
    def seconds_left(self) -> float | None:
        """At the rate so far, by whichever of entries and bytes is further behind; None before there is a rate."""
        shares = [done / total for done, total in ((self.done, self.total), (self.bytes, self.total_bytes)) if total]
        share = min(shares, default=1.0)
        return self.seconds * (1 - share) / share if share else None


Listener = Callable[[Progress], None]


class Meter:
    """Counts and tells the listener, in the thread of whoever counts."""

    def __init__(self, doing: str, total: int, total_bytes: int, listener: Listener | None) -> None:
        self._doing = doing
        self._total = total
        self._total_bytes = total_bytes
        self._began = time.monotonic()
        self._listener = listener
        self._done = 0
        self._bytes = 0

    def count(self, size: int) -> None:
        """One more entry, of `size` bytes."""
        self._done += 1
        self._bytes += size
        if self._listener:
            seconds = time.monotonic() - self._began
            made = Progress(self._doing, self._done, self._total, self._bytes, self._total_bytes, seconds)
            self._listener(made)
