"""Push: a folder into the bucket, and a new point once everything of it is there.

The order makes a kill harmless at any byte: announce, send, delete, then the manifest, which is the point.
Every write makes a version and every delete a marker, so what an earlier manifest pins stays readable.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from domain.clock import utc_now
from systems.mirror.bucket import AT_ONCE, Bucket
from systems.mirror.changes import Changes, ToSend, compare, require_plausible, require_same_source
from systems.mirror.entry import Miss, Pinned, Skip, order
from systems.mirror.location import MirrorLocation
from systems.mirror.manifest import Point, write_manifest
from systems.mirror.names import key_of
from systems.mirror.parallel import run_all
from systems.mirror.points import Shelf, announce, load_point, look_at_shelf, win_point
from systems.mirror.progress import Listener, Meter
from systems.mirror.transfer import ChangedKind, Torn, send
from systems.mirror.tree import open_root, scan


@dataclass(frozen=True)
class PushResult:
    """What a push did.

    Attributes:
        state: `partial` when some entry is skipped; the point is restorable, without or with an older one of it.
        files: files and links in the point; `bytes`: theirs together.
        uploaded: files and links sent, metadata alone included.
        deleted: entries of the point before that are gone.
    """

    state: Literal["complete", "partial"]
    point: str
    files: int
    uploaded: int
    bytes: int
    deleted: int
    skipped: tuple[Miss, ...]


def push(
    source: Path,
    location: MirrorLocation,
    *,
    source_id: str | None = None,
    max_delete_share: float = 0.5,
    workers: int = AT_ONCE,
    progress: Listener | None = None,
) -> PushResult:
    """Mirror `source` and make a point of it.

    Args:
        source_id: the file system's id (EFS: fs-...); a push from another one is refused.
        max_delete_share: refuse when more than this share of the last point's entries is gone.
        workers: files read and sent at once.

    Raises:
        Refused: a breaker tripped (see `changes`), another push won, or the bucket cannot hold a mirror.
        Unreachable: the store went away; the points so far are whole, push again.
    """
    root = open_root(source)
    try:
        bucket = Bucket(location)
        bucket.require_versioned()
        shelf = look_at_shelf(bucket)
        last, old = load_point(bucket, shelf.last) if shelf.sequences else (None, iter(()))
        require_same_source(last, source_id, str(source))
        began = time.time_ns()
        skipped: list[Skip] = []
        changes = compare(last, old, scan(root, skipped), skipped)
        require_plausible(changes, last, max_delete_share, str(source))
        announcement = announce(bucket, shelf.last + 1)
        unknown = _heal(bucket, changes, shelf) if shelf.unfinished else set()
        sent = _send_all(bucket, root, changes, workers, Meter("push", len(changes.to_send), progress))
    finally:
        os.close(root)
    rows = sorted([*changes.kept, *sent.pins], key=lambda pin: order(pin.entry.path))
    held = {_key(bucket, pin) for pin in rows}
    gone = {_key(bucket, pin) for pin in [*changes.deleted, *sent.replaced]} | unknown
    bucket.delete(sorted(gone - held))
    misses = [*(skip.miss for skip in skipped), *sent.misses]
    content = [pin.entry for pin in rows if not pin.entry.is_folder]
    now = utc_now()
    point = Point(
        sequence=shelf.last + 1,
        created_at=max(now, last.created_at) if last else now,  # a clock set back must not reorder points
        scan_began_ns=began,
        source=str(source.resolve()),
        source_id=source_id or (last.source_id if last else None),
        entries=len(rows),
        files=len(content),
        bytes=sum(entry.size for entry in content),
        skipped=len(misses),
    )
    win_point(bucket, point, write_manifest(point, rows))
    # One with our own number may be a push that still runs, and whose writes nobody has looked at.
    bucket.delete([announcement, *(each.key for each in shelf.unfinished if each.sequence < point.sequence)])
    return PushResult(
        state="partial" if misses else "complete",
        point=point.id,
        files=point.files,
        uploaded=sent.uploaded,
        bytes=point.bytes,
        deleted=len(changes.deleted) + sent.vanished,
        skipped=tuple(misses),
    )


class _Outcome(NamedTuple):
    """What became of one entry: its pin, or why there is none. `vanished`: it was gone when it was opened."""

    pin: Pinned | None
    problem: str = ""
    uploaded: bool = False
    vanished: bool = False


class _Sent:
    """What became of all entries to send."""

    def __init__(self) -> None:
        self.pins: list[Pinned] = []
        self.misses: list[Miss] = []
        self.replaced: list[Pinned] = []
        self.uploaded = 0
        self.vanished = 0

    def add(self, item: ToSend, outcome: _Outcome) -> None:
        pin = outcome.pin
        if outcome.problem:
            kept = "; the point keeps the version before" if item.old else ""
            self.misses.append(Skip(item.entry.path, outcome.problem + kept, unreadable=True).miss)
            pin = item.old
        elif item.old:
            self.replaced.append(item.old)  # its key differs when a folder and a file changed places
        if pin:
            self.pins.append(pin)
        self.uploaded += outcome.uploaded
        self.vanished += outcome.vanished and item.old is not None


def _send_all(bucket: Bucket, root: int, changes: Changes, workers: int, meter: Meter) -> _Sent:
    def one(item: ToSend) -> _Outcome:
        outcome = _send(bucket, root, item)
        meter.count(outcome.pin.entry.size if outcome.pin and outcome.uploaded else 0)
        return outcome

    sent = _Sent()
    for item, outcome in zip(changes.to_send, run_all(one, changes.to_send, workers), strict=True):
        sent.add(item, outcome)
    return sent


def _send(bucket: Bucket, root: int, item: ToSend) -> _Outcome:
    try:
        pin = send(bucket, root, item.entry, item.old, anew=item.anew)
    except Torn:
        return _Outcome(None, "it changed whenever it was read")
    except ChangedKind:
        return _Outcome(None, "it became something else while it was read")
    except FileNotFoundError:
        return _Outcome(None, vanished=True)
    except OSError as error:
        return _Outcome(None, f"cannot be read: {error.strerror}")
    sent = not pin.entry.is_folder and (item.old is None or pin.version != item.old.version)
    return _Outcome(pin, uploaded=sent)


def _heal(bucket: Bucket, changes: Changes, shelf: Shelf) -> set[str]:
    """After a push that did not finish: send again what the bucket shows in another version; the keys to delete.

    Without this a file that was sent, not recorded and then deleted on disk would be shown for ever. Only
    what is younger than that push can come from it: older objects that nobody knows stay.
    """
    began = min(each.began for each in shelf.unfinished)
    shown = {each.key: each for each in bucket.list_current_versions(f"{bucket.location.prefix}/")}
    right: list[Pinned] = []
    stale: list[Pinned] = []
    for pin in changes.kept:
        current = shown.pop(_key(bucket, pin), None)
        shows = pin.entry.is_folder or (current is not None and current.version == pin.version)
        (right if shows else stale).append(pin)
    changes.kept = right
    changes.to_send = [item._replace(anew=True) for item in changes.to_send]
    changes.to_send += [ToSend(pin.entry, pin, anew=True) for pin in stale]
    return {key for key, current in shown.items() if current.modified >= began}


def _key(bucket: Bucket, pin: Pinned) -> str:
    return key_of(bucket.location.prefix, pin.entry.path, pin.entry.mode)
