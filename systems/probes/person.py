"""Probes about one person: what keeps them from working where everybody else can. They only look.

Homes are users' own: what lies in one is looked at by name and kind, never opened, and links are not followed.
"""

from __future__ import annotations

import os
import re
import stat
from datetime import timedelta
from pathlib import Path

import httpx

from domain.clock import in_words, utc_now
from domain.sessions import Server
from environments.settings import HomesSettings, HubSettings
from systems import hub as hubs
from systems.homes import home_name, require_home_mount
from systems.network import trust, unreachable
from systems.probes.look import Seen

# What a notebook server reads from its owner's home before all else, and obeys.
CONFIGURATION = re.compile(r"jupyter(_server|_lab|_notebook)?_config\.(py|json)")
# A server writes below these at its start.
WRITTEN_AT_START = (".jupyter", ".ipython", ".local", ".local/share", ".local/share/jupyter")
_OWNER = stat.S_IRWXU


def look_at_account(hub: HubSettings, user: str) -> Seen:
    """Whether the Hub knows the person, and the groups that their last login brought."""
    found = hubs.read_user(hub, user)
    if found is None:
        step = (
            "take the name as the Hub lists it; it is made at the first login, which SSO allows to members of a group"
        )
        return Seen(f"the Hub knows no user {user}", "failed", step, "user-account")
    last = f"last active {found.last_activity:%Y-%m-%d %H:%M} UTC" if found.last_activity else "never active"
    if hub.authentication == "sso" and not found.groups:
        step = "look at the account's groups at the SSO; they count from the next login"
        return Seen(f"{user} is in no group, so the next login is refused; {last}", "degraded", step, "user-account")
    return Seen(f"the Hub knows {user}, in {', '.join(found.groups) or 'no group'}; {last}")


def look_at_server(hub: HubSettings, user: str, *, spawn_deadline: timedelta) -> Seen:
    """Each of their servers as the Hub has it, and whether it answers on its public address."""
    found = hubs.read_user(hub, user)
    if found is None or not found.servers:
        return Seen(f"{user} has no server, and the Hub starts none")
    for server in found.servers:
        wrong = _trouble_of(hub, server, spawn_deadline)
        if wrong:
            return wrong
    return Seen(", ".join(_state(server) for server in found.servers))


def look_at_home(homes: HomesSettings, user: str) -> Seen:
    """Whether the home is a folder of whom the homes belong to, and what a server writes to can be written."""
    require_home_mount(homes)
    home = homes.user_data / home_name(user)
    try:
        found = home.lstat()
    except FileNotFoundError:
        return Seen(f"there is no folder {home.name}: it is made when the first server starts")
    owner = homes.user_data.stat().st_uid
    step = f"look at {home} by hand; riskhub restore home --user brings back what it was"
    if stat.S_ISLNK(found.st_mode):
        return Seen(f"{home.name} is a link where a folder should be", "failed", step, "user-home")
    for path in (home, *(home / each for each in WRITTEN_AT_START)):
        wrong = _unusable(path, owner)
        if wrong:
            return Seen(f"{path.relative_to(homes.user_data)} {wrong}", "failed", step, "user-home")
    with os.scandir(home) as entries:
        count = sum(1 for _ in entries)
    return Seen(f"{home.name} is a folder of uid {found.st_uid}, {count} entries")


def look_at_configuration(homes: HomesSettings, user: str) -> Seen:
    """Whether the home holds a configuration that the server reads: one wrong line keeps the server from starting."""
    require_home_mount(homes)
    folder = homes.user_data / home_name(user) / ".jupyter"
    own = not folder.is_symlink() and folder.is_dir()
    found = sorted(path.name for path in folder.iterdir() if CONFIGURATION.fullmatch(path.name)) if own else []
    if not found:
        return Seen("no configuration of their own changes the server")
    step = f"have them rename ~/.jupyter/{found[0]} and start again: with it gone, their server is as everybody's"
    what = f"the server obeys a configuration of their own: ~/.jupyter/{', '.join(found)}"
    return Seen(what, "degraded", step, "user-configuration")


def _trouble_of(hub: HubSettings, server: Server, spawn_deadline: timedelta) -> Seen | None:
    since = utc_now() - server.started if server.started else timedelta(0)
    if server.pending:
        told = f"{_state(server)} for {in_words(since)}"
        if since <= spawn_deadline:
            return Seen(f"{told}: wait", "degraded", "look again in a minute", "user-server")
        step = "riskhub sessions reconcile shows what the Hub waits for; the user cannot start another meanwhile"
        return Seen(told, "failed", step, "user-server")
    url = hubs.server_url(hub, server)
    try:
        status = httpx.get(f"{url}/api", timeout=hub.timeout.total_seconds(), verify=trust()).status_code
    except httpx.TransportError as error:
        step = "look at the proxy, then at the server itself: it may be stuck in a cell, or out of memory"
        raise unreachable(f"server {server.label}", error, kind="user-server", next_step=step) from None
    if status != httpx.codes.OK:
        step = "the Hub takes it for ready: riskhub sessions reconcile tells whether it runs and has its route"
        return Seen(f"{_state(server)}, and answers {status} on its address", "failed", step, "user-server")
    return None


def _state(server: Server) -> str:
    state = f"pending {server.pending}" if server.pending else "ready" if server.ready else "not ready"
    return f"{server.label} is {state}"


def _unusable(path: Path, owner: int) -> str:
    """What keeps a server from writing to a folder; empty where nothing does, or where it can make it."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return ""
    if stat.S_ISLNK(found.st_mode):
        return "" if path.is_dir() else "is a link to nothing"
    if not stat.S_ISDIR(found.st_mode):
        return "is no folder"
    if found.st_uid != owner:
        return f"belongs to uid {found.st_uid}, the homes to uid {owner}"
    return (
        "" if found.st_mode & _OWNER == _OWNER else f"has mode {stat.S_IMODE(found.st_mode):04o}: its owner is shut out"
    )
