"""Many notebooks at once, none of them of the catalogue: each in processes of its own, forked from a warm parent.

What ran whole is put where it was asked for, in place of what was there. What failed is kept beside it, named
`….failed.…`, so that an earlier good output stays and nobody takes a failed one for it.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import yaml

from domain.errors import Refused, RiskhubError
from systems.kernels.documents import check_parameters, read_notebook
from systems.kernels.executors import warm
from systems.kernels.forks import warm_up
from systems.kernels.reports import run_notebook

# Of the environment that the kernels inherit: their values stand in no output.
SECRETS = ("RISK_API_TOKEN", "JUPYTERHUB_API_TOKEN", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_KEYS = {"notebook", "output", "html", "params_yaml"}


@dataclass(frozen=True)
class Request:
    """A notebook, where its executed copy and page are to be, and the values of its parameters cell."""

    notebook: Path
    output: Path
    html: Path
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Result:
    """What became of a request.

    Attributes:
        problem: why it was refused or failed; empty when complete.
        kept: the executed notebook, good or failed; none where nothing ran.
        peak_memory: of the kernel, in bytes.
    """

    request: Request
    state: Literal["complete", "failed", "refused"]
    problem: str = ""
    kept: Path | None = None
    seconds: float = 0.0
    peak_memory: int | None = None


def read_requests(text: str) -> list[Request]:
    """One request a line, as JSON.

    Raises:
        Refused: a line is no request, two of them write to one file, or one to a notebook that is to be run.
    """
    requests = [_request(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    written = [path.resolve() for request in requests for path in (request.output, request.html)]
    if twice := sorted({str(path) for path in written if written.count(path) > 1}):
        raise Refused(f"requests for {twice[0]}", "two of them write to it, and one would be lost", "name another file")
    if over := sorted(str(path) for path in {request.notebook.resolve() for request in requests} & set(written)):
        raise Refused(f"requests for {over[0]}", "it is to be run, and would be written over", "name another output")
    return requests


def execute_all(
    requests: Sequence[Request],
    *,
    processes: int,
    deadline: timedelta,
    memory: int | None,
) -> Iterator[Result]:
    """Run every request, `processes` at a time; a result as soon as it is there.

    What a notebook's parameters cell does not declare is refused before a kernel is started for it; the others run.
    """
    warm_up()
    with ThreadPoolExecutor(processes) as pool:
        running = [pool.submit(_run, request, deadline, memory) for request in requests]
        try:
            for each in as_completed(running):
                yield each.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _request(number: int, line: str) -> Request:
    thing = f"request in line {number}"
    try:
        told = json.loads(line)
        parameters = yaml.safe_load(told.get("params_yaml") or "{}")
        notebook, output, html = (Path(told[name]) for name in ("notebook", "output", "html"))
    except (ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        cause = f"it is no object of notebook, output, html and params_yaml ({type(error).__name__}: {error})"
        raise Refused(thing, " ".join(cause.split()), "correct the line") from None
    if unknown := sorted(set(told) - _KEYS):
        raise Refused(thing, f"nobody knows {', '.join(unknown)}", f"choose from {', '.join(sorted(_KEYS))}")
    if not isinstance(parameters, dict) or not all(isinstance(name, str) for name in parameters):
        raise Refused(thing, "params_yaml maps no names to values", "write it as {confidence: 0.99}")
    return Request(notebook, output, html, parameters)


def _run(request: Request, deadline: timedelta, memory: int | None) -> Result:
    try:
        check_parameters(read_notebook(request.notebook), request.notebook.name, request.parameters)
        folder = _folder_beside(request.output)
    except RiskhubError as error:
        return Result(request, "refused", str(error))
    try:
        return _run_in(folder, request, deadline, memory)
    except (RiskhubError, OSError) as error:
        return Result(request, "failed", str(error))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run_in(folder: Path, request: Request, deadline: timedelta, memory: int | None) -> Result:
    made = run_notebook(
        request.notebook.absolute(),
        folder,
        request.parameters,
        environment={name: value for name, value in os.environ.items() if name not in SECRETS},
        secrets={name: os.environ[name] for name in SECRETS if os.environ.get(name)},
        deadline=deadline,
        memory=memory,
        cwd=Path.cwd(),
        execute=warm,
    )
    good, failed = (request.html, request.output), (_failed(request.html), _failed(request.output))
    request.html.parent.mkdir(parents=True, exist_ok=True)
    targets = good if made.state == "complete" else failed
    for path, target in zip((made.page, made.notebook), targets, strict=True):
        shutil.move(path, target)
    if made.state == "complete":
        for path in failed:
            path.unlink(missing_ok=True)
    return Result(request, made.state, made.problem, targets[1], made.seconds, made.peak_memory)


def _folder_beside(output: Path) -> Path:
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=".riskhub-report-", dir=output.parent))
    except OSError as error:
        raise Refused(f"folder {output.parent}", f"it takes no file ({error.strerror})", "name another one") from None


def _failed(path: Path) -> Path:
    return path.with_name(f"{path.stem}.failed{path.suffix}")
