"""A checkout of its own for every test, and programs that write down how they are called."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from build.components import COMPONENTS
from tests.build.checkouts import TINY, make_checkout

Calls = Callable[[], list[dict[str, Any]]]

# a push tells its digest in a file, as buildah 1.28 does
_RECORDER = """#!{python}
import json, os, pathlib, sys
with open({calls!r}, "a") as calls:
    call = {{"argv": sys.argv[1:], "stdin": sys.stdin.read(), "environment": dict(os.environ)}}
    calls.write(json.dumps(call) + chr(10))
if os.environ.get("ENGINE_FAILS") == sys.argv[1]:
    sys.exit(os.environ["ENGINE_SAYS"])
for argument in sys.argv:
    if argument.startswith("--digestfile="):
        pathlib.Path(argument.partition("=")[2]).write_text("sha256:" + "d" * 64)
"""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git checkout of one component, `tiny`."""
    make_checkout(tmp_path / "checkout")
    monkeypatch.setitem(COMPONENTS, "tiny", TINY)
    return tmp_path / "checkout"


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Calls:
    """`buildah` and nothing else is on the PATH, and only writes down its calls."""
    folder = tmp_path / "bin"
    folder.mkdir()
    add_recorder(folder, "buildah")
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("RISKHUB_STATE", str(tmp_path / "state"))

    def calls() -> list[dict[str, Any]]:
        path = folder / "buildah.calls"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    return calls


def add_recorder(folder: Path, name: str) -> None:
    """A program called `name` that writes its calls to `<name>.calls` beside it."""
    program = folder / name
    program.write_text(_RECORDER.format(python=sys.executable, calls=str(folder / f"{name}.calls")))
    program.chmod(0o755)
