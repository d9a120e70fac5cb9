"""Many waits at once: the same work for every item, until the first error."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int,
    *,
    ahead: int = 50,
    needed: Callable[[Item], bool] = lambda _: True,
) -> Iterator[tuple[Item, Result | None]]:
    """`work` on each item by `workers` threads; items and results in order, as they are taken.

    An item that is not `needed` has no result. At most `ahead` items for each worker are begun or done and not yet
    taken, so a stream of any length takes the same memory. The first error is raised once what runs has ended, and
    what has not begun is not begun: when a store goes away, a million calls must not fail one by one.
    """
    pool = ThreadPoolExecutor(workers)
    waiting: deque[tuple[Item, Future[Result] | None]] = deque()
    errors: list[BaseException] = []

    def one(item: Item) -> Result:
        try:
            return work(item)
        except BaseException as error:
            errors.append(error)
            raise

    def taken(item: Item, job: Future[Result] | None) -> tuple[Item, Result | None]:
        return item, job.result() if job else None

    try:
        for item in items:
            waiting.append((item, pool.submit(one, item) if needed(item) else None))
            while waiting and (waiting[0][1] is None or len(waiting) > workers * ahead):
                yield taken(*waiting.popleft())
            if errors:
                raise errors[0]
        while waiting and not errors:
            yield taken(*waiting.popleft())
        if errors:
            raise errors[0]
    finally:
        pool.shutdown(cancel_futures=True)


def run_all(work: Callable[[Item], Result], items: Iterable[Item], workers: int) -> list[Result]:
    """`work` on each item by `workers` threads; the results in order. Errors as `in_order`."""
    return [result for _, result in in_order(work, items, workers)]  # type: ignore[misc]
