"""How fast the Hub can be asked to stop servers before other people wait: found out while it works.

The Hub is one process on one core, and each stop costs it 20 to 35 ms, however long the spawner then takes. So the
rate is what others feel, not the number in flight: it grows by steps while a small call is answered as soon as
before, and falls by a share as soon as that call has to queue.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from statistics import median
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Self

from domain.errors import RiskhubError

PROBE_SECONDS = 0.1
FIRST_PROBES = 5
# Seconds a small call may wait longer than on the Hub as it was: below `CALM` there is room, above `BUSY` none.
CALM, BUSY = 0.025, 0.05
TOLERATED = 0.1
SILENCE = 1.0  # what no answer counts as


class Rate:
    """Stops a second: additive increase, multiplicative decrease. Told of latencies in seconds.

    What is held against `usual`, the latency before the first stop, is the median of the last ones: a queue makes
    all of them longer, a hiccup one. One that took many probes' time counts as many: others waited as long. A Hub
    that is slow even at the lowest rate is slow for another reason, and that becomes its usual, within `TOLERATED`.
    """

    lowest, highest = 5.0, 60.0
    _step, _cut, _window, _drift = 1.0, 0.7, 7, 0.05

    def __init__(self, usual: float) -> None:
        self.usual = usual
        self.per_second = 10.0
        self._last: deque[float] = deque([usual] * self._window, self._window)
        self._since_cut = 0

    def seen(self, latency: float, *, wanted: bool) -> None:
        """A small call took `latency`. The rate grows only while somebody `wanted` more than it gave."""
        count = 1 + int(latency / PROBE_SECONDS)
        self._last.extend([latency] * count)
        self._since_cut += count
        queued = median(self._last) - self.usual
        if queued < 0 or (queued > CALM and self.per_second == self.lowest):
            self.usual = min(self.usual + self._drift * queued, max(self.usual, TOLERATED))
        elif queued > BUSY and self._since_cut > self._window // 2:
            self.per_second = max(self.lowest, self.per_second * self._cut)
            self._since_cut = 0
        if queued < CALM and wanted:
            self.per_second = min(self.highest, self.per_second + self._step)


class Pace:
    """Hands out the moments to send a stop at, while a thread of its own asks the Hub how it feels.

    `ask`: a small call to the Hub.
    """

    def __init__(self, ask: Callable[[], object]) -> None:
        self._ask = ask
        first = [latency for _ in range(FIRST_PROBES) if (latency := self._latency()) is not None]
        self._rate = Rate(median(first or [CALM]))
        self._next = time.monotonic()
        self._wanted = False
        self._lock = Lock()
        self._ended = Event()
        self._thread = Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def take(self) -> None:
        """Wait for the next moment."""
        with self._lock:
            self._wanted = True
            now = time.monotonic()
            self._next = max(now, self._next + 1 / self._rate.per_second)
            pause = self._next - now
        time.sleep(pause)

    def _watch(self) -> None:
        while not self._ended.wait(PROBE_SECONDS):
            latency = self._latency()
            with self._lock:
                self._rate.seen(SILENCE if latency is None else latency, wanted=self._wanted)
                self._wanted = False

    def _latency(self) -> float | None:
        began = time.monotonic()
        try:
            self._ask()
        except RiskhubError:
            return None
        return time.monotonic() - began
