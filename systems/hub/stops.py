"""Many stops at once: each server looked at again right before, the Hub kept responsive, the end verified.

A run lives through a Hub that restarts in the middle of it: what was not answered is looked at again once the Hub
is back. What the Hub says at last is its word alone; `systems.running` looks at the pods or processes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TypeVar

from domain.errors import Failed, Refused, RiskhubError, Unreachable
from domain.plan import Outcome, OutcomeState
from domain.sessions import Server, Stop
from environments.settings import HubSettings
from systems.hub.api import HubApi, Page
from systems.hub.pace import Pace
from systems.hub.servers import STOP_DEADLINE, read, server_path, servers_of

T = TypeVar("T")
Key = tuple[str, str]

RESUME_WITHIN = timedelta(minutes=5)
IN_FLIGHT = 100
TRIES = 3
# A page costs the Hub 30 ms and 0.5 ms a user, one user's own model 5 ms: from here on pages are cheaper. They stay
# short, since the Hub does nothing else while it makes one.
FEW, LOOK = 10, 50
FRESH_SECONDS = 3.0  # a look is worth a stop no longer than this
FAILURES_IN_A_ROW = 5  # then it is not this server but the Hub
_POLL_SECONDS, _POLL_MANY_SECONDS = 0.2, 2.0


def stop_servers(
    hub: HubSettings,
    stops: Iterable[Stop],
    *,
    deadline: timedelta = STOP_DEADLINE,
    resume_within: timedelta = RESUME_WITHIN,
) -> list[Outcome]:
    """Stop servers unless they were active after their `idle_since`; the outcomes in the order of `stops`.

    Args:
        deadline: how long each may take from its stop on.
        resume_within: how long the Hub may be away in the middle.

    Returns:
        done: stopped, or gone already. skipped: a look right before the stop saw activity, another start
        or a pending change. failed: the Hub refused or did not answer, or the server still runs at its deadline.
    """
    wanted = {(stop.server.user, stop.server.name): stop for stop in stops}
    if not wanted:
        return []
    with HubApi(hub) as api, HubApi(hub) as beside:
        with Pace(beside.clock) as pace, ThreadPoolExecutor(IN_FLIGHT) as pool:
            seconds = {"deadline": deadline.total_seconds(), "resume_within": resume_within.total_seconds()}
            run = _Run(api, pace, pool, wanted, **seconds)
            try:
                run.work()
            except RiskhubError as error:
                run.give_up(error)
        return [run.outcomes[key] for key in wanted]


@dataclass(frozen=True)
class _Sent:
    at: float
    seconds: float


class _Run:
    """One run. Each server is in `waiting`, in flight, in `sent` (to be verified), or has its outcome."""

    def __init__(
        self,
        api: HubApi,
        pace: Pace,
        pool: ThreadPoolExecutor,
        wanted: dict[Key, Stop],
        *,
        deadline: float,
        resume_within: float,
    ) -> None:
        self._api, self._pace, self._pool = api, pace, pool
        self._stops = wanted
        self._deadline, self._resume_within = deadline, resume_within
        self._waiting = dict.fromkeys(wanted)  # in the plan's order
        self._flying: dict[Future[_Sent], Key] = {}
        self._sent: dict[Key, _Sent] = {}
        self._tries: dict[Key, int] = dict.fromkeys(wanted, 0)
        self._checked_since: dict[Key, float] = {}
        self._failures_in_a_row = 0
        self.outcomes: dict[Key, Outcome] = {}

    def work(self) -> None:
        """Until each server has its outcome."""
        while self._waiting or self._sent:
            self._send()
            self._verify()

    def give_up(self, error: RiskhubError) -> None:
        """Everything without an outcome failed by `error`."""
        for key in self._stops:
            if key not in self.outcomes:
                sent = key in self._sent or key in self._flying.values() or self._tries[key]
                self._end(key, "failed", f"{'its stop was sent, its end not seen' if sent else 'not stopped'}: {error}")

    def _send(self) -> None:
        """Send every stop that is still due, until each is answered."""
        while self._waiting or self._flying:
            before = len(self._waiting)
            for batch in self._looks():
                self._send_batch(batch)
            self._collect(all_of_them=not self._waiting)
            if self._waiting and len(self._waiting) >= before:
                time.sleep(_POLL_SECONDS)

    def _verify(self) -> None:
        """Look until the Hub lists none of what was sent, each at most until its deadline."""
        while self._sent:
            listed = self._patiently(self._listed)
            for key, sent in list(self._sent.items()):
                self._verify_one(key, listed.get(key), sent)
            if self._sent:
                time.sleep(_POLL_SECONDS if len(self._sent) <= FEW else _POLL_MANY_SECONDS)

    def _looks(self) -> Iterator[dict[Key, Server | None]]:
        """Those that wait, as they are now, in batches; who does not run is None.

        Pages are read from the end: what stops behind us then moves nobody ahead of us to another page.
        """
        singly = list(self._waiting)
        if len(singly) > FEW:
            unseen = dict(self._waiting)
            last = self._patiently(lambda: self._page(limit=1)).pagination.total - 1
            for offset in range(last // LOOK * LOOK, -1, -LOOK):
                page = self._patiently(partial(self._page, offset=offset, limit=LOOK))
                servers = {_key(server): server for model in page.items for server in servers_of(self._api, model)}
                for key in servers:
                    unseen.pop(key, None)
                yield {key: servers[key] for key in self._waiting if key in servers}
                if self._failures_in_a_row >= FAILURES_IN_A_ROW:
                    return
            singly = list(unseen)
        for key in singly:
            try:
                now = self._patiently(partial(read, self._api, *key))
            except Refused as error:  # of this name, or of all: each is told
                self._end(key, "failed", str(error))
            else:
                yield {key: now}

    def _page(self, *, offset: int = 0, limit: int) -> Page:
        return self._api.page("/users", offset=offset, limit=limit, state="active")

    def _send_batch(self, batch: dict[Key, Server | None]) -> None:
        looked = time.monotonic()
        self._failures_in_a_row = 0
        for key, now in batch.items():
            if not self._is_due(key, now):
                continue
            self._pace.take()
            while len(self._flying) >= IN_FLIGHT:
                self._collect()
            if time.monotonic() - looked > FRESH_SECONDS or self._failures_in_a_row >= FAILURES_IN_A_ROW:
                return  # what is left waits for the next look
            del self._waiting[key]
            self._flying[self._pool.submit(self._stop, key)] = key
            self._collect(wait_for_one=False)

    def _is_due(self, key: Key, now: Server | None) -> bool:
        """Whether the server as it is `now` is to be stopped; where that is decided already, its outcome is set."""
        again = self._tries[key] > 0
        if now is None:
            self._end(key, "done", "stopped" if again else "it had stopped already")
        elif now.pending == "stop" and again:
            self._sent[key] = _Sent(time.monotonic(), 0)
            del self._waiting[key]
        elif now.pending == "check":  # a Hub that has just started looks after its servers first
            since = self._checked_since.setdefault(key, time.monotonic())
            if time.monotonic() - since > self._resume_within:
                self._end(key, "failed", "not stopped: the Hub does not end its own check of the server")
        elif spared := _spared(now, self._stops[key]):
            self._end(key, "skipped", spared)
        else:
            return True
        return False

    def _stop(self, key: Key) -> _Sent:
        began = time.monotonic()
        self._api.change("DELETE", server_path(*key), accept=(202, 204, 404))
        return _Sent(began, time.monotonic() - began)

    def _collect(self, *, wait_for_one: bool = True, all_of_them: bool = False) -> None:
        """Take in what the Hub has answered."""
        if not self._flying:
            return
        until = ALL_COMPLETED if all_of_them else FIRST_COMPLETED
        done, _ = wait(self._flying, None if wait_for_one or all_of_them else 0, until)
        for each in done:
            key = self._flying.pop(each)
            try:
                self._sent[key] = each.result()
                self._failures_in_a_row = 0
            except Unreachable as error:
                self._failures_in_a_row += 1
                self._try_again(key, error)
            except RiskhubError as error:
                self._end(key, "failed", str(error))

    def _listed(self) -> dict[Key, Server | None]:
        """Those that were sent, as the Hub lists them now."""
        if len(self._sent) <= FEW:
            return {key: read(self._api, *key) for key in self._sent}
        models = self._api.pages("/users", state="active", limit=LOOK)
        return {_key(server): server for model in models for server in servers_of(self._api, model)}

    def _verify_one(self, key: Key, now: Server | None, sent: _Sent) -> None:
        waited = time.monotonic() - sent.at
        if now is None:
            self._end(key, "done", "stopped")
        elif now.started != self._stops[key].server.started:
            self._end(key, "done", "stopped, and started again since")
        elif now.ready and not now.pending:  # a Hub that restarts forgets the stops it was at
            del self._sent[key]
            self._try_again(
                key, Failed(f"server {now.label}", "its stop was answered, and it runs", "read the Hub's log")
            )
        elif waited > self._deadline:
            said = f"still running {waited:.0f} s after its stop"
            self._end(key, "failed", str(Failed(f"server {now.label}", said, "read the Hub's log")))

    def _try_again(self, key: Key, error: RiskhubError) -> None:
        self._tries[key] += 1
        if self._tries[key] < TRIES:
            self._waiting[key] = None
        else:
            self._end(key, "failed", str(error))

    def _end(self, key: Key, state: OutcomeState, detail: str) -> None:
        sent = self._sent.pop(key, None)
        self._waiting.pop(key, None)
        stop = self._stops[key]
        why = f": {stop.reason}" if state == "done" and stop.reason else ""
        self.outcomes[key] = Outcome("stop", stop.server.label, state, detail + why, sent.seconds if sent else 0)

    def _patiently(self, call: Callable[[], T]) -> T:
        """What the call gives, asked again while the Hub is away, at most `resume_within`."""
        give_up, pause = time.monotonic() + self._resume_within, _POLL_SECONDS
        while True:
            try:
                return call()
            except Unreachable:
                if time.monotonic() > give_up:
                    raise
                time.sleep(pause)
                pause = min(2 * pause, _POLL_MANY_SECONDS)


def _key(server: Server) -> Key:
    return server.user, server.name


def _spared(now: Server, stop: Stop) -> str:
    """Why the server as it is `now` is left running; empty when it is not."""
    if now.pending:
        return f"pending {now.pending}"
    if now.started != stop.server.started:
        return "started again since it was listed"
    activity = now.last_activity or now.started
    if stop.idle_since is not None and activity is not None and activity > stop.idle_since:
        return f"woke up: active at {activity:%H:%M:%S} UTC"
    return ""
