"""The node and the Hub on it: from nothing to a first cell, and how long what dies is away.

    python -m benchmarks.cluster [--repeat 3] [--json]

Needs Linux, root, and programs and images that are built (`make cluster` once). It begins with an empty cluster: what
`riskhub cluster` left in the state folder is removed. Each figure is held against its goal; red when one is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx

from benchmarks.resilience import Accident, computes, hub_killed, node_rebooted, proxy_killed, reboot, until
from cli.stack import bring_up, remove_state, take_down
from devstack.day.people import Person
from devstack.node.node import run_kubectl
from devstack.node.programs import programs
from devstack.supervisor import KINDS
from domain.errors import Failed, RiskhubError
from environments.loader import load_environment, state_folder

PEOPLE = {"ana": "business-user", "dina": "data-scientist"}
# name -> seconds
GOALS = {
    "cluster up": 45.0,
    "empty cluster to first cell": 60.0,
    "hub killed": 15.0,
    "proxy killed": 10.0,
    "node rebooted": 45.0,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3, help="how often each part is killed (default 3)")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    arguments = parser.parse_args()
    state = state_folder() / "cluster"
    KINDS["cluster"].prepare()
    take_down(state, kind="cluster")
    remove_state(state, kind="cluster")
    try:
        seconds, sent, lost = measure(state, arguments.repeat)
    finally:
        take_down(state, kind="cluster")
    rows = [{"figure": name, "seconds": seconds[name], "goal": goal} for name, goal in GOALS.items()]
    if arguments.json:
        print(json.dumps({"figures": rows, "requests_sent": sent, "requests_lost": lost}))
    else:
        for name, goal in GOALS.items():
            each = ", ".join(f"{one:.1f}" for one in seconds[name])
            print(f"{name:30} {statistics.median(seconds[name]):6.1f} s  (goal {goal:.0f} s; each: {each})")
        print(f"hub away: {lost} of {sent} requests to a running notebook lost")
    missed = lost or any(statistics.median(seconds[name]) > goal for name, goal in GOALS.items())
    return 1 if missed else 0


def measure(state: Path, repeat: int) -> tuple[dict[str, list[float]], int, int]:
    """Seconds of each figure; requests to a notebook sent and lost while the hub was away."""
    seconds: dict[str, list[float]] = {name: [] for name in GOALS}
    began = time.monotonic()
    bring_up(state, kind="cluster", owner=os.getpid())
    seconds["cluster up"].append(time.monotonic() - began)
    url = load_environment("dev").hub.public_url
    began = time.monotonic()
    deploying = subprocess.Popen(
        (sys.executable, "-m", "cli.main", "deploy", "hub", "--environment=dev", "--execute", "--json"),
        stdout=subprocess.DEVNULL,
    )
    people = [logged_in("ana", url)]
    people[0].start_server(profile=PEOPLE["ana"])
    people[0].run_cell("print(1)")
    seconds["empty cluster to first cell"].append(time.monotonic() - began)
    if deploying.wait() != 0:
        raise Failed("deployment", "it failed", "run riskhub deploy hub --environment dev --execute")
    people.append(logged_in("dina", url))
    people[1].start_server(profile=PEOPLE["dina"])

    administer = partial(run_kubectl, state / "node", programs())
    accidents: dict[str, Callable[[], Accident]] = {
        "hub killed": lambda: hub_killed(administer, people[0]),
        "proxy killed": lambda: proxy_killed(administer, people[0]),
        "node rebooted": lambda: node_rebooted(lambda: reboot(state), people),
    }
    sent = lost = 0
    for _ in range(repeat):
        for name, bring_about in accidents.items():
            seen = bring_about()
            print(f"  {name}: {seen.seconds:.1f} s", file=sys.stderr)
            seconds[name].append(seen.seconds)
            sent, lost = sent + seen.sent, lost + seen.lost
            settle(people)
    return seconds, sent, lost


def logged_in(name: str, url: str) -> Person:
    """The person, as soon as the Hub lets them in."""
    found: list[Person] = []

    def let_in() -> bool:
        try:
            found.append(Person.log_in(name, url))
        except (RiskhubError, httpx.HTTPError):
            return False
        return True

    until(let_in, f"login of {name}")
    return found[0]


def settle(people: list[Person]) -> None:
    """Until all is as before: one accident does not lengthen the next."""
    until(lambda: all(computes(person) for person in people), "cells after the accident")
    time.sleep(5)


if __name__ == "__main__":
    sys.exit(main())
