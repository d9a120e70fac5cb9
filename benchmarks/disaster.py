"""Everything is lost on the real node: how long until a user's notebook runs again (RTO), and what is lost (RPO).

    python -m benchmarks.disaster [--users 200] [--files 20000] [--schedule] [--json]

Needs Linux, root, and programs and images that are built (`make cluster` once); refused while another node is up. The
node has a state folder of its own, and is down afterwards. Namespaces, volumes, the Hub's database and every home are
lost; bucket and keys are left. Then one command brings all of it back, and every entry of the homes is compared with
what was there. Red when a goal is missed or an entry differs.

With --schedule the homes' last point is made by the schedule of every 15 minutes, while a user writes into a journal
every few seconds. All is lost at the worst moment, right before the schedule's next run: up to 31 minutes more.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.recovery import add_users, fill_homes, riskhub
from cli.answer import print_error
from cli.stack import bring_up, remove_state, take_down
from devstack.day.damage import Look, differences, look_at
from devstack.day.people import Person
from devstack.day.runs import Deployments
from devstack.node.cluster import holder_besides
from devstack.node.inside import OWNER
from devstack.node.loss import lose_everything
from devstack.node.node import run_kubectl
from devstack.node.programs import programs
from devstack.supervisor import KINDS, read_status
from domain.clock import utc_now
from domain.errors import Damaged, Failed, Refused, RiskhubError
from environments import Environment, load_environment
from environments.loader import state_folder
from systems.cluster.connection import cluster_of
from systems.homes import home_name

USER, PROFILE = "dina", "data-scientist"
RTO_GOAL = timedelta(seconds=120)
MIRROR = "mirror-homes/every-15-minutes"
INTERVAL = timedelta(minutes=15)
RUN_WITHIN = timedelta(minutes=10)
WRITE_EVERY = timedelta(seconds=5)
# Prefect's worker fetches a run ten seconds before it is due.
BEFORE_THE_NEXT = timedelta(seconds=15)
# What the notebook has in its one cell, run again; Jupyter keeps it line by line.
CELL = """\
import json
exec("".join(json.load(open("portfolio.ipynb"))["cells"][0]["source"]))
print(sum(weights.values()))
"""


@dataclass(frozen=True)
class Work:
    """What was written until all was lost.

    Attributes:
        written: when each line of the journal was written, in UTC.
        run: from when the schedule's run was due until it had ended.
    """

    written: Sequence[datetime]
    run: timedelta


@dataclass(frozen=True)
class LostWork:
    """What did not come back.

    Attributes:
        rpo: from the newest line that came back until the loss.
        run: as in `Work`.
        lines: lost; the first of them was written at `since` in UTC, None where none was lost.
    """

    rpo: timedelta
    run: timedelta
    lines: int
    since: datetime | None

    @property
    def goal(self) -> timedelta:
        return INTERVAL + self.run


@dataclass(frozen=True)
class Measured:
    """One disaster.

    Attributes:
        rto: from the start of the command until the user's notebook ran.
        command: until the command had ended.
        steps: name -> seconds of the command's steps.
        entries: compared; `differing`: those that are not as they were, each with what differs.
        lost: None where nobody wrote after the last point.
    """

    rto: timedelta
    command: timedelta
    steps: dict[str, float]
    entries: int
    differing: list[str]
    lost: LostWork | None

    @property
    def is_good(self) -> bool:
        return self.rto <= RTO_GOAL and not self.differing and (self.lost is None or self.lost.rpo <= self.lost.goal)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--schedule", action="store_true", help="measure the RPO too: up to 31 minutes more")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    arguments = parser.parse_args()
    if not 0 < 2 * arguments.users <= arguments.files:
        parser.error("every home gets two files at least: --files has to be twice --users or more")
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))  # the node goes down then too
    os.environ["RISKHUB_STATE"] = str(state_folder() / "disaster")
    state = state_folder() / "cluster"
    try:
        measured = on_a_node_of_its_own(state, arguments.users, arguments.files, schedule=arguments.schedule)
    except RiskhubError as error:
        print_error(error, as_json=arguments.json)
        return 1
    facts = {"users": arguments.users, "files": arguments.files, **facts_of(measured)}
    print(json.dumps(facts) if arguments.json else "\n".join(table(measured)))
    return int(not measured.is_good)


def on_a_node_of_its_own(state: Path, users: int, files: int, *, schedule: bool) -> Measured:
    """A disaster on a fresh node, which is down afterwards; its state goes too, unless something failed.

    Raises:
        Refused: another node is up, or this machine cannot be one.
        Failed: a step failed; the node's logs are left.
    """
    require_no_node(state)
    KINDS["cluster"].prepare()
    take_down(state, kind="cluster")
    remove_state(state, kind="cluster")
    try:
        bring_up(state, kind="cluster", owner=os.getpid())
        measured = disaster(state, users, files, schedule=schedule)
    finally:
        take_down(state, kind="cluster")
    remove_state(state, kind="cluster")
    return measured


def require_no_node(state: Path) -> None:
    """Refuse while any node is up on this machine."""
    other = holder_besides(state)
    if other or read_status(state)["phase"] not in ("down", "failed"):
        holder = other or state
        step = f"take that one down first: RISKHUB_STATE={holder.parent} riskhub cluster down"
        raise Refused("node of the benchmark", f"a node is up already, for the cluster in {holder}", step)


def disaster(state: Path, users: int, files: int, *, schedule: bool) -> Measured:
    """Fill the Hub, take a recovery point, lose everything, recover, compare."""
    env, deployments = deployed()
    add_people(env, users, files)
    home = env.homes.user_data / home_name(USER)
    use_notebook(env)
    tell("a backup, which makes a recovery point")
    riskhub("backup", "run", "--execute", "--environment=dev")
    riskhub("backup", "shared", "--execute", "--environment=dev")
    journal = home / "journal.txt"
    work: Work | None = None
    if schedule:
        work, before = work_until_the_next_run(deployments, env, journal)
    else:
        before = look_at(env.homes.user_data)
    lost_at = utc_now()

    tell("everything is lost")
    kubectl = partial(run_kubectl, state / "node", programs())
    lose_everything(env, cluster_of(env), kubectl)
    if any(env.homes.user_data.iterdir()):
        raise Failed("loss", "there are homes left", "look at devstack/node/loss.py")

    tell("recovery")
    began = time.monotonic()
    record = riskhub("recover", "environment", "--execute", f"--confirm={env.label}", "--environment=dev")
    command = time.monotonic() - began
    hers = look_at(home)  # her own server will write into it: her home is compared as it was brought back
    run_notebook_again(env)
    rto = time.monotonic() - began

    tell("comparison")
    after = with_home(look_at(env.homes.user_data), home.name, hers)
    proof = home_name(env.health.synthetic_user)  # the deployment proves itself by working in it
    left_out = (proof, str(journal.relative_to(env.homes.user_data)))
    compared = without(before, *left_out)
    return Measured(
        rto=timedelta(seconds=rto),
        command=timedelta(seconds=command),
        steps={f"{each['verb']} {each['target']}": each["seconds"] for each in record["outcomes"]},
        entries=len(compared),
        differing=differences(compared, without(after, *left_out)),
        lost=lost_work(work, journal.read_text(), lost_at) if work else None,
    )


def deployed() -> tuple[Environment, Deployments]:
    """The Hub and the runbook's own engine on the node; nothing starts by itself."""
    for what in ("hub", "flows"):
        tell(f"deployment of the {what}")
        riskhub("deploy", what, "--execute", "--environment=dev")
    env = load_environment("dev")
    deployments = Deployments(env.prefect.api_url, env.prefect.ui_url)
    deployments.pause_schedules()
    return env, deployments


def add_people(env: Environment, users: int, files: int) -> None:
    """One user who logs in and goes, others like her in the Hub's database, and homes for them all.

    Their files are theirs, as they are on the node, and their notebooks nobody else's to read.
    """
    tell(f"{users} users, {files} files")
    person = Person.log_in(USER, env.hub.public_url)
    person.start_server(profile=PROFILE)
    person.stop_server()  # none may run in a home that is about to be filled
    person.client.close()
    homes = env.homes.user_data
    fill_homes(homes, [USER, *add_users(env.database, USER, users - 1)], files)
    for path in (homes, *homes.rglob("*")):
        os.chown(path, OWNER, OWNER, follow_symlinks=False)
        if path.name == "portfolio.ipynb":
            path.chmod(0o600)


def use_notebook(env: Environment) -> None:
    """The user saves a notebook, runs it, and goes home."""
    person = Person.log_in(USER, env.hub.public_url)
    person.start_server(profile=PROFILE)
    person.write_notebook("portfolio.ipynb")
    require_result(person)
    person.stop_server()
    person.client.close()


def run_notebook_again(env: Environment) -> None:
    """The user logs in again, starts a server and runs the notebook; she is left at work."""
    person = Person.log_in(USER, env.hub.public_url)
    person.start_server(profile=PROFILE)
    require_result(person)
    person.client.close()


def require_result(person: Person) -> None:
    """Run the user's notebook.

    Raises:
        Failed: it does not say what it said before.
    """
    said = person.run_cell(CELL).strip()
    if said != "1.0":
        raise Failed(f"notebook of {person.name}", f"it printed {said[:200]!r}, and not 1.0", "read the Hub's log")


def work_until_the_next_run(deployments: Deployments, env: Environment, journal: Path) -> tuple[Work, Look]:
    """Write into the journal over one run of the schedule, until right before the next; and the homes in between.

    Raises:
        Failed: the schedule makes no run, or it does not end well.
    """
    deployments.resume_schedule(MIRROR)
    with writing(journal) as written:
        first = deployments.next_due(MIRROR, utc_now())
        following = deployments.next_due(MIRROR, first.at)
        wait_for(first.at, "the schedule's run")
        run = deployments.wait(first.id, RUN_WITHIN)
        if not run.succeeded:
            raise Failed(f"flow run of {MIRROR}", f"it ended {run.state}: {run.message}", f"look at {run.url}")
        took = run.ended_at - first.at
        tell(f"the schedule's run: {run.message}; {took.total_seconds():.1f} s after it was due")
        before = look_at(env.homes.user_data)
        wait_for(following.at - BEFORE_THE_NEXT, "the loss, right before the next run,")
    return Work(written, took), before


@contextmanager
def writing(journal: Path) -> Iterator[list[datetime]]:
    """While the block runs, the journal gets a line with the time every few seconds; these times."""
    journal.touch()
    os.chown(journal, OWNER, OWNER)
    written: list[datetime] = []
    ended = threading.Event()
    writer = threading.Thread(target=_write, args=(journal, written, ended), daemon=True)
    writer.start()
    try:
        yield written
    finally:
        ended.set()
        writer.join()


def _write(journal: Path, written: list[datetime], ended: threading.Event) -> None:
    with journal.open("a") as file:
        while True:
            now = utc_now()
            file.write(f"{now.isoformat()}\n")
            file.flush()
            written.append(now)
            if ended.wait(WRITE_EVERY.total_seconds()):
                return


def lost_work(work: Work, restored: str, lost_at: datetime) -> LostWork:
    """Hold the journal that came back against what was written.

    Raises:
        Damaged: nothing came back, or something that was not written.
    """
    lines = [each.isoformat() for each in work.written]
    back = restored.splitlines()
    if not back or back != lines[: len(back)]:
        cause = f"{len(back)} lines came back, and they are not the first of the {len(lines)} that were written"
        raise Damaged("journal", cause, "look at the point that was restored: riskhub mirror history")
    lost = work.written[len(back) :]
    return LostWork(
        rpo=lost_at - work.written[len(back) - 1],
        run=work.run,
        lines=len(lost),
        since=lost[0] if lost else None,
    )


def without(look: Look, *places: str) -> Look:
    """What was seen, but for these paths and what is below them."""
    return {path: seen for path, seen in look.items() if not any(Path(path).is_relative_to(each) for each in places)}


def with_home(look: Look, name: str, home: Look) -> Look:
    """What was seen, but of one home what another look saw."""
    return without(look, name) | {str(Path(name, path)): seen for path, seen in home.items()}


def facts_of(measured: Measured) -> dict[str, Any]:
    """What is measured, as JSON has it; seconds, and times in UTC."""
    lost = measured.lost
    rpo = lost and {
        "seconds": round(lost.rpo.total_seconds(), 1),
        "goal": round(lost.goal.total_seconds(), 1),
        "lines_lost": lost.lines,
        "first_lost": lost.since and lost.since.isoformat(),
    }
    return {
        "rto": {
            "seconds": round(measured.rto.total_seconds(), 1),
            "goal": RTO_GOAL.total_seconds(),
            "command_seconds": round(measured.command.total_seconds(), 1),
            "steps": measured.steps,
        },
        "entries": measured.entries,
        "differences": measured.differing,
        "rpo": rpo,
    }


def table(measured: Measured) -> list[str]:
    """What is measured, in lines for people."""
    rto, goal = measured.rto.total_seconds(), RTO_GOAL.total_seconds()
    lines = [
        f"from the command to a user's notebook {rto:7.1f} s (goal {goal:.0f} s)",
        f"  the command                         {measured.command.total_seconds():7.1f} s",
        *(f"    {name:33} {seconds:7.1f} s" for name, seconds in measured.steps.items()),
        f"entries that are not as they were: {len(measured.differing)} of {measured.entries}",
        *(f"  {each}" for each in measured.differing[:20]),
    ]
    if lost := measured.lost:
        first = f", the first of {lost.since:%H:%M:%S} UTC" if lost.since else ""
        lines += [
            f"work lost                             {lost.rpo.total_seconds():7.1f} s "
            f"(goal {INTERVAL.total_seconds():.0f} s and the run's {lost.run.total_seconds():.1f} s)",
            f"  {lost.lines} writes{first}",
        ]
    return lines


def wait_for(moment: datetime, what: str) -> None:
    """Wait until then, and tell every minute how long that is."""
    while (left := (moment - utc_now()).total_seconds()) > 0:
        tell(f"{what} is due in {left:.0f} s")
        time.sleep(min(left, 60))


def tell(words: str) -> None:
    """A line on stderr, with the time in UTC."""
    print(f"{utc_now():%H:%M:%S}  {words}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
