"""Restore: the pinned versions into a staging folder, verified, then swapped in; nothing is overwritten.

Staged beside the destination on the same file system, so that each swap is a rename: a missing home appears
whole or not at all. What a swap displaces is kept in the same work folder, and the result says where. Until
all of it is staged and verified the destination is untouched.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from domain.errors import Damaged, Failed, RiskhubError
from domain.plan import Action
from systems.answers import Absent
from systems.mirror.bucket import AT_ONCE, Bucket
from systems.mirror.entry import Miss, Pinned, Row, is_folder, lies_in, pinned
from systems.mirror.names import escape, key_of
from systems.mirror.parallel import in_order
from systems.mirror.progress import Listener, Meter
from systems.mirror.restore_plan import RestorePlan
from systems.mirror.staging import work_folder
from systems.mirror.swap import Swapper, set_metadata, set_metadata_of
from systems.mirror.tree import opened_root, parent_of


@dataclass(frozen=True)
class RestoreResult:
    """What a restore did.

    Attributes:
        files: files and links brought back; `bytes`: theirs together.
        fixed: entries whose content was right and whose owner, mode or time was set.
        kept: the folder that holds what was displaced, below `replaced/`; None when nothing was.
    """

    state: Literal["complete", "partial", "failed"]
    point: str
    files: int
    bytes: int
    fixed: int
    kept: Path | None
    skipped: tuple[Miss, ...]


Reasons = dict[bytes, str]

_ZEROS = memoryview(bytes(4 * 1024 * 1024))


class Staged(NamedTuple):
    """A pin and where below the staging folder it goes. `root`: it is swapped in itself, with all below it."""

    pin: Pinned
    verb: str
    place: bytes
    root: bool


class _Content(NamedTuple):
    """A file or link to bring; `twin`: it is a further name of this one, which comes before it."""

    item: Staged
    twin: Staged | None


def apply_restore(plan: RestorePlan, *, workers: int = AT_ONCE, progress: Listener | None = None) -> RestoreResult:
    """Work through `plan`.

    An object that is missing or damaged in the bucket is a miss; what is on disk in its place stays.

    Raises:
        Failed: the staging folder could not be filled (full disk); the destination is untouched.
        Unreachable, Refused: the store went away or denied a read; the destination is untouched.
    """
    with contextlib.ExitStack() as opened:
        work = opened.enter_context(work_folder(plan.destination))
        stage, replaced, base = (
            opened_root(opened, folder) for folder in (work / "stage", work / "replaced", plan.destination.parent)
        )
        lost, flaws = _fill(plan, stage, workers, progress)
        swapper = Swapper(base, os.fsencode(plan.destination.name), stage, replaced)
        for item in _places(plan):
            if item.root and item.pin.entry.path not in lost:
                swapper.swap(item.pin.entry.path, item.place, replace=item.verb == "replace")
        swapper.finish(action.on.entry for action in plan.actions if _sets_metadata(action))
        kept = work / "replaced" if any((work / "replaced").iterdir()) else None
    told = {**flaws, **lost, **swapper.misses}
    files = size = fixed = 0
    for action in plan.actions:
        entry = action.on.entry
        if action.verb == "fix-metadata":
            fixed += entry.path not in told
        elif not entry.is_folder and entry.path not in lost and swapper.is_in(entry.path):
            files += 1
            size += entry.size
    done_nothing = bool(plan.actions) and len(told) >= len(plan.actions)
    return RestoreResult(
        state="failed" if done_nothing else "partial" if told else "complete",
        point=plan.point.id,
        files=files,
        bytes=size,
        fixed=fixed,
        kept=kept,
        skipped=tuple(Miss(escape(path) or ".", reason) for path, reason in told.items()),
    )


def _sets_metadata(action: Action[Row]) -> bool:
    """Is its metadata set when all is in place? That of files is set before."""
    return action.verb == "fix-metadata" or is_folder(action.on.look)


def _places(plan: RestorePlan) -> Iterator[Staged]:
    """Actions come in tree order, so what is below a folder that is swapped in follows it."""
    top: bytes | None = None
    number = 0
    for action in plan.actions:
        if action.verb == "fix-metadata":
            continue
        path = action.on.path
        if top is not None and lies_in(path, top):
            inner = path[len(top) + 1 :] if top else path
            yield Staged(pinned(action.on), action.verb, b"%d/%s" % (number, inner), root=False)
            continue
        number += 1
        top = path if is_folder(action.on.look) else None
        yield Staged(pinned(action.on), action.verb, b"%d" % number, root=True)


def _fill(plan: RestorePlan, stage: int, workers: int, progress: Listener | None) -> tuple[Reasons, Reasons]:
    """Fetch everything; what was lost in the bucket, and what is staged but not under its owner."""
    bucket = Bucket(plan.location)
    files = size = 0
    for item in _places(plan):
        if item.pin.entry.is_folder:
            with _no_room(plan, item), parent_of(stage, item.place) as (folder, name):
                os.mkdir(name, 0o700, dir_fd=folder)
        else:
            files += 1
            size += item.pin.entry.size
    meter = Meter("restore", files, size, progress)
    lost: Reasons = {}
    flaws: Reasons = {}

    def fetch(item: Staged) -> None:
        path = item.pin.entry.path
        try:
            with _no_room(plan, item), parent_of(stage, item.place) as (folder, name):
                if flaw := _fetch(bucket, folder, name, item.pin):
                    flaws[path] = flaw
        except (Absent, Damaged) as error:
            lost[path] = f"the stored copy is lost: {error.cause}"

    def needed(content: _Content) -> bool:
        return content.twin is None

    for (item, twin), _ in in_order(lambda content: fetch(content.item), _contents(plan), workers, needed=needed):
        if twin and twin.pin.entry.path in lost:
            fetch(item)
        elif twin:
            _link(plan, stage, twin, item)
        meter.count(item.pin.entry.size)
    return lost, flaws


def _contents(plan: RestorePlan) -> Iterator[_Content]:
    """All that is no folder; of the names of one inode the first one is fetched."""
    firsts: dict[tuple[int, str], Staged] = {}
    for item in _places(plan):
        entry = item.pin.entry
        if entry.is_folder:
            continue
        first = firsts.setdefault((entry.inode, item.pin.sha256), item) if entry.links > 1 else item
        yield _Content(item, None if first is item else first)


def _link(plan: RestorePlan, stage: int, leader: Staged, item: Staged) -> None:
    with (
        _no_room(plan, item),
        parent_of(stage, leader.place) as (there, name),
        parent_of(stage, item.place) as (here, new),
    ):
        os.link(name, new, src_dir_fd=there, dst_dir_fd=here, follow_symlinks=False)


def _fetch(bucket: Bucket, folder: int, name: bytes, pin: Pinned) -> str:
    """Write the pinned version to `name`; why its owner, mode or time could not be set, if so.

    Raises:
        Damaged, Absent: the stored copy is lost; nothing is left at `name`.
    """
    key = key_of(bucket.location.prefix, pin.entry.path, pin.entry.mode)
    digest = hashlib.sha256()
    if pin.entry.is_link:
        target = b"".join(bytes(piece) for piece in bucket.stream(key, pin.version))
        digest.update(target)
        _require_digest(digest.hexdigest(), pin, key)
        os.symlink(target, name, dir_fd=folder)
        return _flaw(lambda: set_metadata(folder, name, pin.entry))
    file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=folder)
    try:
        for piece in bucket.stream(key, pin.version):
            digest.update(piece)
            _write(file, piece)
        _require_digest(digest.hexdigest(), pin, key)
        os.truncate(file, pin.entry.size)  # the last piece may be a hole
        return _flaw(lambda: set_metadata_of(file, file, pin.entry))
    except RiskhubError:
        os.unlink(name, dir_fd=folder)
        raise
    finally:
        os.close(file)


def _require_digest(found: str, pin: Pinned, key: str) -> None:
    if found != pin.sha256:
        raise Damaged(key, "its bytes are not those that were stored", "restore it from another point")


def _flaw(act: Callable[[], None]) -> str:
    """What `act` was not permitted, in words."""
    try:
        act()
    except PermissionError as error:
        return str(error.strerror)
    return ""


def _write(file: int, piece: memoryview) -> None:
    """All of the piece; zeros as a hole, so that a sparse file takes no more room than it did."""
    if piece == _ZEROS[: len(piece)]:
        os.lseek(file, len(piece), os.SEEK_CUR)
        return
    while piece:
        piece = piece[os.write(file, piece) :]  # a disk that fills up takes a part first


@contextlib.contextmanager
def _no_room(plan: RestorePlan, item: Staged) -> Iterator[None]:
    """Any trouble with the staging folder ends the restore: the disk is full, or not to be written."""
    try:
        yield
    except OSError as error:
        raise Failed(
            f"restore to {plan.destination}",
            f"{escape(item.pin.entry.path) or '.'} could not be staged beside it ({error.strerror}); "
            "the destination is untouched and the staging folder removed",
            "make room there, or restore to a larger file system",
        ) from None
