"""`chapter`: how every runbook chapter runs as a Prefect flow.

A chapter returns a `Record`. This turns the record's state into the run's state in Prefect:

    complete -> Completed       planned -> Completed, named Planned
    partial  -> Failed, named Partial      refused -> Failed, named Refused      failed -> Failed

Partial is of type Failed on purpose: a backup that missed one home must not be green, and whatever waits
for `is_completed()` must not go on. An automation that pages therefore matches on the state's type
(`prefect.state-type: FAILED`), which the names only refine.

A `RiskhubError` is written for people: it becomes the run's message without a traceback, here and in the
worker's log. Any other exception is a defect and keeps its traceback. All of them leave evidence.
"""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, ParamSpec

from prefect import Flow, State, flow
from prefect.exceptions import TerminationSignal
from prefect.logging import get_run_logger
from prefect.states import Completed, Failed
from prefect.utilities.hashing import file_hash

from domain.clock import utc_now
from domain.errors import Refused, RiskhubError
from domain.record import Record, RunState
from environments import Environment, load_environment
from tasks.records import leave

P = ParamSpec("P")


class NotDone(Exception):
    """What a run that is not complete raises where a result was asked for; `record` tells everything."""

    def __init__(self, record: Record) -> None:
        super().__init__(record.summary)
        self.record = record


def chapter(name: str, *, timeout: timedelta = timedelta(hours=1)) -> Callable[[Callable[P, Record]], Flow[P, Record]]:
    """Make a function with an `environment` parameter that returns a `Record` into a flow called `name`.

    The docstring becomes the flow's description (the runbook page), the signature its form in the UI.
    """

    def decorate(function: Callable[P, Record]) -> Flow[P, Record]:
        signature = inspect.signature(function, eval_str=True)
        if "environment" not in signature.parameters:
            raise TypeError(f"chapter {name}: it needs a parameter `environment`")

        @functools.wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> Any:
            started_at = utc_now()
            call = signature.bind(*args, **kwargs)
            call.apply_defaults()
            environment = str(call.arguments["environment"])
            try:
                record = function(*args, **kwargs)
            except RiskhubError as error:
                state: RunState = "refused" if isinstance(error, Refused) else "failed"
                record = _leave_ended(name, environment, started_at, state, str(error))
            except (Exception, KeyboardInterrupt, TerminationSignal) as error:
                # The message of an exception that is not ours may quote anything, secrets too: only its type is kept.
                _leave_ended(name, environment, started_at, "failed", f"ended by {type(error).__name__}; read the log")
                raise
            return _prefect_state(record)

        # Prefect resolves annotations in the globals of the function it is given, which are this module's.
        run.__signature__ = signature  # type: ignore[attr-defined]
        run.__annotations__ = inspect.get_annotations(function, eval_str=True)
        source = inspect.getsourcefile(function)
        made: Flow[P, Record] = flow(
            name=name,
            description=inspect.getdoc(function),
            version=file_hash(source) if source else None,  # of the chapter, where Prefect would hash this file
            timeout_seconds=timeout.total_seconds(),
            validate_parameters=True,
        )(run)
        return made

    return decorate


def record_of(state: State[Record]) -> Record | None:
    """The record of a run made in this process with `return_state=True`; none if it crashed before its end."""
    result = state.result(raise_on_failure=False)
    if isinstance(result, NotDone):
        return result.record
    return result if isinstance(result, Record) else None


def _prefect_state(record: Record) -> State[Any]:
    log = get_run_logger()
    if record.state in ("complete", "planned"):
        log.info("%s: %s", record.state, record.summary)
        name = "Planned" if record.state == "planned" else "Completed"
        return Completed(name=name, message=record.summary, data=record)
    log.error("%s: %s", record.state, record.summary)
    # Prefect can only carry an exception as the data of a failed state: the record travels inside it.
    return Failed(name=record.state.capitalize(), message=record.summary, data=NotDone(record))


def _leave_ended(name: str, environment: str, started_at: datetime, state: RunState, summary: str) -> Record:
    record = Record(
        flow=name,
        environment=environment,
        state=state,
        summary=summary,
        started_at=started_at,
        finished_at=utc_now(),
    )
    return leave(record, _environment(environment))


def _environment(name: str) -> Environment | None:
    try:
        return load_environment(name)
    except RiskhubError:
        return None


class _MessagesForPeople(logging.Filter):
    """Prefect logs every exception with its traceback, in the flow's and in the worker's log."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if isinstance(error, RiskhubError):
            record.msg, record.args, record.exc_info = str(error), (), None
        return not isinstance(error, NotDone)  # the chapter has said it already


for _logger in ("prefect.flow_runs", "prefect.task_runs", "prefect.engine"):
    logging.getLogger(_logger).addFilter(_MessagesForPeople())
