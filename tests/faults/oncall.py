"""The product as on-call has it on a bad day: the `riskhub` command as a process of its own, and what it owes them.

Whatever went wrong, an answer keeps the documented exit code, one message with a next step, one JSON object
where that was asked for, no traceback, and no secret.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cli.answer import EXIT_CODES
from environments.loader import PROJECT


@dataclass(frozen=True)
class Answer:
    """How a command ended. `record`: its JSON object, empty without `--json`."""

    code: int
    out: str
    err: str
    record: dict[str, Any]

    @property
    def outcomes(self) -> dict[str, str]:
        return {each["target"]: f"{each['state']}: {each['detail']}" for each in self.record["outcomes"]}

    @property
    def findings(self) -> dict[str, str]:
        return {
            each["probe"]: f"{each['state']}: {each['seen']}. Next: {each['next_step']}"
            for each in self.record["findings"]
        }


@dataclass
class OnCall:
    """A shell of the embedded stack in `state`. `said` gathers all that its commands ever said."""

    state: Path
    secrets: Mapping[str, str]
    said: list[str] = field(default_factory=list)

    def variables(self, **more: str) -> dict[str, str]:
        return {**os.environ, "RISKHUB_STATE": str(self.state), **more}

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """The command, still running."""
        return subprocess.Popen(
            (sys.executable, "-m", "cli.main", *arguments),
            env=self.variables(**variables),
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def riskhub(
        self, *arguments: str, within: tuple[str, ...] = (), checkout: Path = PROJECT, **variables: str
    ) -> Answer:
        """`riskhub <arguments>` run to its end; `within`: the command that runs it."""
        ended = subprocess.run(
            (*within, sys.executable, "-m", "cli.main", *arguments),
            env=self.variables(**variables),
            cwd=checkout,
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
        self.said += [ended.stdout, ended.stderr]
        return self._answer(arguments, ended.returncode, ended.stdout, ended.stderr)

    def _answer(self, arguments: tuple[str, ...], code: int, out: str, err: str) -> Answer:
        everything = f"riskhub {' '.join(arguments)} ended with {code}\n{out}\n{err}"
        leaked = [name for name, secret in self.secrets.items() if secret in out + err]
        assert not leaked, f"{leaked} in what riskhub {arguments[0]} said"
        assert "Traceback" not in out + err, everything
        assert code in (0, 1, 2, 3), everything
        record = {}
        if "--json" in arguments and code != 2:
            record = json.loads(out)
            assert code == EXIT_CODES[record["state"]], everything
        if code == 1:
            assert sum(line.startswith("riskhub: ") for line in err.splitlines()) == 1, everything
            assert "Next: " in out + err or '"next_step"' in out, everything
        return Answer(code, out, err, record)


def at_once(*calls: Callable[[], Answer]) -> list[Answer]:
    """Their answers, in the order of the calls, which run side by side: most of each is waiting."""
    with ThreadPoolExecutor(len(calls)) as pool:
        return [each.result() for each in [pool.submit(call) for call in calls]]
