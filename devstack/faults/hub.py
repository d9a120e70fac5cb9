"""Faults of the Hub, the proxy before it, and the servers behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import httpx
import psutil
from pydantic import SecretStr

from devstack.day.people import Person
from devstack.faults.fault import changed, halted, halting, restarted_with, stopped
from devstack.process import MARK, http_ok, start
from devstack.stack import Stack
from domain.errors import Failed
from environments import Environment
from systems import hub as hubs
from systems.database import ask, hub_since
from systems.homes import home_name

_PATIENCE = timedelta(seconds=6)
_ROW = "update spawners set user_options = 'OPTIONS' where user_id = (select id from users where name = 'bea')"


@contextmanager
def down(stack: Stack, env: Environment) -> Iterator[Environment]:
    with stopped(stack, "hub"):
        yield env


@contextmanager
def starting(stack: Stack, env: Environment) -> Iterator[Environment]:
    """It was restarted, has opened its database, and is held there."""
    part, _ = stack.running["hub"]
    stack.stop_part("hub")
    process = start(part, stack.state)
    stack.running["hub"] = part, process
    _until(lambda: hub_since(env.database) is not None, "a Hub at its database")
    with halting([psutil.Process(process.pid)]):
        yield env
    _until(http_ok(f"{stack.public_url}/hub/health"), "the Hub")


@contextmanager
def halting_hub(stack: Stack, env: Environment) -> Iterator[Environment]:
    """It is too busy to answer anybody."""
    with halted(stack, "hub"):
        yield env


@contextmanager
def token_rejected(_: Stack, env: Environment) -> Iterator[Environment]:
    yield changed(env, "hub", api_token=SecretStr("f" * 32))


@contextmanager
def token_without_scope(stack: Stack, env: Environment) -> Iterator[Environment]:
    """A good token, of somebody who may not see what the Hub is."""
    bea = Person.log_in("bea", stack.public_url)
    token = bea.client.headers["Authorization"].split()[1]
    yield changed(env, "hub", api_token=SecretStr(token))


@contextmanager
def proxy_down(stack: Stack, env: Environment) -> Iterator[Environment]:
    with stopped(stack, "proxy"):
        yield env
    _until(http_ok(f"{stack.public_url}/hub/health"), "the Hub's route")


@contextmanager
def proxy_halted(stack: Stack, env: Environment) -> Iterator[Environment]:
    with halted(stack, "proxy"):
        yield env


@contextmanager
def server_route_lost(stack: Stack, env: Environment) -> Iterator[Environment]:
    """The proxy does not know the way to a server that runs."""
    user = env.health.synthetic_user
    hubs.ensure_user(env.hub, user)
    hubs.start_server(env.hub, user, deadline=timedelta(seconds=90))
    try:
        with _route_lost(stack, f"/user/{user}"):
            yield env
    finally:
        hubs.end_server(env.hub, user)
        hubs.delete_user(env.hub, user)


@contextmanager
def hub_route_lost(stack: Stack, env: Environment) -> Iterator[Environment]:
    """The proxy does not know the way to the Hub."""
    try:
        with _route_lost(stack, "/"):
            yield env
    finally:
        stack.restart_part("hub")


@contextmanager
def home_in_the_way(_: Stack, env: Environment) -> Iterator[Environment]:
    """There is a file where the home should be: the spawner raises."""
    home = env.homes.user_data / home_name(env.health.synthetic_user)
    aside = home.with_name("aside")
    if home.exists():
        home.rename(aside)
    home.write_text("a file")
    try:
        yield env
    finally:
        home.unlink()
        if aside.exists():
            aside.rename(home)


@contextmanager
def server_halted(stack: Stack, env: Environment) -> Iterator[Environment]:
    """The user's server begins, and gets no further for longer than anybody waits."""
    with _no_further(stack, env.health.synthetic_user, 2 * _PATIENCE):
        yield changed(env, "health", spawn_deadline=_PATIENCE)


@contextmanager
def spawns_throttled(stack: Stack, env: Environment) -> Iterator[Environment]:
    """As many servers are starting as the Hub starts at once, and none gets further: nobody else may begin."""
    with restarted_with(stack, "hub", HUB_CONCURRENT_SPAWNS="1"):
        _until(http_ok(f"{stack.public_url}/hub/health"), "the Hub's route")
        bea = Person.log_in("bea", stack.public_url)
        try:
            with _no_further(stack, "bea", timedelta(minutes=1)):
                bea.client.post(f"{stack.public_url}/hub/api/users/bea/server").raise_for_status()
                yield env
        finally:
            bea.stop_server()


@contextmanager
def row_damaged(stack: Stack, env: Environment) -> Iterator[Environment]:
    """Of a user at work the Hub cannot read what they chose: somebody wrote to its table by hand."""
    bea = Person.log_in("bea", stack.public_url)
    bea.start_server()
    ask(env.database, _ROW.replace("OPTIONS", "{"))
    try:
        yield env
    finally:
        ask(env.database, _ROW.replace("OPTIONS", "{}"))
        bea.stop_server()


@contextmanager
def _no_further(stack: Stack, user: str, longest: timedelta) -> Iterator[None]:
    """Servers of the user that start meanwhile are held where they are, at longest for so long."""
    ended = threading.Event()

    def halt() -> None:
        give_up = time.monotonic() + longest.total_seconds()
        while not ended.wait(0.05) and time.monotonic() < give_up:
            for process in _servers_of(stack, user):
                process.suspend()
        for process in _servers_of(stack, user):
            process.resume()

    halting_it = threading.Thread(target=halt)
    halting_it.start()
    try:
        yield
    finally:
        ended.set()
        halting_it.join()


def _servers_of(stack: Stack, user: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            variables = process.environ()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if variables.get(MARK) == str(stack.state) and variables.get("JUPYTERHUB_USER") == user:
            yield process


@contextmanager
def _route_lost(stack: Stack, route: str) -> Iterator[None]:
    """The proxy does not know this route, and the Hub, which holds the routes against its servers every other
    second, does not bring it back for longer than a moment."""
    api = f"http://127.0.0.1:{stack.choices.ports['proxy-api']}/api/routes{route}"
    token = {"Authorization": f"token {stack.choices.secrets['proxy_token']}"}
    lost, ended = threading.Event(), threading.Event()

    def lose() -> None:
        with httpx.Client(headers=token) as client:
            while not ended.wait(0.02):
                if client.delete(api).is_success:
                    lost.set()

    losing = threading.Thread(target=lose)
    losing.start()
    try:
        if not lost.wait(10):
            raise Failed(f"the route {route}", "the proxy never knew it", "read its log")
        yield
    finally:
        ended.set()
        losing.join()


def _until(condition: Callable[[], bool], what: str) -> None:
    give_up = time.monotonic() + 90
    while not condition():
        if time.monotonic() > give_up:
            raise Failed(what, "it did not come", "read its log")
        time.sleep(0.1)
