"""Git checkouts of the tests' own."""

from __future__ import annotations

import subprocess
from pathlib import Path

from build.components import SHARED, Component
from environments.loader import PROJECT

TINY = Component("tiny", locks=("build/tiny/requirements.lock",), sources=("app",))

_FILES = {
    "build/tiny/Containerfile": "ARG BASE\nFROM ${BASE}\nCOPY source /srv\nUSER 1000:1000\n",
    "build/tiny/requirements.lock": "click==8.5.1\n",
    "app/main.py": "print('hello')\n",
    "docs/page.md": "about\n",
    ".gitignore": "*.pyc\n",
}
_GIT = ("git", "-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false")


def make_checkout(project: Path) -> None:
    """A checkout of the one component TINY: it carries `app/` and is locked."""
    for name, content in {**_FILES, **{name: (PROJECT / name).read_text() for name in SHARED}}.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(content)
    subprocess.run((*_GIT, "init", "--quiet", str(project)), check=True)
    commit(project)


def commit(project: Path) -> str:
    """Commit everything; the commit."""
    git = (*_GIT, "-C", str(project))
    subprocess.run((*git, "add", "--all"), check=True)
    subprocess.run((*git, "commit", "--quiet", "--message", "change"), check=True)
    return subprocess.run((*git, "rev-parse", "HEAD"), check=True, capture_output=True, text=True).stdout.strip()


def commit_change(project: Path, name: str) -> str:
    """Commit a line more in `name`; the commit."""
    with (project / name).open("a") as file:
        file.write("# changed\n")
    return commit(project)
