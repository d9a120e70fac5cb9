"""Verify: is what the last point promises still in the bucket, byte for byte, and still what is on disk?"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from domain.errors import Refused
from systems.answers import Absent
from systems.mirror.bucket import AT_ONCE, Bucket
from systems.mirror.entry import Miss, Pinned, is_folder, pinned
from systems.mirror.location import MirrorLocation
from systems.mirror.names import escape, key_of
from systems.mirror.parallel import run_all
from systems.mirror.points import find_point, load_point, look_at_shelf, rows_of
from systems.mirror.progress import Listener, Meter
from systems.mirror.restore_plan import plan_restore


@dataclass(frozen=True)
class VerifyResult:
    """What a verification found.

    Attributes:
        state: `partial` when something is not as it should be, `failed` when nothing could be restored.
        files: files and links read back from the bucket; `bytes`: theirs together.
        skipped: every path that is lost, damaged, or differs, and how.
    """

    state: Literal["complete", "partial", "failed"]
    point: str
    files: int
    bytes: int
    skipped: tuple[Miss, ...]


def verify(
    location: MirrorLocation,
    source: Path | None = None,
    *,
    workers: int = AT_ONCE,
    progress: Listener | None = None,
) -> VerifyResult:
    """Read every object of the last point back and compare its SHA-256; with `source`, compare the disk too.

    Raises:
        Refused, Unreachable, Damaged: the bucket or the point could not be read.
    """
    if source is not None and not source.is_dir():
        raise Refused(f"source {source}", "it is no folder", "check the path and the mount")
    bucket = Bucket(location)
    sequence = find_point(bucket, at=None, point=None)
    point = load_point(bucket, sequence)
    pins = [pinned(row) for row in rows_of(bucket, point.pages) if not is_folder(row.look)]
    meter = Meter("verify", len(pins), point.bytes, progress)

    def one(pin: Pinned) -> str:
        problem = _read_back(bucket, pin)
        meter.count(pin.entry.size)
        return problem

    problems = run_all(one, pins, workers)
    misses = [Miss(escape(pin.entry.path), told) for pin, told in zip(pins, problems, strict=True) if told]
    unrestorable = len(misses)
    misses += _plain_copies(bucket, sequence, pins)
    if source is not None:
        plan = plan_restore(location, source, point=point.id, progress=progress)
        misses += [Miss(action.target, f"on disk: {action.reason}") for action in plan.actions]
        misses += [
            Miss(action.target, "on disk: not in the point") for action in plan.left_alone if action.verb == "extra"
        ]
    state: Literal["complete", "partial", "failed"] = "partial" if misses else "complete"
    return VerifyResult(
        state="failed" if pins and unrestorable == len(pins) else state,
        point=point.id,
        files=len(pins) - unrestorable,
        bytes=sum(pin.entry.size for pin, told in zip(pins, problems, strict=True) if not told),
        skipped=tuple(misses),
    )


def _read_back(bucket: Bucket, pin: Pinned) -> str:
    digest = hashlib.sha256()
    try:
        for piece in bucket.stream(key_of(bucket.location.prefix, pin.entry.path, pin.entry.mode), pin.version):
            digest.update(piece)
    except Absent:
        return "its version is gone from the bucket; only another point can bring it back"
    if digest.hexdigest() != pin.sha256:
        return "its bytes in the bucket are not those that were stored; only another point can bring it back"
    return ""


def _plain_copies(bucket: Bucket, sequence: int, pins: list[Pinned]) -> list[Miss]:
    """Objects whose newest version is not the pinned one: somebody else wrote or deleted.

    Says nothing when a push ran meanwhile or did not finish: then the newest may rightly be newer.
    """
    shown = {each.key: each.version for each, shows in bucket.list_versions(f"{bucket.location.prefix}/") if shows}
    shelf = look_at_shelf(bucket)
    if shelf.last != sequence or shelf.unfinished:
        return []
    misses = []
    for pin in pins:
        version = shown.get(key_of(bucket.location.prefix, pin.entry.path, pin.entry.mode))
        if version != pin.version:
            how = "was deleted" if version is None else "was overwritten"
            misses.append(
                Miss(escape(pin.entry.path), f"its plain copy {how} by somebody else; this point still restores it")
            )
    return misses
