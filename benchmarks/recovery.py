"""How long a whole Hub takes to come back: 200 users, 20,000 files, from a recovery point to a notebook that runs.

    python -m benchmarks.recovery [--users 200] [--files 20000] [--repeat 3] [--json]

Brings up an embedded stack of its own, fills it, takes a recovery point, and drills with every home. Time and memory
are held against their goals; red when one is missed, or when a drill leaves a process or a folder behind.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.embedded import embedded_stack
from benchmarks.mirror import make_tree
from cli.stack import proportional_memory
from devstack.day.people import NOTEBOOK, Person
from devstack.process import marked
from devstack.stack import Stack
from domain.errors import Failed
from environments import Environment, load_environment
from environments.settings import DatabaseSettings
from systems.database import ask
from systems.homes import home_name

RTO_GOAL = 60.0  # seconds
MEMORY_GOAL = 1024  # MiB


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--repeat", type=int, default=3, help="how many drills (default 3)")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    arguments = parser.parse_args()
    with embedded_stack() as stack:
        fill(load_environment("local"), arguments.users, arguments.files)
        riskhub("backup", "run", "--execute")
        drills = [drill(stack) for _ in range(arguments.repeat)]
    rto = statistics.median(each["rto"] for each in drills)
    memory = max(each["memory_mib"] for each in drills)
    if arguments.json:
        print(json.dumps({"users": arguments.users, "files": arguments.files, "drills": drills}))
    else:
        each = ", ".join(f"{one['rto']:.1f}" for one in drills)
        print(f"from nothing to a user's notebook {rto:6.1f} s   (goal {RTO_GOAL:.0f} s; each: {each})")
        print(f"memory that a drill adds, peak    {memory:6.0f} MiB (goal {MEMORY_GOAL} MiB)")
        for name, seconds in drills[-1]["steps"].items():
            print(f"  {name:30} {seconds:6.1f} s")
    return int(rto > RTO_GOAL or memory > MEMORY_GOAL)


def fill(env: Environment, users: int, files: int) -> None:
    """Users as the Hub keeps them after a login, each with a notebook and their share of the files."""
    Person.log_in("ana", env.hub.public_url)
    fill_homes(env.homes.user_data, ["ana", *add_users(env.database, "ana", users - 1)], files)


def add_users(database: DatabaseSettings, like: str, count: int) -> list[str]:
    """The names of so many new users of the Hub.

    Their rows are under other names those of `like`, who has logged in: same groups, roles and auth_state.
    """
    ask(
        database,
        "insert into users (name, admin, created, cookie_id, encrypted_auth_state) "  # noqa: S608 - from callers here
        "select 'user' || n, false, now(), md5(n::text), encrypted_auth_state "
        f"from users, generate_series(1, {count}) n where name = '{like}'",
    )
    for table, columns in (("user_role_map", "role_id, managed_by_auth"), ("user_group_map", "group_id")):
        ask(
            database,
            f"insert into {table} (user_id, {columns}) select other.id, {columns} from {table} "  # noqa: S608 - names above
            f"join users one on one.id = user_id and one.name = '{like}', users other where other.name like 'user%'",
        )
    return [f"user{number}" for number in range(1, count + 1)]


def fill_homes(homes: Path, users: Sequence[str], files: int) -> None:
    """So many files in the homes of `users`, in each one notebook at least; what was in these homes is gone."""
    make_tree(homes, files - len(users), len(users))
    for number, name in enumerate(users):
        home = homes / home_name(name)
        shutil.rmtree(home, ignore_errors=True)  # the samples of a first login
        (homes / f"user-{number:04d}").rename(home)
        (home / "portfolio.ipynb").write_text(json.dumps(NOTEBOOK))


def drill(stack: Stack) -> dict[str, Any]:
    """One drill with every home: seconds to recover and of each step, and what its processes took at their peak."""
    before = {process.pid for process in marked(stack.state)}
    running = subprocess.Popen(command("recovery", "drill", "--whole", "--execute"), stdout=subprocess.PIPE, text=True)
    peak = 0
    drills = stack.state / "drills"
    while running.poll() is None:
        own = sum(proportional_memory(folder) for folder in drills.iterdir()) if drills.exists() else 0
        peak = max(peak, own + _memory_of(running.pid))
        time.sleep(0.5)
    record = json.loads(running.communicate()[0])
    if running.returncode == 1:
        raise Failed("drill", record["summary"], "run it by hand")
    if any(drills.iterdir()) or {process.pid for process in marked(stack.state)} - before:
        raise Failed("drill", "it left something behind", f"look into {drills}")
    steps = {f"{each['verb']} {each['target']}": each["seconds"] for each in record["outcomes"]}
    print(f"drill: {record['summary']}", file=sys.stderr)
    return {"rto": record["measures"]["rto_seconds"], "memory_mib": peak / 2**20, "steps": steps}


def riskhub(*arguments: str) -> dict[str, Any]:
    """The record of a command that has to succeed."""
    done = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=1800, check=False)
    if done.returncode:
        raise Failed(f"riskhub {' '.join(arguments)}", done.stdout[-1000:] or done.stderr[-1000:], "run it by hand")
    record: dict[str, Any] = json.loads(done.stdout)
    return record


def command(*arguments: str) -> tuple[str, ...]:
    """`riskhub` with these arguments, its answer as JSON."""
    return (sys.executable, "-m", "cli.main", *arguments, "--json")


def _memory_of(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


if __name__ == "__main__":
    sys.exit(main())
