"""A sequence that is written once and read in order, in memory while it is short and on disk when it is not."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")

_IN_MEMORY = 50_000  # items


class Spool(Generic[Item]):
    """Items in the order they were added. The file has no name, so nobody else can reach what is unpickled."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as this
        self._recent: list[Item] = []

    def add(self, item: Item) -> None:
        self._recent.append(item)
        if len(self._recent) == _IN_MEMORY:
            pickle.dump(self._recent, self._file, pickle.HIGHEST_PROTOCOL)
            self._recent = []

    def __iter__(self) -> Iterator[Item]:
        """All of them, once; no more can be added then."""
        end = self._file.tell()
        self._file.seek(0)
        while self._file.tell() < end:
            yield from pickle.load(self._file)  # noqa: S301
        yield from self._recent
        self._file.close()
