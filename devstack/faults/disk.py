"""A file system that is small, or full: a mount of its own, which needs root."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from domain.errors import Refused


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[None]:
    """A file system of `size` bytes is mounted at `folder`, with its owner and mode.

    Raises:
        Refused: this process may not mount.
    """
    own = folder.stat()
    options = f"size={size},mode={own.st_mode & 0o7777:o},uid={own.st_uid},gid={own.st_gid}"
    command = ("mount", "-t", "tmpfs", "-o", options, "none", str(folder))
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    if done.returncode:
        raise Refused(f"a disk at {folder}", done.stderr.strip(), "run it as root")
    try:
        yield
    finally:
        subprocess.run(("umount", "--lazy", str(folder)), check=True, timeout=10)  # somebody may still be ending


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Not a byte is left on the file system of `folder`."""
    ballast = folder / "ballast"
    try:
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(4096)):
                pass
        yield
    finally:
        ballast.unlink()
