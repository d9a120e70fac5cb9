"""How long a whole Hub takes to come back: 200 users, 20,000 files, from a recovery point to a notebook that runs.

    python -m benchmarks.recovery [--users 200] [--files 20000] [--repeat 3] [--json]

Brings up an embedded stack of its own, fills it, takes a recovery point, and drills with every home. Time and memory
are held against their goals; red when one is missed, or when a drill leaves a process or a folder behind.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.mirror import make_tree
from cli.stack import proportional_memory
from devstack.day.people import NOTEBOOK, Person
from devstack.process import marked
from devstack.stack import Stack
from domain.errors import Failed
from environments import Environment, load_environment
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
    with tempfile.TemporaryDirectory(prefix="riskhub-recovery-") as folder:
        os.environ["RISKHUB_STATE"] = folder
        stack = Stack(Path(folder))
        stack.up(lambda name, seconds: print(f"{name:20} {seconds:6.1f} s", file=sys.stderr))
        try:
            env = load_environment("local")
            fill(env, arguments.users, arguments.files)
            riskhub("backup", "run", "--execute")
            drills = [drill(stack) for _ in range(arguments.repeat)]
        finally:
            stack.down()
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
    """Users as the Hub keeps them after a login, each with a notebook and their share of the files.

    One of them logs in; the others' rows are hers under other names: same groups, roles and auth_state.
    """
    Person.log_in("ana", env.hub.public_url)
    ask(
        env.database,
        "insert into users (name, admin, created, cookie_id, encrypted_auth_state) "  # noqa: S608 - a number
        "select 'user' || n, false, now(), md5(n::text), encrypted_auth_state "
        f"from users, generate_series(1, {users - 1}) n where name = 'ana'",
    )
    for table, columns in (("user_role_map", "role_id, managed_by_auth"), ("user_group_map", "group_id")):
        ask(
            env.database,
            f"insert into {table} (user_id, {columns}) select other.id, {columns} from {table} "  # noqa: S608 - names above
            "join users ana on ana.id = user_id and ana.name = 'ana', users other where other.name like 'user%'",
        )
    homes = env.homes.user_data
    make_tree(homes, files - users, users)
    for number, name in enumerate(["ana", *(f"user{number}" for number in range(1, users))]):
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


def riskhub(*arguments: str) -> None:
    """A command that has to succeed."""
    ended = subprocess.run(command(*arguments), capture_output=True, text=True, check=False)
    if ended.returncode:
        raise Failed(f"riskhub {' '.join(arguments)}", ended.stdout[-400:] or ended.stderr[-400:], "run it by hand")


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
