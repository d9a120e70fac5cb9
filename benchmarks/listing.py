"""How long it takes to list everybody, on a real Hub with many users (the Hub gives at most 200 of them at a time).

    python -m benchmarks.listing [--users 10000] [--servers 1000] [--repeat 5] [--json]

Some of the users have a light server that runs. Three things are timed in turns: all users with their servers, the
servers alone, and the whole command `riskhub sessions list` with the start of its process. Red when one does not
tell everybody, or when a median is over the goal.
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
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import click

from devstack.light import LightHub, Seed, light_hub
from domain.errors import Failed
from systems.hub import list_servers, list_users

GOAL_SECONDS = 10.0


def listed_by_command(hub: LightHub) -> int:
    """Servers that `riskhub sessions list` tells."""
    token = hub.settings.api_token.get_secret_value()
    ended = subprocess.run(
        (sys.executable, "-m", "cli.main", "sessions", "list", "--json"),
        env={**os.environ, "JUPYTERHUB_API_URL": hub.settings.api_url, "JUPYTERHUB_API_TOKEN": token},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if ended.returncode != 0:
        raise Failed("riskhub sessions list", ended.stderr.strip(), "run it by hand")
    return len(json.loads(ended.stdout)["servers"])


def measure(users: int, servers: int, repeat: int) -> dict[str, list[float]]:
    """Seconds by what was listed.

    Raises:
        Failed: a list is not whole.
    """
    names = [f"user-{number:05d}" for number in range(users)]
    seeds = [Seed(name, timedelta(minutes=5), runs=number < servers) for number, name in enumerate(names)]
    seconds: dict[str, list[float]] = {}
    with (
        tempfile.TemporaryDirectory(prefix="riskhub-benchmark-") as folder,
        light_hub(Path(folder), seeds) as hub,
    ):
        looks: dict[str, tuple[Callable[[], int], int]] = {
            "all users": (lambda: sum(each.name in known for each in list_users(hub.settings)), users),
            "all servers": (lambda: len(list_servers(hub.settings)), servers),
            "riskhub sessions list": (lambda: listed_by_command(hub), servers),
        }
        known = set(names)
        for _ in range(repeat):
            for what, (look, expected) in looks.items():
                began = time.monotonic()
                seen = look()
                seconds.setdefault(what, []).append(time.monotonic() - began)
                if seen != expected:
                    raise Failed(what, f"{seen} of {expected} were listed", "the Hub's pages were not read whole")
    return seconds


@click.command()
@click.option("--users", default=10_000, show_default=True)
@click.option("--servers", default=1000, show_default=True, help="How many of them have a server that runs.")
@click.option("--repeat", default=5, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def main(users: int, servers: int, repeat: int, as_json: bool) -> None:
    """Measure how long it takes to list everybody on a real Hub."""
    seconds = measure(users, servers, repeat)
    medians = {what: statistics.median(each) for what, each in seconds.items()}
    machine = f"{os.cpu_count()} cores, load {os.getloadavg()[1]:.1f}, Python {platform.python_version()}"
    if as_json:
        click.echo(json.dumps({"users": users, "servers": servers, "seconds": seconds, "machine": machine}))
    else:
        click.echo("| listed | median | slowest |\n|---|---|---|")
        for what, each in seconds.items():
            click.echo(f"| {what} | {medians[what]:.2f} s | {max(each):.2f} s |")
        click.echo(f"\n{users} users, {servers} with a server; goal {GOAL_SECONDS:.0f} s; {machine}")
    sys.exit(max(medians.values()) > GOAL_SECONDS)


if __name__ == "__main__":
    main()
