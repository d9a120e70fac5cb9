"""Programs that run for long: their output in a log, the last line of it for whoever watches."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from domain.errors import Failed, RiskhubError

Tell = Callable[[str], None]

_LINES_IN_MESSAGE = 3


def quiet(_line: str) -> None:
    """Watch nothing."""


def run(
    command: Sequence[str],
    *,
    thing: str,
    log: Path,
    next_step: str | None = None,
    error: type[RiskhubError] = Failed,
    environment: Mapping[str, str] | None = None,
    tell: Tell = quiet,
) -> None:
    """Run `command` to its end, its output appended to `log` and each line told.

    Args:
        environment: added to the caller's own.
        error: the type to raise; its message ends with the last lines of the output.

    Raises:
        RiskhubError: `command` ended with another code than 0.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    last: list[str] = []
    with (
        log.open("a", encoding="utf-8") as written,
        subprocess.Popen(
            command,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        ) as process,
    ):
        written.write(f"+ {' '.join(command)}\n")
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        for line in process.stdout:
            written.write(line)
            if line.strip():
                last = [*last, line.strip()][-_LINES_IN_MESSAGE:]
                tell(line.strip())
    if process.returncode:
        cause = " | ".join(last) or "it said nothing"
        raise error(
            thing, f"{Path(command[0]).name} ended with {process.returncode}: {cause}", next_step or f"read {log}"
        )


def ask(command: Sequence[str], environment: Mapping[str, str] | None = None) -> str | None:
    """What `command` prints; None when it ends with another code than 0."""
    done = subprocess.run(
        command, env={**os.environ, **(environment or {})}, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else None
