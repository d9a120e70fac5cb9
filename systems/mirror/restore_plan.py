"""What a restore would do: a point held against the destination, content by SHA-256. Changes nothing.

Files that the point does not know are left alone and listed; a restore never deletes. Pages and walk are merged as
they come, and what is to be done is noted on disk, so a tree of any size takes the same memory.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from domain.errors import Refused
from domain.plan import Action, Plan
from systems.mirror.bucket import AT_ONCE, Bucket
from systems.mirror.changes import merge
from systems.mirror.differences import could_be_same, difference, digest_of, instead
from systems.mirror.entry import LOOK, Entry, Row, Skip, is_folder, lies_in
from systems.mirror.location import MirrorLocation
from systems.mirror.manifest import Point
from systems.mirror.names import escape
from systems.mirror.parallel import in_order
from systems.mirror.points import find_point, load_point, pages_about, rows_of
from systems.mirror.progress import Listener, Meter
from systems.mirror.spool import Spool
from systems.mirror.tree import look, open_root
from systems.mirror.walk import Batch, walk


@dataclass(frozen=True, kw_only=True)
class RestorePlan(Plan[Row]):
    """A plan whose verbs are `create`, `replace` and `fix-metadata`, in tree order; left alone are the `extra`.

    `kept`: how many entries are as in the point.
    """

    location: MirrorLocation
    destination: Path
    point: Point
    kept: int


class _Pair(NamedTuple):
    row: Row | None
    entry: Entry | None


def plan_restore(
    location: MirrorLocation,
    destination: Path,
    *,
    at: datetime | None = None,
    point: str | None = None,
    path: bytes | str | None = None,
    progress: Listener | None = None,
) -> RestorePlan:
    """Plan to bring `destination` to a point: all of it, or `path` in it (a user, a folder, a file).

    Args:
        at: the last point not after this time; `point`: this id; neither: the last point.
        path: relative, the same in the point and below `destination`.

    Raises:
        Refused: no such point or path, a path that leaves the tree, or a destination inside the source.
        Unreachable, Damaged: the point could not be read.
        Failed: what is to be done does not fit into the folder for temporary files.
    """
    wanted = relative(path)
    bucket = Bucket(location)
    chosen = load_point(bucket, find_point(bucket, at=at, point=point))
    target = _checked(destination, chosen)
    pages = pages_about(chosen, wanted)
    meter = Meter("compare", sum(page.files for page in pages), sum(page.bytes for page in pages), progress)
    above, rows = _scope(rows_of(bucket, pages), wanted, chosen, meter)
    actions: Spool[Action[Row]] = Spool()
    left_alone: Spool[Action[Row]] = Spool()
    kept = 0
    for action in _compared(target, above, rows, wanted, meter) if target.exists() else _all_of(above, rows):
        if action is None:
            kept += 1
        else:
            (left_alone if action.verb == "extra" else actions).add(action)
    named = f", {escape(wanted)}" if wanted else ""
    return RestorePlan(
        title=f"restore point {chosen.id} of {location.url}{named} to {target}",
        actions=actions,
        left_alone=left_alone,
        location=location,
        destination=target,
        point=chosen,
        kept=kept,
    )


def relative(path: bytes | str | None) -> bytes:
    """A path of the mirrored tree as bytes; b"" for all of it.

    Raises:
        Refused: it leaves the tree.
    """
    wanted = os.fsencode(path or b"").rstrip(b"/")
    if path and (not wanted or wanted.startswith(b"/") or {b"", b".", b".."} & set(wanted.split(b"/"))):
        raise Refused(
            f"path {escape(os.fsencode(path))!r}",
            "it is not inside the mirrored tree",
            "give it relative to the mirror, such as ana/notes.ipynb",
        )
    return wanted


def _checked(destination: Path, point: Point) -> Path:
    """The destination without links on the way.

    Raises:
        Refused: it is a link, is no folder, or lies inside the source.
    """
    if destination.is_symlink():
        raise Refused(f"destination {destination}", "it is a symbolic link", "give the folder it points to")
    target = destination.resolve()
    if target == target.parent or (target.exists() and not target.is_dir()):
        raise Refused(f"destination {target}", "it is no folder to restore to", "give a folder, or a name that is free")
    if Path(point.source) in target.parents:
        raise Refused(
            f"destination {target}",
            f"it lies inside the source {point.source}, so the next push would take it for users' files",
            f"restore to {point.source} itself, or outside of it",
        )
    return target


def _scope(rows: Iterator[Row], wanted: bytes, point: Point, meter: Meter) -> tuple[list[Row], Iterator[Row]]:
    """The rows of the folders that `wanted` lies in, and those at and below it; the meter counts the others.

    Raises:
        Refused: there are none at or below it.
    """
    above: list[Row] = []
    for row in rows:
        if lies_in(row.path, wanted):
            return above, chain([row], _inside(rows, wanted, meter))
        if lies_in(wanted, row.path):
            above.append(row)
        _count(meter, row)
    raise Refused(f"point {point.id}", f"it has no {escape(wanted)}", "choose another path, or an earlier point")


def _inside(rows: Iterator[Row], wanted: bytes, meter: Meter) -> Iterator[Row]:
    for row in rows:
        if lies_in(row.path, wanted):
            yield row
        else:
            _count(meter, row)


def _all_of(above: list[Row], rows: Iterator[Row]) -> Iterator[Action[Row]]:
    """The actions where nothing is yet."""
    return (_action(*instead(None), row) for row in chain(above, rows))


def _compared(
    target: Path, above: list[Row], rows: Iterator[Row], wanted: bytes, meter: Meter
) -> Iterator[Action[Row] | None]:
    """In order, an action for each entry that is not as in the point or that the point does not know; else None."""
    root = open_root(target)
    try:
        for folder in above:
            found = look(root, folder.path)
            if found is None or not found.is_folder:
                yield _action(*instead(found), folder)
        skipped: list[Skip] = []
        skips = _Skips(skipped)
        extra_below = b"\0"
        for (row, entry), digest in _digested(root, rows, walk(root, skipped, wanted)):
            if row is None:
                assert entry is not None  # noqa: S101 - merge never yields a pair of None
                if not lies_in(entry.path, extra_below):
                    extra_below = entry.path
                    yield _action("extra", "the point does not know it", Row(entry.path, entry.look, b"", ""))
                continue
            _count(meter, row)
            told = difference(entry, row.entry, digest=digest, sha256=row.sha256, skip=skips.at(row.path))
            if told and told.verb == "replace" and entry and entry.is_folder:
                extra_below = entry.path  # what is in it goes with it
            yield _action(*told, row) if told else None
    finally:
        os.close(root)


def _digested(root: int, rows: Iterator[Row], batches: Iterator[Batch]) -> Iterator[tuple[_Pair, bytes | None]]:
    """Rows and what is on disk paired by path; with the digest of what is there, where only that tells."""

    def digest(pair: _Pair) -> bytes | None:
        assert pair.entry is not None  # noqa: S101 - nothing else is needed
        return digest_of(root, pair.entry)

    def needed(pair: _Pair) -> bool:
        return pair.row is not None and pair.entry is not None and could_be_same(pair.entry, pair.row.entry)

    seen = chain.from_iterable(batch.rows for batch in batches)
    merged = merge(rows, seen, path_of=itemgetter(0))
    pairs = (_Pair(row, Entry(found[0], *LOOK.unpack(found[1])) if found else None) for row, found in merged)
    return in_order(digest, pairs, AT_ONCE, needed=needed)


class _Skips:
    """Skips that are still being added to, by path. One is told before anything that comes after it."""

    def __init__(self, skipped: list[Skip]) -> None:
        self._skipped = skipped
        self._read = 0
        self._by_path: dict[bytes, Skip] = {}

    def at(self, path: bytes) -> Skip | None:
        while self._read < len(self._skipped):
            skip = self._skipped[self._read]
            self._read += 1
            self._by_path[skip.path] = skip
        return self._by_path.get(path)


def _count(meter: Meter, row: Row) -> None:
    if not is_folder(row.look):
        meter.count(row.entry.size)


def _action(verb: str, reason: str, row: Row) -> Action[Row]:
    return Action(verb, escape(row.path) or ".", reason, row)
