"""After a push that did not finish: what it sent is adopted, and what it left behind is put right.

Such a push may have sent files that no point knows. Those whose pages it wrote are taken over as they are,
so a first push of days does not begin again. Of the others the bucket may show versions that no point pins:
these files are sent again, and keys that stand for nothing are deleted. This takes one listing of all
versions, held in memory, and happens only then.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from systems.mirror.bucket import Bucket
from systems.mirror.changes import Draft
from systems.mirror.entry import LOOK, Row, is_folder
from systems.mirror.manifest import parse_page
from systems.mirror.names import key_of
from systems.mirror.points import Shelf, pages_of

_SKEW = timedelta(minutes=1)  # between the clocks of the store and of the file system


class Healing:
    """What the bucket shows, and what the unfinished pushes of `shelf` had recorded of it."""

    def __init__(self, bucket: Bucket, shelf: Shelf) -> None:
        prefix = bucket.location.prefix
        self._prefix = prefix
        self._began = min(each.began for each in shelf.unfinished)
        self._shown = {each.key: each for each, shows in bucket.list_versions(f"{prefix}/") if shows}
        self._recorded: dict[bytes, tuple[Row, datetime]] = {}
        for each in shelf.unfinished:
            for key in pages_of(bucket, each):
                for row in parse_page(bucket.get(key), key):
                    self._recorded[row.path] = row, each.began

    def heal(self, draft: Draft) -> Draft:
        """The draft as it is after that push. Every draft must pass through here once."""
        if not draft.look:
            return draft
        current = self._shown.pop(key_of(self._prefix, draft.path, LOOK.unpack(draft.look)[0]), None)
        shown = current.version if current else None
        if not draft.to_send:
            assert draft.old is not None  # noqa: S101 - what is not sent was there
            return draft._replace(to_send=not is_folder(draft.look) and shown != draft.old.version)
        row, began = self._recorded.get(draft.path, (None, self._began))
        if row is None or row.look != draft.look or row.version != (shown if row.version else ""):
            return draft
        settled = LOOK.unpack(row.look)[6] < (began - _SKEW).timestamp() * 1e9
        same_kind = draft.old is None or is_folder(draft.old.look) == is_folder(row.look)
        return draft._replace(old=row, to_send=False) if settled and same_kind else draft

    def unknown(self) -> Iterator[str]:
        """Keys that stand for nothing and are younger than that push: older objects that nobody knows stay."""
        return (key for key, current in self._shown.items() if current.modified >= self._began)
