"""A recovery drill, step by step: a recovery point becomes a second Hub in which a user's own notebook runs.

Each step proves something and says what; the first that fails ends the drill. Nothing here writes to the first Hub,
its homes or its bucket. Decisions, records and the order of steps are the flow's.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import chain
from pathlib import Path

import httpx

from domain.errors import Damaged, Failed
from domain.recovery import RecoveryPoint
from environments.settings import Environment, HubSettings, RecoverySettings
from systems import hub as hubs
from systems.dumps import read_dump
from systems.homes import MIRROR_PREFIX, home_name
from systems.kernels.cells import run_cell
from systems.mirror import MirrorLocation, RestorePlan, apply_restore, plan_restore
from systems.point_check import CheckedPoint, check_point
from systems.rehearsal import SecondHub, require_room

_TOKEN_LIFETIME = timedelta(minutes=30)
_SPAWN_DEADLINE = timedelta(minutes=2)
_RUN_DEADLINE = timedelta(minutes=2)
_NAMED = 5


@dataclass
class Drill:
    """One drill in `folder`; what a step finds the next ones use.

    Attributes:
        homes: how many users' homes come back; all of them for None.
    """

    env: Environment
    targets: RecoverySettings
    point: RecoveryPoint
    folder: Path
    second: SecondHub
    homes: int | None
    _checked: CheckedPoint = field(init=False)
    _restores: dict[str | None, RestorePlan] = field(init=False)
    _owner: str = field(init=False)
    _hub: HubSettings = field(init=False)
    _theirs: HubSettings = field(init=False)

    def check(self) -> str:
        """Every member is there, is what was stored, and fits the others; the key opens every auth_state."""
        self._checked = check_point(self.env, self.point, self.folder / "database.dump")
        dump = self._checked.dump
        opened = f"key {self._checked.key.fingerprint} opens all {len(dump.auth_states)} auth_states"
        return f"{len(dump.tables)} tables as dumped; {opened}"

    def begin(self) -> str:
        """The second Hub begins to come up, while its homes are brought back."""
        self.second.prepare()
        self._choose_homes()
        actions = chain.from_iterable(plan.actions for plan in self._restores.values())
        require_room(self.second.homes, sum(action.on.entry.size for action in actions))
        self.second.begin(self._checked)
        return "its database, proxy and Hub come up"

    def restore(self) -> str:
        """The homes, from the mirror's point, each file verified by SHA-256."""
        files = size = 0
        for plan in self._restores.values():
            result = apply_restore(plan)
            if result.skipped:
                told = "; ".join(f"{miss.path}: {miss.reason}" for miss in result.skipped[:_NAMED])
                raise Failed("homes", f"{len(result.skipped)} entries did not come back ({told})", "verify the mirror")
            files += result.files
            size += result.bytes
        return f"{files} files, {size} bytes"

    def compare(self) -> str:
        """The restored homes held against the manifest again: content, modes, owners, times."""
        compared = 0
        for path, plan in self._restores.items():
            again = self._planned(path)
            if again.actions:
                told = [f"{action.target} ({action.reason})" for action in again.actions]
                raise Damaged("restored homes", f"{len(told)} entries differ: {_named(told)}", "verify the mirror")
            compared += len(plan.actions)
        return f"{compared} entries are as in the point"

    def start(self) -> str:
        """The second Hub answers, and its database had every row of the point's before it started."""
        self._hub = self.second.wait()
        restored = read_dump(self.env.database, self.second.restored)
        differing = [name for name, table in self._checked.dump.tables.items() if restored.tables.get(name) != table]
        if differing:
            cause = f"{_named(differing)} hold other rows than the dump"
            raise Damaged("restored database", cause, "compare the versions of both Postgres servers")
        rows = sum(table.rows for table in restored.tables.values())
        return f"JupyterHub {hubs.read_version(self._hub)} on {rows} restored rows"

    def decrypt(self) -> str:
        """The Hub itself decrypts what SSO told it of each user."""
        users = sorted(self._checked.dump.auth_states)
        closed = [user for user in users if not hubs.has_auth_state(self._hub, user)]
        if closed:
            cause = f"the Hub does not decrypt that of {_named(closed)}"
            raise Failed("auth_state", cause, "look for the key that the Hub ran with")
        return f"auth_state of {len(users)} users"

    def log_in(self) -> str:
        """The owner of a restored notebook, with a token of theirs, starts their server."""
        self._theirs = hubs.as_user(self._hub, self._owner, lifetime=_TOKEN_LIFETIME, note="recovery drill")
        hubs.start_server(self._theirs, self._owner, deadline=_SPAWN_DEADLINE)
        return f"server of {self._owner}"

    def run(self) -> str:
        """Their restored notebook, opened and run by their own server."""
        server = hubs.read_server(self._theirs, self._owner)
        if server is None:
            raise Failed(f"server of {self._owner}", "it stopped by itself", "read its log in the drill's evidence")
        url = hubs.server_url(self._theirs, server)
        code = self._code(url)
        run_cell(url, self._theirs.api_token, code, deadline=_RUN_DEADLINE)
        return f"{self.targets.notebook} of {self._owner}, {len(code.splitlines())} lines"

    def tear_down(self) -> str:
        """Nothing of the second Hub runs any more; its folder goes with the drill's."""
        return self.second.end()

    def _choose_homes(self) -> None:
        """The notebook's owner and others, other ones from point to point; of the users that the dump knows."""
        known = sorted(self._checked.dump.auth_states)
        first = int(hashlib.sha256(self.point.id.encode()).hexdigest(), 16) % max(len(known), 1)
        users = known[first:] + known[:first]
        whole = self._planned(None)
        there = {action.target for action in whole.actions}
        owners = [user for user in users if f"{home_name(user)}/{self.targets.notebook}" in there]
        if not owners:
            raise Failed(
                f"recovery point {self.point.id}",
                f"none of {len(known)} users who logged in has {self.targets.notebook} in their home",
                "set recovery.notebook to one that users have",
            )
        self._owner = owners[0]
        if self.homes is None:
            self._restores = {None: whole}
            return
        others = [user for user in users if user != self._owner and home_name(user) in there]
        chosen = map(home_name, [self._owner, *others][: self.homes])
        self._restores = {home: self._planned(home) for home in chosen}

    def _planned(self, path: str | None) -> RestorePlan:
        location = MirrorLocation(self.env.objects, MIRROR_PREFIX)
        return plan_restore(location, self.second.homes, point=self.point.member("homes").reference, path=path)

    def _code(self, server_url: str) -> str:
        headers = {"Authorization": f"token {self._theirs.api_token.get_secret_value()}"}
        url = f"{server_url}/api/contents/{self.targets.notebook}"
        try:
            found = httpx.get(url, headers=headers, timeout=self._hub.timeout.total_seconds())
        except httpx.TransportError as error:
            raise Failed(f"server of {self._owner}", f"no answer ({type(error).__name__})", "drill again") from None
        if found.status_code != httpx.codes.OK:
            cause = f"the server answers {found.status_code} for it"
            raise Failed(f"notebook {self.targets.notebook}", cause, "look at the home in the mirror")
        cells = found.json()["content"]["cells"]
        return "\n".join(cell["source"] for cell in cells if cell["cell_type"] == "code")


def _named(names: list[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
