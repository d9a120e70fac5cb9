"""An embedded stack of a benchmark's own: fresh, and gone afterwards."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devstack.stack import Stack


@contextmanager
def embedded_stack() -> Iterator[Stack]:
    """The stack, up; `load_environment("local")` is it. How long each part took is told on stderr."""
    with tempfile.TemporaryDirectory(prefix="riskhub-benchmark-") as folder:
        os.environ["RISKHUB_STATE"] = folder
        stack = Stack(Path(folder))
        stack.up(lambda name, seconds: print(f"{name:20} {seconds:6.1f} s", file=sys.stderr))
        try:
            yield stack
        finally:
            stack.down()
