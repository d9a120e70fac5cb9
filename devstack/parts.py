"""The running parts of a stack: started together, stopped in order, brought back one by one."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from devstack.process import Part, start, stop, sweep, wait_ready

Report = Callable[[str, float], None]


class Parts:
    """Parts whose state and logs lie below `state`. One process at a time may hold them (see `supervisor`)."""

    def __init__(self, state: Path) -> None:
        state.mkdir(parents=True, exist_ok=True)
        state.chmod(0o700)  # keys, tokens and everybody's homes lie below
        self.state = state
        self.running: dict[str, tuple[Part, subprocess.Popen[bytes]]] = {}

    def up(self, report: Report) -> None:
        """Start every part and wait for each; `report(name, seconds)` as they get ready.

        Raises:
            Refused: something of this machine stands in the way, such as a port that is taken.
            Failed: a part did not start. What had started is stopped again.
        """
        raise NotImplementedError

    def down(self) -> None:
        """Stop everything, last started first; the users' servers go with the sweep."""
        for name in reversed(list(self.running)):
            self.stop_part(name)
        self.clean(self.state)

    @staticmethod
    def prepare() -> None:
        """Install and build on this machine what is needed and not there yet; what takes long is told on stderr.

        Raises:
            Refused: this machine cannot run such a stack.
            Failed: a build ended badly.
        """

    @staticmethod
    def clean(state: Path) -> None:
        """End and remove whatever of a stack in `state` is left on this machine; its data stays."""
        sweep(state)

    @staticmethod
    def forget(state: Path) -> None:
        """Remove the data of a stack in `state` that is down."""
        raise NotImplementedError

    def start_parts(self, *parts: Part, report: Report = lambda _name, _seconds: None) -> None:
        """Start these together and wait for each."""
        began = time.monotonic()
        for part in parts:
            self.running[part.name] = (part, start(part, self.state))
        for part in parts:
            wait_ready(part, self.running[part.name][1], self.state)
            report(part.name, time.monotonic() - began)

    def stop_part(self, name: str) -> None:
        """Stop one part; `restart_part` brings it back."""
        stop(*self.running[name])

    def restart_part(self, name: str) -> None:
        """Start a part again that was stopped or died."""
        self.stop_part(name)
        self.start_parts(self.running[name][0])

    def revive(self) -> list[str]:
        """Start again every part that died; their names."""
        dead = [name for name, (_, process) in self.running.items() if process.poll() is not None]
        for name in dead:
            self.restart_part(name)
        return dead


def remove_all_but(folder: Path, *names: str) -> None:
    """Empty `folder`, if it is there, of everything that has another name."""
    for path in folder.iterdir() if folder.exists() else ():
        if path.name in names:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
