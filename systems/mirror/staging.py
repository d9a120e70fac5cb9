"""The folder that a restore works in: what is to be swapped in, and what was swapped out."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from domain.clock import utc_now
from domain.errors import Refused
from systems.mirror.tree import WORK_PREFIX


@contextmanager
def work_folder(destination: Path) -> Iterator[Path]:
    """A private folder on the destination's file system with `stage/` and `replaced/`; the latter may stay.

    It is beside the destination, or inside where that is a mount point. No mirror takes it in (see `walk`).

    Raises:
        Refused: it cannot be made.
    """
    parent = destination.parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        inside = destination.exists() and destination.stat().st_dev != parent.stat().st_dev
        name = f"{WORK_PREFIX.decode()}{utc_now():%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
        work = (destination if inside else parent) / name
        work.mkdir(mode=0o700)
        (work / "stage").mkdir(mode=0o700)
        (work / "replaced").mkdir(mode=0o700)
    except OSError as error:
        raise Refused(
            f"destination {destination}",
            f"no staging folder can be made beside it ({error.strerror})",
            "restore as a user who may write there",
        ) from None
    try:
        yield work
    finally:
        shutil.rmtree(work / "stage")
        with suppress(OSError):  # stays while it holds something
            (work / "replaced").rmdir()
            work.rmdir()
