"""One notebook run, started anew or forked, and every way it may end: what is left always tells its own state."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import nbformat
import psutil
import pytest

from domain.errors import Failed, Refused
from systems.kernels import executors
from systems.kernels.executors import Executor, cold, warm
from systems.kernels.forks import warm_up
from systems.kernels.reports import NotebookRun, inherited, run_notebook

Write = Callable[..., Path]


class Run(Protocol):
    def __call__(
        self, source: Path, folder: Path, *, deadline: timedelta = ..., memory: int | None = ..., **parameters: str
    ) -> NotebookRun: ...


@pytest.fixture(params=[cold, warm], ids=["cold", "warm"])
def run(request: pytest.FixtureRequest) -> Run:
    return run_by(request.param)


def run_by(execute: Executor) -> Run:
    warm_up()

    def run(
        source: Path,
        folder: Path,
        *,
        deadline: timedelta = timedelta(seconds=60),
        memory: int | None = None,
        **parameters: str,
    ) -> NotebookRun:
        return run_notebook(
            source,
            folder,
            parameters,
            environment=inherited(),
            secrets={"RISK_API_TOKEN": "token-5b1c&<"},
            deadline=deadline,
            memory=memory,
            execute=execute,
        )

    return run


def states(made: NotebookRun) -> list[str]:
    cells = nbformat.read(made.notebook, as_version=4).cells
    return [cell.metadata.papermill.status for cell in cells if cell.cell_type == "code"]


def assert_it_says_that_it_failed(made: NotebookRun) -> None:
    kept = nbformat.read(made.notebook, as_version=4)
    nbformat.validate(kept)
    assert made.state == kept.metadata.riskhub.state == "failed"
    assert "This report failed" in kept.cells[0].source
    assert made.page.read_text().count("This report failed") == 1
    assert "completed" not in states(made)[states(made).index("failed") :]


def test_parameters_reach_the_cells_and_figures_come_back(run: Run, notebook: Write, folder: Path) -> None:
    source = notebook(
        "portfolio = 'none'",
        "from IPython.display import display\n"
        "display({'application/vnd.riskhub.figures+json': {'length': len(portfolio)}}, raw=True)",
    )
    made = run(source, folder, portfolio="us-equity-core")
    assert (made.state, made.problem, made.failed_cell) == ("complete", "", None)
    assert made.figures == {"length": 14}
    assert nbformat.read(made.notebook, as_version=4).metadata.riskhub.state == "complete"
    assert states(made)[0] == "completed"


def test_a_cell_that_raises_is_named_and_the_notebook_says_so(run: Run, notebook: Write, folder: Path) -> None:
    made = run(notebook("a = 1", "b = 2", "# why\n1 / 0", "never = 'reached'"), folder)
    assert_it_says_that_it_failed(made)
    assert made.failed_cell is not None
    assert (made.failed_cell.number, made.failed_cell.ename) == (3, "ZeroDivisionError")
    assert made.failed_cell.evalue == "division by zero"
    assert states(made) == ["completed", "completed", "failed", "pending"]


def test_a_killed_kernel_is_a_failed_report_not_a_completed_one(run: Run, notebook: Write, folder: Path) -> None:
    source = notebook("a = 1", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "b = 2")
    made = run(source, folder)
    assert_it_says_that_it_failed(made)
    assert made.problem == "the kernel died"
    assert made.failed_cell is not None
    assert made.failed_cell.number == 2
    assert states(made) == ["completed", "failed", "pending"]


def test_a_killed_papermill_leaves_a_failed_report_and_no_kernel(run: Run, notebook: Write, folder: Path) -> None:
    source = notebook("a = 1", "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\nsum(range(10**13))", "b = 2")
    made = run(source, folder)
    assert_it_says_that_it_failed(made)
    assert made.problem.startswith("papermill ended with code -9")
    assert_no_kernel_of(folder)


def test_at_the_deadline_it_stops_shows_where_and_leaves_no_kernel(run: Run, notebook: Write, folder: Path) -> None:
    made = run(notebook("a = 1", "while True: a += 1"), folder, deadline=timedelta(seconds=10))
    assert_it_says_that_it_failed(made)
    assert made.problem == "it was stopped after its deadline of 10 s"
    assert made.failed_cell is not None
    assert (made.failed_cell.number, made.failed_cell.ename) == (2, "KeyboardInterrupt")
    assert made.seconds < 25
    assert_no_kernel_of(folder)


def test_a_cell_that_does_not_stop_at_the_deadline_is_killed(run: Run, notebook: Write, folder: Path) -> None:
    stubborn = "sum(range(10**13))"  # one call into C: no signal is looked at and no other thread runs
    made = run(notebook("a = 1", stubborn), folder, deadline=timedelta(seconds=10))
    assert_it_says_that_it_failed(made)
    assert made.failed_cell is not None
    assert made.failed_cell.number == 2
    assert_no_kernel_of(folder)


def test_out_of_memory_is_the_cells_own_error(run: Run, notebook: Write, folder: Path) -> None:
    made = run(notebook("a = 1", "hoard = bytearray(3 * 2**30)"), folder, memory=2 * 2**30)
    assert_it_says_that_it_failed(made)
    assert made.failed_cell is not None
    assert (made.failed_cell.number, made.failed_cell.ename) == (2, "MemoryError")


def test_where_nothing_can_be_forked_it_is_started(
    notebook: Write, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_parent(*_: object) -> None:
        raise EOFError

    monkeypatch.setattr(executors, "fork", no_parent)
    made = run_by(warm)(notebook("a = 1", "print(a)"), folder)
    assert (made.state, made.peak_memory) == ("complete", None)


def test_a_printed_secret_is_masked_everywhere_and_fails_the_report(run: Run, notebook: Write, folder: Path) -> None:
    source = notebook(
        "a = 1",
        "import os\nfrom IPython.display import HTML, display\ntoken = os.environ['RISK_API_TOKEN']\n"
        "print(token)\ndisplay(HTML(token))",
        "raise ValueError(token)",
    )
    made = run(source, folder)
    assert_it_says_that_it_failed(made)
    assert made.problem == "it printed the value of RISK_API_TOKEN, masked here"
    kept = made.notebook.read_text() + made.page.read_text() + repr(made)
    assert "token-5b1c" not in kept
    assert "********" in kept


def test_a_kernel_gets_no_credentials_of_its_starter(
    run: Run, notebook: Write, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "aws-secret")
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "hub-secret")
    made = run(notebook("a = 1", "import os\nprint(sorted(os.environ), list(os.environ.values()))"), folder)
    assert made.state == "failed"  # it printed its own token
    assert "secret" not in made.notebook.read_text()


@pytest.mark.parametrize(
    ("parameters", "cause"),
    [({"windows": "500"}, "does not declare windows"), ({"window": "500"}, "of type str, its default of type int")],
)
def test_a_parameter_the_notebook_does_not_know_is_refused_before_a_kernel_starts(
    run: Run, notebook: Write, folder: Path, parameters: dict[str, str], cause: str
) -> None:
    with pytest.raises(Refused, match=cause):
        run(notebook("window: int = 250\nname = 'x'"), folder, **parameters)
    assert list(folder.iterdir()) == []


def test_a_file_that_is_no_notebook_is_refused(run: Run, folder: Path, tmp_path: Path) -> None:
    torn = tmp_path / "torn.ipynb"
    torn.write_text('{"cells": [')
    with pytest.raises(Refused, match=r"notebook torn\.ipynb: it cannot be read"):
        run(torn, folder)


def test_a_disk_that_fills_up_during_the_run_leaves_a_failed_report(notebook: Write, folder: Path) -> None:
    source = notebook("a = 1", "print('x' * 200_000)")
    with files_up_to(64 * 1024):  # of those it starts, too: a warm parent is there already
        made = run_by(cold)(source, folder)
    kept = nbformat.read(made.notebook, as_version=4)
    assert (made.state, kept.metadata.riskhub.state) == ("failed", "failed")
    assert "File too large" in made.problem


def test_where_nothing_can_be_written_there_is_one_clear_message(run: Run, notebook: Write, folder: Path) -> None:
    source = notebook("a = 1")
    wanted = r"report of source\.ipynb: it cannot be written below .*Next: free space"
    with files_up_to(500), pytest.raises(Failed, match=wanted):
        run(source, folder)


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """No file grows beyond `size` bytes, for this process and those it starts: a write ends as on a full disk."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


def assert_no_kernel_of(folder: Path) -> None:
    """No process works in the run's folder."""
    _, alive = psutil.wait_procs([one for one in psutil.process_iter() if _works_in(one, folder)], timeout=10)
    assert not alive


def _works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.cwd().startswith(str(folder))
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return False
