"""The pages of a point that is being made: new rows are cut into pages, pages that did not change are kept."""

from __future__ import annotations

import hashlib
import time

from systems.mirror.bucket import Bucket
from systems.mirror.entry import Row
from systems.mirror.manifest import PAGE_ROWS, Page, looks_digest, write_page
from systems.mirror.names import escape
from systems.mirror.points import rows_of


class PageWriter:
    """Takes rows and pages in order, a few pages' worth of memory.

    Args:
        name: of the push's announcement, so that its pages are known as its own.
        seen_ns: before the push looked at the first entry.
    """

    def __init__(self, bucket: Bucket, name: str, seen_ns: int) -> None:
        self._bucket = bucket
        self._name = name
        self._seen_ns = seen_ns
        self._rows: list[Row] = []
        self._pages: list[Page] = []
        self._written = 0

    def add(self, row: Row) -> None:
        self._rows.append(row)
        if len(self._rows) == 2 * PAGE_ROWS:
            self._write(PAGE_ROWS)

    def keep(self, page: Page) -> None:
        """A page as it is; a small one beside new rows is written anew with them, or pages would only get smaller."""
        if self._rows and page.entries < PAGE_ROWS // 4:
            for row in rows_of(self._bucket, [page]):
                self.add(row)
            return
        self._write_rest()
        self._pages.append(page)

    def close(self) -> tuple[Page, ...]:
        """All pages, in order."""
        self._write_rest()
        return tuple(self._pages)

    def _write_rest(self) -> None:
        while self._rows:
            self._write(len(self._rows) if len(self._rows) < 1.5 * PAGE_ROWS else PAGE_ROWS)

    def _write(self, count: int) -> None:
        rows = self._rows[:count]
        del self._rows[:count]
        body, files, size = write_page(rows)
        page = Page(
            key=f"pages/{self._name}-{self._written:06d}.parquet",
            first=escape(rows[0].path),
            entries=count,
            files=files,
            bytes=size,
            sha256=hashlib.sha256(body).hexdigest(),
            looks=looks_digest(rows),
            seen_ns=self._seen_ns,
            written_ns=time.time_ns(),
        )
        self._bucket.put_new(self._bucket.location.manifests + page.key, body)
        self._pages.append(page)
        self._written += 1
