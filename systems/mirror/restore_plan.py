"""What a restore would do: a point held against the destination, content by SHA-256. Changes nothing.

Size and times do not count as proof: a file damaged with both kept is found. Files that the point does not
know are left alone and listed; a restore never deletes.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from domain.errors import Refused
from domain.plan import Action, Plan
from systems.mirror.bucket import AT_ONCE, Bucket
from systems.mirror.changes import merge
from systems.mirror.entry import LOOK, Entry, Pinned, Skip, lies_in, pinned
from systems.mirror.location import MirrorLocation
from systems.mirror.manifest import Point
from systems.mirror.names import escape
from systems.mirror.parallel import in_order
from systems.mirror.points import find_point, load_point, pages_about, rows_of
from systems.mirror.progress import Listener, Meter
from systems.mirror.tree import look, open_file, open_root, parent_of
from systems.mirror.walk import walk

_PIECE = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class RestorePlan(Plan[Pinned]):
    """A plan whose verbs are `create`, `replace` and `fix-metadata`; left alone are `keep` and `extra`."""

    location: MirrorLocation
    destination: Path
    point: Point


class _Pair(NamedTuple):
    pin: Pinned | None
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
    """
    wanted = _relative(path)
    bucket = Bucket(location)
    chosen = load_point(bucket, find_point(bucket, at=at, point=point))
    target = _checked(destination, chosen)
    pins, ancestors = _scope(map(pinned, rows_of(bucket, pages_about(chosen, wanted))), wanted, chosen)
    actions: list[Action[Pinned]] = []
    left_alone: list[Action[Pinned]] = []
    skipped: list[Skip] = []
    if not target.exists():
        actions = [_action("create", pin, "it is missing") for pin in [*ancestors, *pins]]
    else:
        root = open_root(target)
        try:
            for pin in ancestors:
                entry = look(root, pin.entry.path)
                if entry is None or not entry.is_folder:
                    actions.append(_instead(pin, entry, None))
            seen = chain.from_iterable(batch.rows for batch in walk(root, skipped, wanted))
            entries = (Entry(path, *LOOK.unpack(look)) for path, look in seen)
            pairs = [_Pair(*pair) for pair in merge(pins, entries, path_of=_path_of)]
            digests = _hash(root, pairs, progress)
        finally:
            os.close(root)
        in_the_way = {skip.path: skip for skip in skipped}
        extra_below = b"\0"
        for pair in pairs:
            if pair.pin is None:
                assert pair.entry is not None  # noqa: S101 - merge never yields a pair of None
                found = pair.entry.path
                if not (found + b"/").startswith(extra_below + b"/"):
                    extra_below = found
                    left_alone.append(Action("extra", escape(found), "the point does not know it", _extra(pair.entry)))
                continue
            action = _decide(pair.pin, pair.entry, digests, in_the_way)
            if action.verb == "replace" and pair.entry is not None and pair.entry.is_folder:
                extra_below = pair.entry.path  # what is in it goes with it
            (left_alone if action.verb == "keep" else actions).append(action)
    named = f", {escape(wanted)}" if wanted else ""
    return RestorePlan(
        title=f"restore point {chosen.id} of {location.url}{named} to {target}",
        actions=tuple(actions),
        left_alone=tuple(left_alone),
        location=location,
        destination=target,
        point=chosen,
    )


def _path_of(either: Pinned | Entry) -> bytes:
    return either.entry.path if isinstance(either, Pinned) else either.path


def _relative(path: bytes | str | None) -> bytes:
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


def _scope(pins: Iterator[Pinned], wanted: bytes, point: Point) -> tuple[list[Pinned], list[Pinned]]:
    """The pins at and below `wanted`, and those of the folders it lies in."""
    if not wanted:
        return list(pins), []
    inside: list[Pinned] = []
    ancestors: list[Pinned] = []
    for pin in pins:
        path = pin.entry.path
        if lies_in(path, wanted):
            inside.append(pin)
        elif lies_in(wanted, path):
            ancestors.append(pin)
    if not inside:
        raise Refused(f"point {point.id}", f"it has no {escape(wanted)}", "choose another path, or an earlier point")
    return inside, ancestors


def _decide(pin: Pinned, entry: Entry | None, digests: dict[bytes, str], skips: dict[bytes, Skip]) -> Action[Pinned]:
    wanted = pin.entry
    if entry is None or stat.S_IFMT(entry.mode) != stat.S_IFMT(wanted.mode):
        return _instead(pin, entry, skips.get(wanted.path))
    if not wanted.is_folder:
        if not wanted.is_link and entry.size != wanted.size:
            return _action("replace", pin, f"it has {entry.size} bytes instead of {wanted.size}")
        digest = digests.get(wanted.path)
        if digest is None:
            return _action("replace", pin, "it cannot be read")
        if digest != pin.sha256:
            return _action("replace", pin, "its target differs" if wanted.is_link else "its content differs")
    differs = _differences(entry, wanted)
    return _action("fix-metadata", pin, differs) if differs else _action("keep", pin, "it is as in the point")


def _instead(pin: Pinned, entry: Entry | None, skip: Skip | None) -> Action[Pinned]:
    if skip and not skip.unreadable:
        return _action("replace", pin, f"in its place is {skip.reason}")
    if entry is None:
        return _action("create", pin, "it is missing")
    kind = "a folder" if entry.is_folder else "a symbolic link" if entry.is_link else "a file"
    return _action("replace", pin, f"in its place is {kind}")


def _differences(entry: Entry, wanted: Entry) -> str:
    told = []
    if not wanted.is_link and entry.mode != wanted.mode:  # Linux has no modes on links
        told.append(f"mode {stat.S_IMODE(entry.mode):04o} instead of {stat.S_IMODE(wanted.mode):04o}")
    if (entry.uid, entry.gid) != (wanted.uid, wanted.gid):
        told.append(f"owner {entry.uid}:{entry.gid} instead of {wanted.uid}:{wanted.gid}")
    if entry.mtime_ns != wanted.mtime_ns:
        told.append("another modification time")
    return ", ".join(told)


def _hash(root: int, pairs: list[_Pair], progress: Listener | None) -> dict[bytes, str]:
    """SHA-256 of what could be as in the point: files of the same size, and links."""

    def one(entry: Entry) -> str | None:
        try:
            return _digest(root, entry)
        except OSError:
            return None

    alike = [pair.entry for pair in pairs if pair.pin and pair.entry and _could_be_same(pair.entry, pair.pin.entry)]
    meter = Meter("compare", len(alike), sum(entry.size for entry in alike), progress)
    digests: dict[bytes, str] = {}
    for entry, digest in in_order(one, alike, AT_ONCE):
        meter.count(entry.size)
        if digest:
            digests[entry.path] = digest
    return digests


def _could_be_same(entry: Entry, wanted: Entry) -> bool:
    same_kind = stat.S_IFMT(entry.mode) == stat.S_IFMT(wanted.mode)
    return same_kind and not entry.is_folder and (entry.is_link or entry.size == wanted.size)


def _digest(root: int, entry: Entry) -> str:
    if entry.is_link:
        with parent_of(root, entry.path) as (folder, name):
            return hashlib.sha256(os.fsencode(os.readlink(name, dir_fd=folder))).hexdigest()
    digest = hashlib.sha256()
    with open_file(root, entry.path) as file:
        while piece := os.read(file, _PIECE):
            digest.update(piece)
    return digest.hexdigest()


def _action(verb: str, pin: Pinned, reason: str) -> Action[Pinned]:
    return Action(verb, escape(pin.entry.path) or ".", reason, pin)


def _extra(entry: Entry) -> Pinned:
    return Pinned(entry, "", "")
