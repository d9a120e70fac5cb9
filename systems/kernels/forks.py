"""A parent that is warm: the standard library's fork server, which imports what reports import and forks.

Nothing heavy is imported here, so that the parent can begin before whoever asks for it has its own imports done.
"""

from __future__ import annotations

import multiprocessing
from multiprocessing import forkserver
from multiprocessing.context import ForkServerProcess
from threading import Lock
from typing import Any

_context = multiprocessing.get_context("forkserver")
_starting = Lock()


def warm_up() -> None:
    """Let the parent begin, unless it runs already; does not wait."""
    _context.set_forkserver_preload(["systems.kernels.preloaded", "systems.kernels.executors", "cli.main"])
    forkserver.ensure_running()


def fork(target: Any, *arguments: Any) -> ForkServerProcess:
    """A process of its own, forked from the warm parent, that calls `target`."""
    process = _context.Process(target=target, args=arguments)
    with _starting:
        process.start()
    return process
