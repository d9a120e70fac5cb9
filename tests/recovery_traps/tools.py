"""The tools that the traps are laid for: how each pushes a folder, brings it back, and what it needs for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from benchmarks.mirror import variables_of_tools

BUCKET = "mirror-tests"
PROGRAMS = {
    "riskhub mirror": str(Path(sys.executable).parent / "riskhub"),
    "aws s3 sync": "aws",
    "rclone": "rclone",
    "s5cmd": "s5cmd",
    "restic": "restic",
}
SCOREBOARD = os.environ.get("RISKHUB_SCOREBOARD")  # a file: then the other tools are measured too, for minutes
INSTALLED = [name for name, program in PROGRAMS.items() if shutil.which(program)] if SCOREBOARD else ["riskhub mirror"]


class NotConcerned(Exception):
    """The trap is none for this tool."""


@dataclass
class Tool:
    """A tool, and where it keeps one trap's copy."""

    name: str
    program: str
    endpoint: str
    prefix: str
    plain: bool = True
    environment: dict[str, str] = field(default_factory=dict)

    def push(self, tree: Path) -> subprocess.CompletedProcess[str]:
        if self.name == "restic":
            if not getattr(self, "_begun", False):
                self._run("restic", *self._repository, "init")
                self._begun = True
            return self._run("restic", *self._repository, "backup", ".", cwd=tree)
        return self._run(*self._copy(str(tree), self._url, bucket_last=True))

    def restore(self, tree: Path, at: datetime | None = None) -> subprocess.CompletedProcess[str]:
        """The newest state, or that of a time where the tool knows times."""
        return self._run(*self.restore_command(tree, at))

    def restore_command(self, tree: Path, at: datetime | None = None) -> list[str]:
        if self.name == "riskhub mirror":
            when = ["--at", at.isoformat()] if at else []
            return [self.program, "mirror", "restore", self._url, str(tree), "--execute", "--json", *when]
        if self.name == "restic":
            return ["restic", *self._repository, "restore", self._snapshot(at), f"--target={tree}"]
        if self.name == "rclone" and at:
            moment = f"--s3-version-at={at:%Y-%m-%dT%H:%M:%SZ}"
            return ["rclone", "sync", "--metadata", "--links", moment, self._url, str(tree)]
        if at:
            raise AssertionError(f"{self.name} knows no time to restore to")
        return self._copy(self._url, str(tree), bucket_last=False)

    @property
    def variables(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if name != "AWS_CA_BUNDLE"}  # rclone takes none
        return {**inherited, **self.environment}

    @property
    def _url(self) -> str:
        return f"store:{BUCKET}/{self.prefix}" if self.name == "rclone" else f"s3://{BUCKET}/{self.prefix}"

    @property
    def _repository(self) -> list[str]:
        return [f"--repo=s3:{self.endpoint}/{BUCKET}/{self.prefix}", "--quiet"]

    def _snapshot(self, at: datetime | None) -> str:
        if at is None:
            return "latest"
        import json  # noqa: PLC0415

        listed = self._run("restic", *self._repository, "snapshots", "--json").stdout
        moments = [(datetime.fromisoformat(each["time"][:26] + "+00:00"), each["id"]) for each in json.loads(listed)]
        return str(max(moment for moment in moments if moment[0] <= at)[1])

    def _copy(self, source: str, target: str, *, bucket_last: bool) -> list[str]:
        if self.name == "riskhub mirror":
            return [self.program, "mirror", "push", source, target, "--json"]
        if self.name == "rclone":
            return ["rclone", "sync", "--metadata", "--links", "--s3-no-check-bucket", source, target]
        if self.name == "s5cmd":
            ends = (f"{source}/", f"{target}/") if bucket_last else (f"{source}/*", f"{target}/")
            return ["s5cmd", "--endpoint-url", self.endpoint, "sync", "--delete", *ends]
        return ["aws", "--endpoint-url", self.endpoint, "s3", "sync", "--delete", source, target]

    def _run(self, *command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env=self.variables,
            cwd=cwd,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=60,
            check=False,
        )


def every_tool(endpoint: str, key: str, secret: str, prefix: str, cache: Path) -> list[Tool]:
    """All of them, installed or not; the mirror first."""
    environment = variables_of_tools(endpoint, key, secret, cache)
    return [
        Tool(name, program, endpoint, f"{prefix}/{program.rpartition('/')[2]}", name != "restic", environment)
        for name, program in PROGRAMS.items()
    ]
