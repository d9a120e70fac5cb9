"""Push: a folder into the bucket, and a new point once everything of it is there.

The order makes a kill harmless at any byte: announce, send, delete, then the header, which is the point.
Every write makes a version and every delete a marker, so what an earlier point pins stays readable.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal, NamedTuple

from domain.clock import utc_now
from systems.mirror.bucket import AT_ONCE, Bucket
from systems.mirror.changes import (
    Draft,
    Reader,
    Tally,
    compare,
    require_plausible,
    require_same_source,
    unchanged,
)
from systems.mirror.entry import LOOK, Entry, Miss, Pinned, Row, Skip, doubted, is_folder, pinned
from systems.mirror.healing import Healing
from systems.mirror.location import MirrorLocation
from systems.mirror.manifest import Page, Point, first_path
from systems.mirror.names import key_of
from systems.mirror.page_writer import PageWriter
from systems.mirror.parallel import in_order
from systems.mirror.points import announce, load_point, look_at_shelf, pages_of, rows_of, win_point
from systems.mirror.progress import Listener, Meter
from systems.mirror.spool import Spool
from systems.mirror.transfer import ChangedKind, Torn, send
from systems.mirror.tree import open_root
from systems.mirror.walk import walk


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
        last = load_point(bucket, shelf.last) if shelf.sequences else None
        require_same_source(last, source_id, str(source))
        healing = Healing(bucket, shelf) if shelf.unfinished else None
        began = time.time_ns()
        survey = _survey(bucket, root, last, healing, began)
        require_plausible(survey.tally, last, max_delete_share, str(source))
        announcement = announce(bucket, shelf.last + 1)
        pages = PageWriter(bucket, announcement.rpartition("/")[2], began)
        meter = Meter("push", survey.tally.to_send, survey.tally.bytes_to_send, progress)
        sent = _send_all(bucket, root, survey, pages, workers=workers, meter=meter, anew=healing is not None)
    finally:
        os.close(root)
    bucket.delete(chain(sent.gone, healing.unknown() if healing else ()))
    misses = [*(skip.miss for skip in survey.skipped), *sent.misses]
    written = pages.close()
    now = utc_now()
    point = Point(
        sequence=shelf.last + 1,
        created_at=max(now, last.created_at) if last else now,  # a clock set back must not reorder points
        source=str(source.resolve()),
        source_id=source_id or (last.source_id if last else None),
        entries=sum(page.entries for page in written),
        files=sum(page.files for page in written),
        bytes=sum(page.bytes for page in written),
        skipped=len(misses),
        pages=written,
    )
    win_point(bucket, point)
    # One with our own number may be a push that still runs, and whose writes nobody has looked at.
    ended = [each for each in shelf.unfinished if each.sequence < point.sequence]
    bucket.delete(chain([announcement], (each.key for each in ended), *(pages_of(bucket, each) for each in ended)))
    return PushResult(
        state="partial" if misses else "complete",
        point=point.id,
        files=point.files,
        uploaded=sent.uploaded,
        bytes=point.bytes,
        deleted=survey.tally.gone + sent.vanished,
        skipped=tuple(misses),
    )


class _Survey(NamedTuple):
    """What is to be done: pages that stay as they are and drafts of new ones, in order."""

    items: Spool[Page | Draft]
    skipped: list[Skip]
    tally: Tally


def _survey(bucket: Bucket, root: int, last: Point | None, healing: Healing | None, began: int) -> _Survey:
    """Look at every entry once and hold it against the last point. Nothing is changed."""
    survey = _Survey(Spool(), [], Tally())
    skipped, tally = survey.skipped, survey.tally
    reader = Reader(walk(root, skipped))
    pages: tuple[Page | None, ...] = last.pages if last and last.pages else (None,)
    ends = [*(first_path(page) for page in pages[1:] if page), None]
    for page, end in zip(pages, ends, strict=True):
        batches = reader.until(end)
        if page and not healing and bucket.lock_holds(page.written_ns):
            taken = unchanged(page, batches, tally)
            if taken is None:
                survey.items.add(page.model_copy(update={"seen_ns": began}))
                continue
            batches = chain(taken, batches)
        rows = rows_of(bucket, [page]) if page else iter(())
        seen = chain.from_iterable(batch.rows for batch in batches)
        for draft in compare(rows, seen, skipped, page.seen_ns if page else 0, tally):
            healed = healing.heal(draft) if healing else draft
            if healed.to_send:
                tally.to_send += 1
                tally.bytes_to_send += LOOK.unpack(healed.look)[4]
            survey.items.add(healed)
    return survey


class _Outcome(NamedTuple):
    """What became of one entry: its pin, or why there is none. `vanished`: it was gone when it was opened."""

    pin: Pinned | None
    problem: str = ""
    uploaded: bool = False
    vanished: bool = False


class _Sent:
    """What became of all entries to send. `gone` are the keys that no longer stand for anything."""

    def __init__(self) -> None:
        self.gone: Spool[str] = Spool()
        self.misses: list[Miss] = []
        self.uploaded = 0
        self.vanished = 0


def _send_all(
    bucket: Bucket, root: int, survey: _Survey, pages: PageWriter, *, workers: int, meter: Meter, anew: bool
) -> _Sent:
    def one(draft: Page | Draft) -> _Outcome:
        assert isinstance(draft, Draft)  # noqa: S101 - pages need no work
        outcome = _send(bucket, root, draft, anew=anew)
        meter.count(outcome.pin.entry.size if outcome.pin and outcome.uploaded else 0)
        return outcome

    def needed(item: Page | Draft) -> bool:
        return isinstance(item, Draft) and item.to_send

    sent = _Sent()
    for item, outcome in in_order(one, survey.items, workers, needed=needed):
        if isinstance(item, Page):
            pages.keep(item)
            continue
        row = _row(item, outcome, sent)
        if row is not None:
            pages.add(row)
        if item.old is not None and (row is None or is_folder(row.look) != is_folder(item.old.look)):
            sent.gone.add(key_of(bucket.location.prefix, item.path, item.old.entry.mode))
    return sent


def _row(draft: Draft, outcome: _Outcome | None, sent: _Sent) -> Row | None:
    """The draft's row in the new point; None when the path is gone."""
    old = draft.old
    if outcome is None:
        if not draft.look:
            return None
        assert old is not None  # noqa: S101 - what is not sent was there
        return old
    sent.uploaded += outcome.uploaded
    sent.vanished += outcome.vanished and old is not None
    if outcome.problem:
        kept = "; the point keeps the version before" if old else ""
        sent.misses.append(Skip(draft.path, outcome.problem + kept, unreadable=True).miss)
        return doubted(old) if old else None
    return outcome.pin.row if outcome.pin else None


def _send(bucket: Bucket, root: int, draft: Draft, *, anew: bool) -> _Outcome:
    old = pinned(draft.old) if draft.old else None
    try:
        pin = send(bucket, root, Entry(draft.path, *LOOK.unpack(draft.look)), old, anew=anew)
    except Torn:
        return _Outcome(None, "it changed whenever it was read")
    except ChangedKind:
        return _Outcome(None, "it became something else while it was read")
    except FileNotFoundError:
        return _Outcome(None, vanished=True)
    except OSError as error:
        return _Outcome(None, f"cannot be read: {error.strerror}")
    sent = not pin.entry.is_folder and (old is None or pin.version != old.version)
    return _Outcome(pin, uploaded=sent)
