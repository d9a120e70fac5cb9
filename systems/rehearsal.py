"""A second Hub beside the first, for a drill: its own ports, processes and folder, and nothing of it left afterwards.

The embedded stack's supervisor runs it as processes of this machine, and ends them when the drill is gone, however
it died. What a killed drill left on disk the next one removes.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import IO, Protocol

from pydantic import SecretStr

from domain.errors import Failed, Refused
from environments.loader import PROJECT
from environments.settings import HubSettings, RiskApiSettings
from systems.point_check import CheckedPoint

START_DEADLINE = timedelta(minutes=3)
STOP_DEADLINE = timedelta(minutes=1)
REHEARSAL_HUB = Path(__file__).with_name("rehearsal_hub.py")
# They are the first Hub's: this one would find them, get no answer where it looks, and end them.
FORGET_SERVERS = "update spawners set server_id = null, state = null"
_DRILLS = "drills"
_LOCKS = ("drill.lock", "supervisor.lock")  # the drill holds the one, its second Hub the other
_MARK = "RISKHUB_STACK"  # of the embedded stack: what carries it belongs to the folder it names
_POLL_SECONDS = 0.05


@contextmanager
def drill_folder(state: Path, name: str) -> Iterator[Path]:
    """A private folder below `state` for one drill, gone at the end; what killed drills left goes first.

    Raises:
        Failed: the second Hub of a killed drill does not end.
    """
    drills = state / _DRILLS
    drills.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in sorted(drills.iterdir()):
        _remove_left(left)
    folder = drills / name
    folder.mkdir(mode=0o700)
    try:
        with (folder / _LOCKS[0]).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
    finally:
        shutil.rmtree(folder)


class SecondHub(Protocol):
    """A Hub beside the first one, whose database comes from `database.dump` of the drill's folder.

    Attributes:
        homes: the folder that the drill brings homes back to.
        restored: a dump of what came of the database's, once `wait` has returned.
    """

    homes: Path
    restored: Path

    def prepare(self) -> None:
        """Make the folder of the homes, empty. What a killed drill left goes first.

        Raises:
            Refused: another drill runs where this one would.
        """

    def begin(self, checked: CheckedPoint) -> None:
        """Start it; does not wait for its answer: the drill brings back the homes meanwhile."""

    def wait(self) -> HubSettings:
        """The Hub, once it answers, with a token that may read auth_state and act for users, on this Hub alone.

        Raises:
            Failed: it did not come up; the message says what was in its way.
        """

    def end(self) -> str:
        """Stop it with all that is its own, whatever state it is in; in words what is gone. Twice is harmless.

        Raises:
            Failed: it does not end.
        """


class ProcessHub:
    """A second Hub as processes of this machine, all its state in the drill's `folder`."""

    def __init__(self, folder: Path, risk_api: RiskApiSettings) -> None:
        self._folder = folder
        self._risk_api = risk_api
        self._process: subprocess.Popen[bytes] | None = None
        self.homes = folder / "efs" / "user-data"
        self.restored = folder / "restored.dump"

    def prepare(self) -> None:
        """As `SecondHub`. The drill's folder is new."""
        self.homes.mkdir(parents=True)

    def begin(self, checked: CheckedPoint) -> None:
        """Start it. Keys go to its environment, never into its arguments."""
        (self._folder / "jupyterhub_config.py").write_text(checked.hub_configuration)
        variables = {
            "JUPYTERHUB_CRYPT_KEY": checked.key.value.get_secret_value(),
            "RISK_API_URL": self._risk_api.url,
            "RISK_API_TOKEN": self._risk_api.token.get_secret_value(),
        }
        supervisor = (sys.executable, "-m", "devstack.supervisor", "--kind=rehearsal")
        with (self._folder / "supervisor.log").open("ab") as log:
            self._process = subprocess.Popen(
                (*supervisor, f"--state={self._folder}", f"--owner={os.getpid()}"),
                env={**os.environ, **variables, _MARK: str(self._folder)},
                cwd=PROJECT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self) -> HubSettings:
        """As `SecondHub`."""
        give_up = time.monotonic() + START_DEADLINE.total_seconds()
        while (phase := self._status()).get("phase") != "up":
            ended = self._process is None or self._process.poll() is not None
            if ended or phase.get("phase") in ("failed", "down"):
                raise Failed(
                    "second Hub", self._status().get("problem") or self._last_words(), "mend that, drill again"
                )
            if time.monotonic() > give_up:
                cause = f"it did not answer within {START_DEADLINE.total_seconds():.0f} s"
                raise Failed("second Hub", cause, "look at the machine's load, drill again")
            time.sleep(_POLL_SECONDS)
        url, token = (self._folder / "values.env").read_text().split()
        return HubSettings(api_url=f"{url}/hub/api", public_url=url, api_token=SecretStr(token))

    def end(self) -> str:
        """As `SecondHub`. What it wrote goes with the drill's folder."""
        if self._process is None:
            return "nothing had begun"
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_DEADLINE.total_seconds())
        except subprocess.TimeoutExpired:
            raise _does_not_end(self._folder) from None
        return "every process ended"

    def _status(self) -> dict[str, str]:
        try:
            told: dict[str, str] = json.loads((self._folder / "status.json").read_text())
        except FileNotFoundError:
            return {}
        return told

    def _last_words(self) -> str:
        words = (self._folder / "supervisor.log").read_text(errors="replace").split()
        return " ".join(words)[-300:] or "it ended without a word"


def require_room(folder: Path, needed: int) -> None:
    """Refuse a drill that would fill the disk.

    Raises:
        Refused: `needed` bytes and a tenth of them are not free there.
    """
    free = shutil.disk_usage(folder).free
    if free < needed * 1.1:
        raise Refused(
            f"drill in {folder}",
            f"what it restores takes {needed} bytes, and {free} are free",
            "make room there, or drill with fewer homes",
        )


def _remove_left(left: Path) -> None:
    """Remove the folder of a drill that is dead, once its second Hub has ended too."""
    with contextlib.ExitStack() as held:
        try:
            drill, supervisor = (held.enter_context((left / name).open("w")) for name in _LOCKS)
        except FileNotFoundError:
            return  # gone meanwhile
        if not _locked(drill):
            return  # a drill that runs now
        give_up = time.monotonic() + STOP_DEADLINE.total_seconds()
        while not _locked(supervisor):
            if time.monotonic() > give_up:
                raise _does_not_end(left)
            time.sleep(_POLL_SECONDS)
        shutil.rmtree(left)


def _locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _does_not_end(folder: Path) -> Failed:
    seconds = STOP_DEADLINE.total_seconds()
    return Failed("second Hub", f"it did not end within {seconds:.0f} s", f"end the processes of {folder} by hand")
