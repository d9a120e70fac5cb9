"""Run one notebook, whatever happens to it: in a process of its own, with a deadline, its state told truly.

What is left behind is always a notebook and an HTML page, good or failed. Where they go is the business of
`systems.published_reports`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

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
from systems.kernels.executors import NOTEBOOK, Execution, Executor, cold
from systems.kernels.page import html_page

RunState = Literal["complete", "failed"]

PAGE = "report.html"
DEADLINE = timedelta(minutes=10)
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "RISKHUB_STACK")


@dataclass(frozen=True)
class NotebookRun:
    """What became of a notebook.

    Attributes:
        problem: why it failed, in words; empty when complete.
        figures: the headline figures it emitted, also those from before it failed.
        seconds: from start to the written page.
        peak_memory: of the kernel, in bytes, pages that it shares with others too; none where it is not known.
    """

    state: RunState
    problem: str
    notebook: Path
    page: Path
    failed_cell: FailedCell | None
    figures: Mapping[str, Parameter]
    seconds: float
    peak_memory: int | None


def inherited() -> dict[str, str]:
    """What a kernel gets of this process's environment: never the credentials of the process that starts it."""
    return {name: os.environ[name] for name in _INHERITED if name in os.environ}


def run_notebook(
    source: Path,
    folder: Path,
    parameters: Mapping[str, Parameter],
    *,
    environment: Mapping[str, str],
    secrets: Mapping[str, str],
    deadline: timedelta = DEADLINE,
    memory: int | None = None,
    cwd: Path | None = None,
    execute: Executor = cold,
) -> NotebookRun:
    """Execute the notebook `source` and leave `report.ipynb` and `report.html` in `folder`.

    Args:
        folder: exists and is empty.
        environment: all variables of the kernel but the secrets; `inherited` for next to nothing.
        secrets: variables too; their values stand in no output, and a notebook that prints one has failed.
        deadline: for all of it; a cell that is interrupted by it shows where it was.
        memory: bytes that the kernel may allocate; none for as much as there is.
        cwd: where the kernel works; none for an empty folder below `folder`.
        execute: how papermill and its kernel come to be.

    Raises:
        Refused: the notebook cannot be read, or does not declare such parameters. No kernel was started.
        Failed: what it made cannot be written, as on a full disk. `folder` holds no result then.
    """
    check_parameters(read_notebook(source), source.name, parameters)
    started = time.monotonic()
    try:
        variables = {**environment, **secrets}
        executed = execute(Execution(source, folder, parameters, variables, deadline, memory, cwd))
        state, problem, notebook, failed = _told(_left_behind(source, folder), executed.problem, secrets)
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
        peak_memory=executed.peak_memory,
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


def _left_behind(source: Path, folder: Path) -> NotebookNode:
    """The notebook as far as it came; as it was before, when nothing readable is there."""
    try:
        return read_notebook(folder / NOTEBOOK)
    except Refused:
        return read_notebook(source)


def _title(notebook: NotebookNode, source: Path) -> str:
    headings = (line[2:] for cell in notebook.cells for line in cell.source.splitlines() if line.startswith("# "))
    return next((heading for heading in headings), source.stem)
