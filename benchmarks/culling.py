"""Culling against jupyterhub-idle-culler, on a real Hub whose users' servers are light, one after the other.

`python -m benchmarks.culling` starts a new Hub for each of the two, with the same users in its database, most of
them idle, and takes the time from the start of the program until the Hub lists no idle server any more. Meanwhile
somebody else asks the Hub for a user, ten times a second. A stop takes the spawner `--stop-seconds`. The peer stops
one after another: with `--peer-sample N` it is ended after N stops, and its time for all of them is worked out from
its rate after the first; the table then says so.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from threading import Event, Thread

import click
import httpx

from devstack.light import LightHub, Seed, light_hub
from domain.errors import Failed, Refused

OURS, PEER = "riskhub sessions cull", "jupyterhub-idle-culler"
GOALS = {0.2: 6, 2.0: 30}
OTHERS_GOAL_MS = 150
IDLE_LIMIT = timedelta(hours=1)
IDLE, ACTIVE = timedelta(hours=3), timedelta(minutes=1)
GIVE_UP_SECONDS = 3600.0


@dataclass(frozen=True)
class Run:
    """One program's cull.

    Attributes:
        seconds: until no idle server was listed; worked out from `sampled` stops where that is not None.
        stopped, active_stopped: servers that were idle, and that were not.
        before_ms, others_ms: p95 of somebody else's calls, before the cull and while it went on.
    """

    name: str
    seconds: float
    sampled: int | None
    stopped: int
    active_stopped: int
    before_ms: float
    others_ms: float


def seeds(users: int, idle: int) -> list[Seed]:
    """Idle users and those at work, mixed evenly."""
    return [
        Seed(f"user-{number:05d}", IDLE if number * idle // users != (number + 1) * idle // users else ACTIVE)
        for number in range(users)
    ]


def run(name: str, people: list[Seed], *, stop_seconds: float, sample: int | None) -> Run:
    """Start a Hub, let the program cull it, and look at what is left."""
    idle = {seed.user for seed in people if seed.idle > IDLE_LIMIT}
    with (
        tempfile.TemporaryDirectory(prefix="riskhub-benchmark-") as folder,
        light_hub(Path(folder), people, stop_seconds=stop_seconds, slow_stop_seconds=10) as hub,
    ):
        _until_all_are_ready(hub, len(people))
        with _somebody_else(hub, at_work=next(seed.user for seed in people if seed.user not in idle)) as waits:
            time.sleep(5)
            before, waits[:] = _p95(waits), []
            seconds, sampled = _cull(name, hub, idle, sample)
            others = _p95(waits)
        left = _running(hub)
    active = {seed.user for seed in people} - idle
    return Run(name, round(seconds, 1), sampled, len(idle - left), len(active - left), before, others)


def _cull(name: str, hub: LightHub, idle: set[str], sample: int | None) -> tuple[float, int | None]:
    """Seconds for all, and from how many stops that was worked out (None: all were done)."""
    with _program(name, hub) as process:
        began, first, stopped = time.monotonic(), None, 0
        while stopped < len(idle):
            time.sleep(0.5)
            stopped, now = len(idle) - len(idle & _running(hub)), time.monotonic()
            if stopped and first is None:
                first = (now, stopped)
            if first and sample and stopped >= first[1] + sample:
                rate = (stopped - first[1]) / (now - first[0])
                return len(idle) / rate, stopped - first[1]
            if process.poll() or now - began > GIVE_UP_SECONDS:
                raise Failed(name, f"it stopped {stopped} of {len(idle)} and no more", "run it by hand")
        return time.monotonic() - began, None


@contextmanager
def _program(name: str, hub: LightHub) -> Iterator[subprocess.Popen[bytes]]:
    limit = str(int(IDLE_LIMIT.total_seconds()))
    ours = ("-m", "cli.main", "sessions", "cull", "--execute", "--idle", limit, "--max-share", "1")
    peer = ("-m", "jupyterhub_idle_culler", "--timeout", limit, "--cull-every", "86400")
    token = hub.settings.api_token.get_secret_value()
    process = subprocess.Popen(
        (sys.executable, *(ours if name == OURS else peer)),
        env={**os.environ, "JUPYTERHUB_API_URL": hub.settings.api_url, "JUPYTERHUB_API_TOKEN": token},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _somebody_else(hub: LightHub, *, at_work: str) -> Iterator[list[float]]:
    """The seconds that a small authenticated call takes, again and again; the list grows meanwhile."""
    waits: list[float] = []
    ended = Event()

    def ask() -> None:
        with httpx.Client(base_url=hub.settings.api_url, headers=hub.admin.headers, timeout=60) as client:
            while not ended.wait(0.1):
                began = time.monotonic()
                client.get(f"/users/{at_work}").raise_for_status()
                waits.append(time.monotonic() - began)

    thread = Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield waits
    finally:
        ended.set()
        thread.join()


def _running(hub: LightHub) -> set[str]:
    """Users whose server the Hub's database has as running: a look that costs the Hub nothing."""
    import sqlite3  # noqa: PLC0415

    with sqlite3.connect(f"file:{hub.database}?mode=ro", uri=True, timeout=30) as database:
        query = "select u.name from users u join spawners s on s.user_id = u.id where s.server_id is not null"
        return {name for (name,) in database.execute(query)}


def _until_all_are_ready(hub: LightHub, users: int) -> None:
    give_up = time.monotonic() + 300
    while True:
        ready, offset = 0, 0
        while offset < users:
            answer = hub.admin.get("/users", params={"state": "ready", "offset": offset, "limit": 200})
            ready += len(answer.raise_for_status().json())
            offset += 200
        if ready == users:
            return
        if time.monotonic() > give_up:
            raise Failed("light Hub", f"{ready} of {users} servers are ready after 300 s", "read its log")
        time.sleep(1)


def _p95(waits: list[float]) -> float:
    """In milliseconds."""
    return round(statistics.quantiles(waits, n=20)[-1] * 1000) if len(waits) > 1 else float("nan")


@click.command()
@click.option("--users", default=1000, show_default=True)
@click.option("--idle", default=800, show_default=True, help="How many of them are idle.")
@click.option("--stop-seconds", default=0.2, show_default=True, help="How long the spawner takes to stop a server.")
@click.option("--peer-sample", type=int, help="End the peer after so many stops, and work its time out.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def main(users: int, idle: int, stop_seconds: float, peer_sample: int | None, as_json: bool) -> None:
    """Measure culling against jupyterhub-idle-culler on a real Hub."""
    try:
        peer_version = version(PEER)
    except PackageNotFoundError:
        raise Refused(PEER, "it is not installed", "run make install") from None
    people = seeds(users, idle)
    runs = []
    for name, sample in ((PEER, peer_sample), (OURS, None)):
        runs.append(run(name, people, stop_seconds=stop_seconds, sample=sample))
        click.echo(f"{name}: {runs[-1]}", err=True)
    ratio = round(runs[0].seconds / runs[1].seconds, 1)
    facts = {
        "users": users,
        "idle": idle,
        "stop_seconds": stop_seconds,
        "ratio": ratio,
        "goal": GOALS.get(stop_seconds),
        "machine": f"{os.cpu_count()} cores, load {os.getloadavg()[1]:.1f}, Python {platform.python_version()}",
        PEER: peer_version,
    }
    if as_json:
        click.echo(json.dumps({**facts, "runs": [asdict(each) for each in runs]}))
        return
    click.echo("| culler | seconds | stopped | active ones stopped | others' p95 before | during |")
    click.echo("|---" * 6 + "|")
    for each in runs:
        how = f" (worked out from {each.sampled} stops)" if each.sampled else ""
        click.echo(
            f"| {each.name} | {each.seconds}{how} | {each.stopped} | {each.active_stopped} "
            f"| {each.before_ms:.0f} ms | {each.others_ms:.0f} ms |"
        )
    click.echo(f"\nfaster by {ratio} (goal {facts['goal']}); others' p95 goal {OTHERS_GOAL_MS} ms")
    click.echo(f"{users} users, {idle} idle, a stop takes {stop_seconds} s; {facts['machine']}; peer {peer_version}")


if __name__ == "__main__":
    main()
