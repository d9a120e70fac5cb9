"""How far a long step is, as a bar and words in the Prefect UI."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.logging import get_run_logger

_EVERY = timedelta(seconds=5)


class Shown(Protocol):
    """What can be shown: a percentage (0 to 100) and words."""

    @property
    def percent(self) -> float: ...

    @property
    def words(self) -> str: ...


def in_the_ui(key: str) -> Callable[[Shown], None]:
    """A listener that shows a bar and words in the Prefect UI once a step takes longer than a moment.

    A Prefect that died must not stop the step: then it is shown no more, and the log says so.
    """
    last = time.monotonic()
    shown = None
    gone = False

    def tell(progress: Shown) -> None:
        nonlocal last, shown, gone
        now = time.monotonic()
        if gone or now - last < _EVERY.total_seconds():
            return
        last = now
        try:
            if shown is None:
                shown = create_progress_artifact(progress.percent, key=f"{key}-progress", description=progress.words)
            else:
                update_progress_artifact(shown, progress.percent, description=progress.words)
        except Exception as error:
            gone = True
            get_run_logger().warning("Progress is shown no more: Prefect did not take it (%s)", type(error).__name__)

    return tell
