"""Each trap for each tool; at the end a scoreboard: held, fell in, or not installed.

The mirror must hold in every trap. What another tool does is told, not judged: a trap that it falls into is its
known behaviour, and a pass where it held.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from environments.settings import ObjectStoreSettings
from tests.recovery_traps.tools import INSTALLED, PROGRAMS, SCOREBOARD, NotConcerned, Tool, every_tool
from tests.systems.mirror.conftest import store  # noqa: F401 - the same S3
from tests.systems.mirror.trees import age

_SCORES: dict[str, dict[str, str]] = {}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "tool" in metafunc.fixturenames:
        metafunc.parametrize("tool", INSTALLED, indirect=True)


@pytest.fixture
def tool(request: pytest.FixtureRequest, store: ObjectStoreSettings, tmp_path: Path) -> Iterator[Tool]:  # noqa: F811
    """The tool, with a prefix of its own."""
    assert store.access_key_id and store.secret_access_key and store.endpoint_url
    keys = store.access_key_id.get_secret_value(), store.secret_access_key.get_secret_value()
    tools = every_tool(store.endpoint_url, *keys, f"traps/{secrets.token_hex(4)}", tmp_path / "cache")
    yield next(each for each in tools if each.name == request.param)


@pytest.fixture
def homes(tmp_path: Path) -> Path:
    """Two small homes of last week."""
    root = tmp_path / "user-data"
    for user in ("ana", "bea"):
        (root / user / "work").mkdir(parents=True)
        (root / user / "notes.ipynb").write_text(f"{user}: 1 + 1")
        (root / user / "work" / "var.csv").write_text("date,var\n2026-01-02,1.5\n")
    age(root, 600_000)
    return root


@pytest.hookimpl(hookwrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Iterator[None]:
    """A trap that another tool falls into is its known behaviour."""
    outcome = yield
    tool = pyfuncitem.funcargs.get("tool")
    if not isinstance(tool, Tool):
        return
    row = _SCORES.setdefault(pyfuncitem.originalname.removeprefix("test_").replace("_", " "), {})
    try:
        outcome.get_result()  # type: ignore[attr-defined]
        row[tool.name] = "held"
    except NotConcerned:
        row[tool.name] = "none for it"
        outcome.force_result(True)  # type: ignore[attr-defined]
    except Exception as error:
        row[tool.name] = "**fell in**"
        if tool.name != "riskhub mirror" and "test_00" not in pyfuncitem.name:
            outcome.force_exception(pytest.xfail.Exception(f"{tool.name} falls in: {str(error)[:100]}"))  # type: ignore[attr-defined]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The scoreboard, as Markdown; into $RISKHUB_SCOREBOARD too."""
    if not _SCORES:
        return
    lines = [f"| trap | {' | '.join(INSTALLED)} |", "|---" * (len(INSTALLED) + 1) + "|"]
    lines += [f"| {trap} | {' | '.join(row.get(name, '-') for name in INSTALLED)} |" for trap, row in _SCORES.items()]
    held = [f"{sum(row.get(name) == 'held' for row in _SCORES.values())} of {len(_SCORES)}" for name in INSTALLED]
    lines.append(f"| held | {' | '.join(held)} |")
    if SCOREBOARD and (missing := [name for name in PROGRAMS if name not in INSTALLED]):
        lines.append(f"\nNot installed here: {', '.join(missing)}")
    terminalreporter.section("traps of backup and restore")
    for line in lines:
        terminalreporter.write_line(line)
    if SCOREBOARD:
        Path(SCOREBOARD).write_text("\n".join(lines) + "\n", encoding="utf-8")
