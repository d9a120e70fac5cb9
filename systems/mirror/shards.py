"""A push in parts: stretches of homes that any number of processes push side by side, and one point over all.

Each part sends what changed in its homes and leaves its pages and its account in the bucket, so nothing is lost
with a process: a part that died is pushed again. The point is made when every part is there.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from domain.errors import Damaged, Failed, Refused
from systems.answers import Absent
from systems.mirror.bucket import Bucket
from systems.mirror.entry import Miss
from systems.mirror.location import MirrorLocation
from systems.mirror.manifest import Page, Point, first_path
from systems.mirror.names import escape, unescape
from systems.mirror.points import look_at_shelf, newest_point
from systems.mirror.tree import WORK_PREFIX, open_root


class Shard(NamedTuple):
    """The homes (top-level names) from `first` to before `end`; None: to the last. The tree's own folder is b""."""

    first: bytes
    end: bytes | None

    @property
    def words(self) -> str:
        return f"{escape(self.first) or 'the first'} to {escape(self.end) if self.end is not None else 'the last'}"

    def holds(self, name: bytes) -> bool:
        """Is this home in the shard?"""
        return self.first <= name and (self.end is None or name < self.end)


WHOLE = Shard(b"", None)


class Part(BaseModel):
    """What the push of one shard has to tell to the point.

    Attributes:
        announcement: key of the part's announcement, to be deleted when the point is there.
        pages: of all its homes, in order.
        uploaded, deleted: files and links sent; entries of the last point that are gone.
        skipped: entries that are not in the point as they are on disk.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    announcement: str
    pages: tuple[Page, ...]
    uploaded: int
    deleted: int
    skipped: tuple[Miss, ...]


class Batch(NamedTuple):
    """A push in parts: the number of the point it is to make, and its shards in order."""

    sequence: int
    shards: tuple[Shard, ...]


def batch_of(sequence: int, starts: Sequence[str]) -> Batch:
    """The batch whose shards after the first begin at these names, escaped."""
    names = [unescape(name) for name in starts]
    return Batch(sequence, tuple(map(Shard, [b"", *names], [*names, None])))


def starts_of(batch: Batch) -> list[str]:
    """The names at which its shards after the first begin, escaped; with its number all that another process needs."""
    return [escape(shard.first) for shard in batch.shards[1:]]


def plan_batch(source: Path, location: MirrorLocation, count: int) -> Batch:
    """Divide `source` into at most `count` shards of about the same number of entries.

    A push that did not finish is put right by one process: then there is one shard.

    Raises:
        Refused: `count` is no number of shards, or there is no such folder or bucket.
    """
    if count < 1:
        raise Refused(f"{count} shards", "a push has at least one", "give 1 or more")
    bucket = Bucket(location)
    bucket.require_versioned()
    shelf = look_at_shelf(bucket)
    last = newest_point(bucket, shelf)
    starts = [] if shelf.unfinished else _starts(source, last, count)
    return batch_of(shelf.last + 1, list(map(escape, starts)))


def store_part(bucket: Bucket, batch: Batch, number: int, part: Part) -> None:
    """Keep the account of a part; a part that is pushed again replaces it."""
    body = part.model_dump_json().encode()
    bucket.put(_key(bucket, batch, number), body, len(body), {})


def load_parts(bucket: Bucket, batch: Batch) -> list[Part]:
    """The accounts of all parts, in order.

    Raises:
        Failed: a part is missing.
    """
    parts = []
    for number, shard in enumerate(batch.shards):
        try:
            parts.append(Part.model_validate_json(bucket.get(_key(bucket, batch, number))))
        except Absent:
            raise Failed(
                f"point {batch.sequence} of {bucket.location.url}",
                f"its part {number + 1} of {len(batch.shards)} ({shard.words}) was not pushed",
                "push that part again; the points so far are whole",
            ) from None
        except ValidationError:
            raise Damaged(_key(bucket, batch, number), "it is no account of a part", "push again") from None
    return parts


def forget_parts(bucket: Bucket, batch: Batch) -> None:
    """The point has all that they told."""
    bucket.delete(_key(bucket, batch, number) for number in range(len(batch.shards)))


def _starts(source: Path, last: Point | None, count: int) -> list[bytes]:
    """Where shards after the first begin: at pages of the last point, which are of a size; if it has few, by names."""
    names = sorted({first_path(page).split(b"/")[0] for page in last.pages}) if last else []
    if len(names) < count:
        root = open_root(source)
        try:
            found = sorted(map(os.fsencode, os.listdir(root)))  # noqa: PTH208 - of a descriptor
        finally:
            os.close(root)
        names = [name for name in found if not name.startswith(WORK_PREFIX)]
    return sorted({names[len(names) * number // count] for number in range(1, count)} - {names[0]}) if names else []


def _key(bucket: Bucket, batch: Batch, number: int) -> str:
    return f"{bucket.location.manifests}parts/{batch.sequence:010d}/{number:04d}-of-{len(batch.shards):04d}.json"
