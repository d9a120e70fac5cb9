"""Many waits at once: the same work for every item, until the first error."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def run_all(work: Callable[[Item], Result], items: Iterable[Item], workers: int) -> list[Result]:
    """`work` on each item by `workers` threads; the results in order.

    The first error is raised once what runs has ended, and what has not begun is not begun: when a store goes
    away, a million calls must not fail one by one.
    """
    pool = ThreadPoolExecutor(workers)
    try:
        jobs = [pool.submit(work, item) for item in items]
        wait(jobs, return_when=FIRST_EXCEPTION)
    finally:
        pool.shutdown(cancel_futures=True)
    for job in jobs:
        if not job.cancelled():
            job.result()
    return [job.result() for job in jobs]
