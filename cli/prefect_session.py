"""Where a command's flow runs: the environment's Prefect server when it answers, else one within this process.

Prefect reads its settings when it is imported, so a session sets them first and the flow is imported inside it.
The server within the process lives on a thread and in a temporary home: no child process that could be
orphaned, and nothing is left when the command ends.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click
import httpx

from domain.clock import utc_now
from domain.errors import Failed, Unreachable
from domain.record import Record
from systems.prefect_template import keep_template, use_template

if TYPE_CHECKING:
    from prefect import Flow, State

ANSWERS_WITHIN = timedelta(seconds=2)
STARTS_WITHIN = timedelta(seconds=120)


@dataclass(frozen=True)
class Session:
    """Settings are in place; `run` does the work. `server` is None where the environment's own Prefect answers."""

    api_url: str
    server: OwnServer | None

    def run(self, flow: Flow[..., Record], arguments: dict[str, Any]) -> Record:
        """Run `flow` to its record, whatever its end.

        Raises:
            Unreachable: the environment's Prefect stopped answering during the run.
            Failed: the server within this process did not start.
        """
        if self.server is None:
            try:
                return _run(flow, arguments)
            except httpx.TransportError as error:
                raise Unreachable(
                    f"Prefect at {self.api_url}",
                    f"it stopped answering during the run ({type(error).__name__})",
                    "see what the run did, then run it again: without Prefect it runs on its own",
                ) from None
        click.echo(f"Prefect at {self.api_url} does not answer: running without it", err=True)
        with self.server.started():
            return _run(flow, arguments)


@contextmanager
def prefect_session(api_url: str, *, verbose: bool) -> Iterator[Session]:
    """Settings for a flow run against `api_url` if it answers within 2 s, else in this process alone."""
    level = "INFO" if verbose else "CRITICAL"  # of the console; Prefect's UI always gets the run's log
    quiet = {"PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": level, "DO_NOT_TRACK": "1", "PREFECT_CLI_COLORS": "false"}
    quiet |= {"PREFECT_CLIENT_MAX_RETRIES": "2"}  # of each request; with more, a server that dies holds on-call up
    before = dict(os.environ)
    try:
        if answers(api_url):
            os.environ.update(quiet, PREFECT_API_URL=api_url)
            yield Session(api_url, None)
        else:
            with _terminated_like_an_exit(), own_server() as server:
                # The caller's own PREFECT_* (a database URL above all) are not for a throw-away server;
                # the UI's address is the platform's variable, which the environment file asks for.
                for name in [name for name in os.environ if name.startswith("PREFECT_") and name != "PREFECT_UI_URL"]:
                    del os.environ[name]
                os.environ.update(quiet, **server.settings)
                yield Session(api_url, server)
    finally:
        os.environ.clear()
        os.environ.update(before)


def answers(api_url: str) -> bool:
    """Does a Prefect API answer its health endpoint within 2 s?"""
    try:
        return httpx.get(f"{api_url}/health", timeout=ANSWERS_WITHIN.total_seconds()).is_success
    except httpx.HTTPError:
        return False


@dataclass(frozen=True)
class OwnServer:
    """A Prefect server to be started in this process, its port held already."""

    home: Path
    listener: socket.socket

    @property
    def settings(self) -> dict[str, str]:
        port = self.listener.getsockname()[1]
        return {
            "PREFECT_HOME": str(self.home),
            "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
            "PREFECT__SERVER_EPHEMERAL": "1",
            "PREFECT_SERVER_UI_ENABLED": "false",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
            "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
            "PREFECT_LOGGING_TO_API_ENABLED": "false",
        }

    @contextmanager
    def started(self) -> Iterator[None]:
        """Serve while the block runs.

        Raises:
            Failed: it did not start within 120 s.
        """
        import uvicorn  # noqa: PLC0415 - it and the server cost seconds, for this case alone
        from prefect.events.worker import EventsWorker  # noqa: PLC0415
        from prefect.server.api.server import create_app  # noqa: PLC0415

        database = self.home / "prefect.db"
        use_template(database)
        server = uvicorn.Server(uvicorn.Config(create_app(ephemeral=True), log_level="critical", lifespan="on"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [self.listener]}, daemon=True)
        thread.start()
        give_up = time.monotonic() + STARTS_WITHIN.total_seconds()
        while not server.started:
            if not thread.is_alive() or time.monotonic() > give_up:
                raise Failed("the Prefect server of this command", "it did not start", "run it with --verbose")
            time.sleep(0.01)
        keep_template(database)
        try:
            yield
        finally:
            EventsWorker.drain_all(timeout=5)
            server.should_exit = True
            thread.join(timeout=10)


@contextmanager
def own_server() -> Iterator[OwnServer]:
    """A home and a port for a server, both gone at the end."""
    home = Path(tempfile.mkdtemp(prefix="riskhub-prefect-"))
    try:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            yield OwnServer(home, listener)
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _terminated_like_an_exit() -> Iterator[None]:
    """SIGTERM unwinds the stack, so that the temporary home goes as well."""
    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(flow: Flow[..., Record], arguments: dict[str, Any]) -> Record:
    from flows.chapter import record_of  # noqa: PLC0415 - it imports Prefect

    started_at = utc_now()
    state: State[Record] = cast(Any, flow)(**arguments, return_state=True)
    record = record_of(state)
    if record is not None:
        return record
    error = state.result(raise_on_failure=False)
    if isinstance(error, BaseException):
        traceback.print_exception(error)  # a defect, not an answer: whoever mends it needs the whole of it
    return Record(
        flow=flow.name,
        environment=str(arguments["environment"]),
        state="failed",
        summary=state.message or f"the run ended as {state.name}",
        started_at=started_at,
        finished_at=utc_now(),
    )
