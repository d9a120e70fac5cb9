"""What of the Hub on the node is away when a part of it dies, and for how long: measured from a user's side.

Every function brings about one accident on a deployed cluster and watches people with running servers through it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

import httpx

from cli.stack import bring_up
from devstack.day.people import Person
from devstack.node.node import pull_the_plug
from devstack.process import http_ok
from domain.errors import Failed, RiskhubError

Kubectl = Callable[..., str]
GIVE_UP = 240.0  # seconds


@dataclass
class Watched:
    """What a person's requests to their own server met with, ten a second."""

    sent: int = 0
    lost: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Accident:
    """One part away once. `seconds`: until it answered again; `lost` of `sent` requests to running notebooks."""

    seconds: float
    sent: int
    lost: int


def hub_killed(kubectl: Kubectl, person: Person) -> Accident:
    """The hub's pod is gone at once; until the new one answers its API. Requests to a notebook go on meanwhile.

    They are of somebody at work: their server asks the hub who they are, and then not again for five minutes.
    """
    until(lambda: server_answers(person), f"the server of {person.name}")
    watched, ended = Watched(), Event()
    watching = Thread(target=_keep_asking, args=(person, watched, ended))
    watching.start()
    try:
        seconds = _away(kubectl, "hub", http_ok(f"{person.public_url}/hub/api/"))
    finally:
        ended.set()
        watching.join()
    return Accident(seconds, watched.sent, len(watched.lost))


def proxy_killed(kubectl: Kubectl, person: Person) -> Accident:
    """The proxy's pod is gone at once, its routes with it; until the person's server answers again."""
    return Accident(_away(kubectl, "proxy", lambda: server_answers(person)), 0, 0)


def node_rebooted(reboot: Callable[[], None], people: Sequence[Person]) -> Accident:
    """The node without power, then with it; until everybody's server answers again."""
    began = time.monotonic()
    reboot()  # returns with the node dead, and not up again
    until(lambda: all(server_answers(person) for person in people), "all users' servers")
    return Accident(time.monotonic() - began, 0, 0)


def reboot(state: Path) -> None:
    """Power off and on; the cluster's holder starts what died in it."""
    pull_the_plug(state)
    bring_up(state, kind="cluster")


def server_answers(person: Person) -> bool:
    """Does the person's own server answer them now?"""
    try:
        return person.client.get(f"{person.server_url}/api/status", timeout=3).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def computes(person: Person) -> bool:
    """Does a cell on the person's own server come back with its result?"""
    try:
        return person.run_cell("print(6 * 7)").strip() == "42"
    except RiskhubError:
        return False


def until(condition: Callable[[], bool], what: str) -> float:
    """Seconds until the condition holds.

    Raises:
        Failed: it does not after four minutes.
    """
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > GIVE_UP:
            raise Failed(what, f"still waited for after {GIVE_UP:.0f} s", "look at the cluster: kubectl get pods -A")
        time.sleep(0.1)
    return time.monotonic() - began


def _away(kubectl: Kubectl, component: str, answers: Callable[[], bool]) -> float:
    """Delete the component's pod without grace; seconds until it `answers` after it did not."""
    began = time.monotonic()
    selector = f"--selector=component={component}"
    kubectl("--namespace=jupyterhub", "delete", "pod", selector, "--force", "--grace-period=0", "--wait=false")
    until(lambda: not answers(), f"the end of the {component}")
    until(answers, f"the {component}")
    return time.monotonic() - began


def _keep_asking(person: Person, watched: Watched, ended: Event) -> None:
    while not ended.wait(0.1):
        watched.sent += 1
        try:
            answer = person.client.get(f"{person.server_url}/api/status", timeout=5)
            if answer.status_code != httpx.codes.OK:
                watched.lost.append(str(answer.status_code))
        except httpx.TransportError as error:
            watched.lost.append(str(error))
