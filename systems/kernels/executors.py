"""Two ways to let papermill run a notebook in a process of its own, within a deadline: started anew, or forked warm.

Either way papermill's process and the kernel are gone at the end, with whatever they began.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import psutil

from domain.reports import Parameter
from systems.kernels import papermill_process
from systems.kernels.forks import fork
from systems.kernels.warm import settle_in, use_warm_kernel

NOTEBOOK = "report.ipynb"
_LAST_WORDS = 5.0  # seconds for an interrupted kernel to leave its traceback
_SCRIPT = Path(papermill_process.__file__)


@dataclass(frozen=True)
class Execution:
    """One notebook to be executed.

    Attributes:
        folder: where the executed notebook and the log are left, and, in `work`, what belongs to this run alone.
        cwd: where papermill and the kernel work; none for `work`.
        variables: the whole environment of papermill and its kernel.
        memory: bytes that each of them may allocate; none for as much as there is.
    """

    source: Path
    folder: Path
    parameters: Mapping[str, Parameter]
    variables: Mapping[str, str]
    deadline: timedelta
    memory: int | None = None
    cwd: Path | None = None

    @property
    def work(self) -> Path:
        return self.folder / "work"

    @property
    def environment(self) -> dict[str, str]:
        """The variables; sockets and history of kernels that run at the same time stay apart."""
        work = self.work
        return {**self.variables, "JUPYTER_RUNTIME_DIR": str(work), "IPYTHONDIR": str(work / "ipython")}

    def request(self, sockets: str) -> dict[str, Any]:
        """As `papermill_process` takes it. `sockets`: an empty folder with a short name, for the kernel's."""
        return {
            "source": str(self.source),
            "output": str(self.folder / NOTEBOOK),
            "parameters": dict(self.parameters),
            "folder": str(self.cwd or self.work),
            "result": str(self.folder / "result.json"),
            "memory": self.memory,
            "sockets": sockets,
        }

    @property
    def late(self) -> str:
        return f"it was stopped after its deadline of {self.deadline.total_seconds():g} s"


@dataclass(frozen=True)
class Executed:
    """What went wrong, in words, empty when nothing did; and the kernel's peak memory in bytes, where it is known."""

    problem: str
    peak_memory: int | None = None


Executor = Callable[[Execution], Executed]


def cold(execution: Execution) -> Executed:
    """papermill and kernel started anew."""
    execution.work.mkdir(mode=0o700)
    with _sockets() as sockets:
        return _cold(execution, sockets)


def warm(execution: Execution) -> Executed:
    """Both forked from a parent that is warm, see `forks`; where it forks nothing, as `cold`."""
    with _sockets() as sockets:
        log, (reader, writer) = execution.folder / "papermill.log", multiprocessing.Pipe(duplex=False)
        execution.work.mkdir(mode=0o700)
        with reader, writer:
            try:
                process = fork(_run_papermill, execution.request(sockets), execution.environment, str(log), writer)
            except (OSError, EOFError):
                return _cold(execution, sockets)
            writer.close()
            return _heard(execution, process, reader)


def _sockets() -> tempfile.TemporaryDirectory[str]:
    """Kernels that run at the same time in one folder would else meet at `kernel-ipc-1`."""
    return tempfile.TemporaryDirectory(prefix="riskhub-kernel-")


def _cold(execution: Execution, sockets: str) -> Executed:
    work, log, result = execution.work, execution.folder / "papermill.log", execution.folder / "result.json"
    with log.open("wb") as file:
        process = subprocess.Popen(
            (sys.executable, "-P", str(_SCRIPT)),
            env=execution.environment,
            cwd=work,
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    try:
        process.communicate(json.dumps(execution.request(sockets)).encode(), timeout=execution.deadline.total_seconds())
    except subprocess.TimeoutExpired:
        return Executed(execution.late)
    finally:
        if process.poll() is None:
            _signal((each for each in _begun_for(work) if each.pid != process.pid), signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_LAST_WORDS)
            process.kill()
            process.wait()
        _signal(_begun_for(work), signal.SIGKILL)
    if result.exists():
        return Executed(str(json.loads(result.read_text())["problem"]))
    return Executed(_ended(process.returncode, log))


def _heard(execution: Execution, process: ForkServerProcess, reader: Connection) -> Executed:
    told: dict[str, Any] = {}
    try:
        if not _listen(reader, told, execution.deadline.total_seconds()):
            _signal([told["kernel"]] if "kernel" in told else [], signal.SIGINT)
            _listen(reader, told, _LAST_WORDS)
            return Executed(execution.late)
    finally:
        process.kill()
        process.join()
        _end_group(told.get("kernel"))
        _signal(_begun_for(execution.work), signal.SIGKILL)
    if "problem" in told:
        return Executed(told["problem"], told.get("memory"))
    return Executed(_ended(process.exitcode, execution.folder / "papermill.log"), told.get("memory"))


def _run_papermill(request: Mapping[str, Any], environment: Mapping[str, str], log: str, told: Connection) -> None:
    settle_in(environment, request["folder"], log)
    use_warm_kernel(told, request["memory"])
    told.send(("problem", papermill_process.problem_of(request)))


def _listen(reader: Connection, told: dict[str, Any], seconds: float) -> bool:
    """Gather what papermill's process says until it told its result or is gone; whether that was in time."""
    give_up = time.monotonic() + seconds
    while "problem" not in told:
        if not reader.poll(max(give_up - time.monotonic(), 0)):
            return False
        try:
            what, value = reader.recv()
        except EOFError:
            return True
        with contextlib.suppress(psutil.NoSuchProcess):  # a kernel may be gone by now
            told[what] = psutil.Process(value) if what == "kernel" else value
    return True


def _end_group(kernel: psutil.Process | None) -> None:
    """psutil knows a process by its start: another one that has its number by now is left alone."""
    if kernel is not None and kernel.is_running():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(kernel.pid, signal.SIGKILL)


def _begun_for(work: Path) -> list[psutil.Process]:
    """The processes that carry this run's folder in their environment, whoever their parent is by now."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            if process.environ().get("JUPYTER_RUNTIME_DIR") == str(work):
                found.append(process)
    return found


def _signal(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _ended(code: int | None, log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return f"papermill ended with code {code}: {lines[-1] if lines else 'its log is empty'}"
