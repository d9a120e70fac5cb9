"""A call that may hang for ever, and an answer in time all the same."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from datetime import timedelta
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


class Late(Exception):
    """There was no answer before the deadline; the call was left behind."""


def within(deadline: timedelta, call: Callable[[], T], *, name: str) -> T:
    """What `call` gives, or raises, before the deadline.

    It runs in a thread of its own which is abandoned when it is late: a hung NFS mount blocks even `statvfs` for
    ever, and no client's timeout helps against it.

    Raises:
        Late: no answer.
    """
    answer: Future[T] = Future()

    def carry_out() -> None:
        try:
            answer.set_result(call())
        except Exception as error:  # it crosses to the waiting thread, which raises it
            answer.set_exception(error)

    Thread(target=carry_out, name=name, daemon=True).start()
    if not wait([answer], timeout=deadline.total_seconds()).done:
        raise Late(name)
    return answer.result()
