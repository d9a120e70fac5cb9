"""The day, step by step. Each step is a function that does one thing and says what came of it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from devstack.day.damage import Look, alter_notebook, delete_home, differences, look_at, plant_link
from devstack.day.people import Person
from devstack.day.runs import Deployments, Run
from devstack.sso import PEOPLE
from domain.clock import utc_now
from domain.errors import Failed
from environments import Environment
from environments.loader import PROJECT
from systems.homes import home_name
from systems.objects import get_object, list_objects

ACTIVE = ("dina", "emil", "gita")
IDLE = timedelta(seconds=20)  # the day's users fall idle within seconds, not hours
DAMAGED = {"ana": "home deleted", "bea": "notebook altered, size and mtime kept", "carl": "folder made a link"}


@dataclass
class Day:
    """What one step leaves for the next."""

    env: Environment
    state: Path
    deployments: Deployments
    people: dict[str, Person] = field(default_factory=dict)
    before: dict[str, Look] = field(default_factory=dict)
    good_point: datetime = field(default_factory=utc_now)
    resting_since: float = 0.0
    at_work: threading.Event = field(default_factory=threading.Event)

    def home(self, name: str) -> Path:
        return self.env.homes.user_data / home_name(name)

    def run(self, deployment: str, **parameters: object) -> Run:
        """One deployment run to its end.

        Raises:
            Failed: it did not complete.
        """
        return self.completed(deployment, self.deployments.start(deployment, parameters))

    def completed(self, deployment: str, run_id: str) -> Run:
        run = self.deployments.wait(run_id)
        if not run.succeeded:
            raise Failed(f"flow run of {deployment}", f"it ended {run.state}: {run.message}", f"look at {run.url}")
        return run


@dataclass(frozen=True)
class Told:
    """What a step says for the table: its result, and where to look."""

    result: str
    where: str = ""


def people_log_in(day: Day) -> Told:
    """Everybody through SSO, two at a time, as two cores allow."""

    def arrive(name: str) -> Person:
        person = Person.log_in(name, day.env.hub.public_url)
        person.start_server()
        return person

    with ThreadPoolExecutor(3) as pool:
        day.people = dict(zip(PEOPLE, pool.map(arrive, PEOPLE), strict=True))
    return Told(f"{len(day.people)} people logged in, {len(day.people)} servers running", day.env.hub.public_url)


def people_work(day: Day) -> Told:
    """Notebooks and folders in every home; then some go on, and some walk away."""
    for person in day.people.values():
        person.make_folder("limits")
        person.write_notebook("portfolio.ipynb")
        person.write_text("limits/desk.csv", "desk,limit\nequities,1000000\n")
        person.write_text("notes to self.md", f"# {person.name}\n")
    day.resting_since = time.monotonic()
    threading.Thread(target=_keep_working, args=(day,), daemon=True).start()
    return Told(f"4 files in each of {len(day.people)} homes; {len(ACTIVE)} people go on, the rest leave")


def first_health_check(day: Day) -> Told:
    """Everything is as it should be, but that there is no backup yet, and no drill: the check must say so."""
    run = day.deployments.wait(day.deployments.start("daily-health-check/morning", {}))
    if run.succeeded:
        raise Failed("health check", "it is green though there was never a backup", f"look at {run.url}")
    missing = ["backup-mirror", *(["recovery"] if day.env.recovery else [])]
    if not run.message.startswith(f"degraded: backup-snapshot; from that follow: {', '.join(missing)};"):
        raise Failed("health check", f"it ended {run.state}: {run.message}", f"look at {run.url}")
    return Told(f"{run.state}, rightly: {run.message}", run.url)


def cull(day: Day) -> Told:
    """Idle servers stop; nobody at work is interrupted."""
    idle = IDLE.total_seconds() + 5  # activity is told every 2 s
    time.sleep(max(0.0, day.resting_since + idle - time.monotonic()))
    run = day.run("cull-idle-servers/every-15-minutes", execute=True, policy={"idle": f"PT{IDLE.seconds}S"})
    running = {name for name, person in day.people.items() if person.is_running()}
    if running != set(ACTIVE):
        raise Failed("cull", f"running now: {', '.join(sorted(running))}", f"look at {run.url}")
    return Told(
        f"{len(day.people) - len(running)} idle servers stopped, {len(running)} active ones left alone", run.url
    )


def back_up(day: Day) -> Told:
    """What is shared, then a recovery point; then the homes are looked at, to compare after the restore."""
    day.run("mirror-shared/nightly", execute=True)
    run = day.run("daily-backup/nightly", execute=True)
    day.before = {name: look_at(day.home(name)) for name in DAMAGED}
    day.good_point = utc_now()
    return Told(run.message, run.url)


def report(day: Day) -> Told:
    """The daily market-risk report over the Risk API; its page is fetched from the bucket, to be looked at."""
    run = day.run("run-report/weekday-mornings", execute=True)
    pages = [stored for stored in list_objects(day.env.objects, "reports/") if stored.key.endswith(".html")]
    newest = max(pages, key=lambda stored: stored.modified)
    page = day.state / "report.html"
    page.write_bytes(get_object(day.env.objects, newest.key))
    return Told(run.message, page.as_uri())


def damage(day: Day) -> Told:
    """Three homes, three kinds of harm."""
    delete_home(day.home("ana"))
    alter_notebook(day.home("bea") / "portfolio.ipynb")
    plant_link(day.home("carl") / "limits", day.home("dina"))
    harmed = sum(bool(differences(day.before[name], look_at(day.home(name)))) for name in DAMAGED)
    if harmed != len(DAMAGED):
        raise Failed("damage", f"only {harmed} of {len(DAMAGED)} homes differ", "look at devstack/day/damage.py")
    return Told("; ".join(f"{name}: {harm}" for name, harm in DAMAGED.items()))


def restore(day: Day) -> Told:
    """Each damaged home to the moment of the backup, three runs side by side."""
    at = day.good_point.isoformat()
    name = "restore-user-home/on-call"
    confirmed = {"at": at, "confirm": day.env.label, "execute": True}
    began = [day.deployments.start(name, {"user": user, **confirmed}) for user in DAMAGED]
    runs = [day.completed(name, run_id) for run_id in began]
    return Told("; ".join(run.message for run in runs), runs[0].url)


def compare(day: Day) -> Told:
    """Byte for byte, with modes, owners and mtimes; and the link's target was not written to."""
    wrong = [f"{name}/{path}" for name in DAMAGED for path in differences(day.before[name], look_at(day.home(name)))]
    if wrong:
        raise Failed("comparison", f"{len(wrong)} entries differ: {', '.join(wrong[:5])}", "look at the restore's run")
    entries = sum(len(look) for look in day.before.values())
    return Told(f"{entries} entries in {len(DAMAGED)} homes equal: bytes, modes, owners, mtimes", str(day.home("ana")))


def second_health_check(day: Day) -> Told:
    """Now there is a backup, and a drill that passed too, and all is green."""
    run = day.run("daily-health-check/morning")
    return Told(run.message, run.url)


def drill(day: Day) -> Told:
    """The whole Hub once more beside the first, from the day's recovery point, a user's notebook running in it."""
    run = day.run("recovery-drill/monthly", whole=True, execute=True)
    return Told(run.message, run.url)


def deploy_the_hub(day: Day) -> Told:
    """The Hub and the runbook's own engine onto the cluster, from the command line: there is no Prefect yet."""
    return Told(_riskhub(day, "hub")["summary"], day.env.hub.public_url)


def deploy_the_flows(day: Day) -> Told:
    """prefect.yaml's deployments, to be run as Jobs."""
    told = _riskhub(day, "flows")
    return Told(f"{len(told['deployments'])} deployments, their runs Jobs of the cluster", day.env.prefect.ui_url)


def _riskhub(day: Day, what: str) -> dict[str, Any]:
    arguments = ("deploy", what, f"--environment={day.env.name}", "--execute", "--json")
    command = (sys.executable, "-m", "cli.main", *arguments)
    ended = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=900, check=False)
    if ended.returncode != 0:
        raise Failed(f"deployment of the {what}", ended.stderr.strip()[-400:], f"run riskhub {' '.join(arguments)}")
    told: dict[str, Any] = json.loads(ended.stdout)
    return told


DAY: tuple[Callable[[Day], Told], ...] = (
    people_log_in,
    people_work,
    first_health_check,
    cull,
    back_up,
    report,
    damage,
    restore,
    compare,
)
STEPS = {
    "local": (*DAY, drill, second_health_check),
    "dev": (deploy_the_hub, deploy_the_flows, *DAY, drill, second_health_check),
}


def _keep_working(day: Day) -> None:
    """The active people save their notebook every other second until the day ends."""
    while not day.at_work.wait(timedelta(seconds=2).total_seconds()):
        for name in ACTIVE:
            day.people[name].write_notebook("portfolio.ipynb")
