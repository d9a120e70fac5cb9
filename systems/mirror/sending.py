"""Sending the drafts of a push: what became of each entry, and its row in the new point."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from systems.mirror.bucket import Bucket
from systems.mirror.changes import Draft
from systems.mirror.entry import LOOK, Entry, Miss, Pinned, Row, Skip, doubted, is_folder, pinned
from systems.mirror.manifest import Page
from systems.mirror.names import key_of
from systems.mirror.page_writer import PageWriter
from systems.mirror.parallel import in_order
from systems.mirror.progress import Meter
from systems.mirror.spool import Spool
from systems.mirror.transfer import ChangedKind, Torn, send


class _Outcome(NamedTuple):
    """What became of one entry: its pin, or why there is none. `vanished`: it was gone when it was opened."""

    pin: Pinned | None
    problem: str = ""
    uploaded: bool = False
    vanished: bool = False


class Sent:
    """What became of all entries to send. `gone` are the keys that no longer stand for anything."""

    def __init__(self) -> None:
        self.gone: Spool[str] = Spool()
        self.misses: list[Miss] = []
        self.uploaded = 0
        self.vanished = 0


def send_all(
    bucket: Bucket,
    root: int,
    items: Iterable[Page | Draft],
    pages: PageWriter,
    *,
    workers: int,
    meter: Meter,
    anew: bool,
) -> Sent:
    """Send what the drafts among `items` say, and hand rows and kept pages to `pages`, in order.

    Args:
        root: descriptor of the folder that paths are relative to.
        anew: send it even where the last point has this very content.
    """

    def one(draft: Page | Draft) -> _Outcome:
        assert isinstance(draft, Draft)  # noqa: S101 - pages need no work
        return _send(bucket, root, draft, anew=anew)

    def needed(item: Page | Draft) -> bool:
        return isinstance(item, Draft) and item.to_send

    sent = Sent()
    for item, outcome in in_order(one, items, workers, needed=needed):
        if isinstance(item, Page):
            pages.keep(item)
            continue
        row = _row(item, outcome, sent)
        if outcome is not None:
            meter.count(LOOK.unpack(item.look)[4])
        if row is not None:
            pages.add(row)
        if item.old is not None and (row is None or is_folder(row.look) != is_folder(item.old.look)):
            sent.gone.add(key_of(bucket.location.prefix, item.path, item.old.entry.mode))
    return sent


def _row(draft: Draft, outcome: _Outcome | None, sent: Sent) -> Row | None:
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
