"""How far a push, restore or verify is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """So many of so many entries, and bytes moved so far."""

    doing: str
    done: int
    total: int
    bytes: int


Listener = Callable[[Progress], None]


class Meter:
    """Counts across threads and tells the listener."""

    def __init__(self, doing: str, total: int, listener: Listener | None) -> None:
        self._doing = doing
        self._total = total
        self._listener = listener
        self._lock = threading.Lock()
        self._done = 0
        self._bytes = 0

    def count(self, size: int) -> None:
        """One more entry, of `size` bytes."""
        with self._lock:
            self._done += 1
            self._bytes += size
            if self._listener:
                self._listener(Progress(self._doing, self._done, self._total, self._bytes))
