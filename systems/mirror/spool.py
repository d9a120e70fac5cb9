"""A sequence that is written once and read in order, in memory while it is short and on disk when it is not."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Collection, Iterator
from typing import TypeVar

from domain.errors import Failed

Item = TypeVar("Item")

_IN_MEMORY = 20_000  # items


class Spool(Collection[Item]):
    """Items in the order they were added. The file has no name, so nobody else can reach what is unpickled.

    Raises:
        Failed: the folder for temporary files does not take it.
    """

    def __init__(self) -> None:
        try:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as this
        except OSError as error:
            raise no_room(error) from None
        self._recent: list[Item] = []
        self._starts: list[int] = []  # of each stretch in the file
        self._count = 0

    def add(self, item: Item) -> None:
        """One more.

        Raises:
            Failed: there is no room for it.
        """
        self._recent.append(item)
        self._count += 1
        if len(self._recent) == _IN_MEMORY:
            self._write()

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Item]:
        for start in self._starts:
            self._file.seek(start)
            yield from pickle.load(self._file)  # noqa: S301
        yield from self._recent

    def __contains__(self, item: object) -> bool:
        return any(each == item for each in self)

    def _write(self) -> None:
        try:
            self._starts.append(self._file.seek(0, 2))
            pickle.dump(self._recent, self._file, pickle.HIGHEST_PROTOCOL)
            self._file.flush()
        except OSError as error:
            raise no_room(error) from None
        self._recent = []


def no_room(error: Exception) -> Failed:
    """The error of what could not be noted in the folder for temporary files."""
    return Failed(
        f"temporary folder {tempfile.gettempdir()}",
        f"what was found could not be noted there ({getattr(error, 'strerror', None) or error})",
        "make room there, or set TMPDIR to a folder that has some, then run again",
    )
