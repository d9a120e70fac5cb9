"""Run one notebook, whatever happens to it: in a process of its own, with a deadline, its state told truly.

What is left behind is always a notebook and an HTML page, good or failed. Where they go is the business of
`systems.published_reports`.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

import psutil
from nbformat import NotebookNode

from domain.errors import Failed, Refused
from domain.reports import Parameter
from systems.kernels.documents import (
    FailedCell,
    check_parameters,
    failed_cell,
    figures_in,
    mark_complete,
    mark_failed,
    masked,
    notebook_text,
    read_notebook,
)
from systems.kernels.page import html_page

RunState = Literal["complete", "failed"]

NOTEBOOK = "report.ipynb"
PAGE = "report.html"
DEADLINE = timedelta(minutes=10)
_LAST_WORDS = 5.0  # seconds for an interrupted kernel to leave its traceback
# What a kernel gets of the environment; never the credentials of the process that starts it.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "RISKHUB_STACK")
_SCRIPT = Path(__file__).with_name("papermill_process.py")


@dataclass(frozen=True)
class NotebookRun:
    """What became of a notebook.

    Attributes:
        problem: why it failed, in words; empty when complete.
        figures: the headline figures it emitted, also those from before it failed.
        seconds: from start to the written page.
    """

    state: RunState
    problem: str
    notebook: Path
    page: Path
    failed_cell: FailedCell | None
    figures: Mapping[str, Parameter]
    seconds: float


def run_notebook(
    source: Path,
    folder: Path,
    parameters: Mapping[str, Parameter],
    *,
    environment: Mapping[str, str],
    secrets: Mapping[str, str],
    deadline: timedelta = DEADLINE,
) -> NotebookRun:
    """Execute the notebook `source` and leave `report.ipynb` and `report.html` in `folder`.

    Args:
        folder: exists and is empty; the kernel works in `work` below it.
        environment: variables for the kernel. It inherits next to nothing else.
        secrets: variables too; their values stand in no output, and a notebook that prints one has failed.
        deadline: for all of it; a cell that is interrupted by it shows where it was.

    Raises:
        Refused: the notebook cannot be read, or does not declare such parameters. No kernel was started.
        Failed: what it made cannot be written, as on a full disk. `folder` holds no result then.
    """
    check_parameters(read_notebook(source), source.name, parameters)
    started = time.monotonic()
    try:
        problem = _execute(source, folder, parameters, {**environment, **secrets}, deadline)
        state, problem, notebook, failed = _told(_left_behind(source, folder), problem, secrets)
        (folder / NOTEBOOK).write_text(notebook_text(notebook), encoding="utf-8")
        page = html_page(notebook, _title(notebook, source), with_code=bool(problem))
        (folder / PAGE).write_text(page, encoding="utf-8")
    except OSError as error:
        cause = f"it cannot be written below {folder} ({error.strerror})"
        raise Failed(f"report of {source.name}", cause, "free space there, then run it again") from None
    return NotebookRun(
        state=state,
        problem=problem,
        notebook=folder / NOTEBOOK,
        page=folder / PAGE,
        failed_cell=failed,
        figures=figures_in(notebook),
        seconds=time.monotonic() - started,
    )


def _told(
    left: NotebookNode, problem: str, secrets: Mapping[str, str]
) -> tuple[RunState, str, NotebookNode, FailedCell | None]:
    """The notebook with its state written into it and no secret left."""
    notebook = masked(left, secrets.values())
    if notebook != left:
        problem = f"it printed the value of {' or '.join(secrets)}, masked here"
    if not problem:
        mark_complete(notebook)
        return "complete", "", notebook, None
    failed = failed_cell(notebook, problem)
    mark_failed(notebook, problem, failed)
    return "failed", problem, notebook, failed


def _execute(
    source: Path, folder: Path, parameters: Mapping[str, Parameter], variables: Mapping[str, str], deadline: timedelta
) -> str:
    """What went wrong, in words; empty when nothing did."""
    work, result = folder / "work", folder / "result.json"
    work.mkdir(mode=0o700)
    request = {
        "source": str(source),
        "output": str(folder / NOTEBOOK),
        "parameters": dict(parameters),
        "folder": str(work),
        "result": str(result),
    }
    with (folder / "papermill.log").open("wb") as log:
        process = subprocess.Popen(
            (sys.executable, "-P", str(_SCRIPT)),
            env=_environment(work) | dict(variables),
            cwd=work,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        process.communicate(json.dumps(request).encode(), timeout=deadline.total_seconds())
    except subprocess.TimeoutExpired:
        return f"it was stopped after its deadline of {deadline.total_seconds():.0f} s"
    finally:
        _end(process, work)
    if result.exists():
        return str(json.loads(result.read_text())["problem"])
    return f"papermill ended with code {process.returncode}: {_last_line(folder / 'papermill.log')}"


def _environment(work: Path) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    # Sockets and history of kernels that run at the same time stay apart.
    return inherited | {"JUPYTER_RUNTIME_DIR": str(work), "IPYTHONDIR": str(work / "ipython")}


def _end(process: subprocess.Popen[bytes], work: Path) -> None:
    """End papermill, its kernel (which has a session of its own, and may hold the interpreter) and what they began."""
    if process.poll() is None:
        for one in _begun_for(work):
            if one.pid != process.pid:
                _signal(one, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_LAST_WORDS)
        process.kill()
        process.wait()
    for one in _begun_for(work):
        _signal(one, signal.SIGKILL)


def _begun_for(work: Path) -> list[psutil.Process]:
    """The processes that carry this run's folder in their environment, whoever their parent is by now."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            if process.environ().get("JUPYTER_RUNTIME_DIR") == str(work):
                found.append(process)
    return found


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)


def _left_behind(source: Path, folder: Path) -> NotebookNode:
    """The notebook as far as it came; as it was before, when nothing readable is there."""
    try:
        return read_notebook(folder / NOTEBOOK)
    except Refused:
        return read_notebook(source)


def _title(notebook: NotebookNode, source: Path) -> str:
    headings = (line[2:] for cell in notebook.cells for line in cell.source.splitlines() if line.startswith("# "))
    return next((heading for heading in headings), source.stem)


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "its log is empty"
