"""The manifest of a point: a short header in JSON, and its entries in pages of sorted Parquet.

A page is a stretch of the tree in `entry.order`: every entry with POSIX metadata, SHA-256 and object version.
Anyone can read it (pandas, DuckDB, Athena). Points share the pages that did not change, so a point of a million
files of which a thousand changed costs a few pages; and the header has of each page a digest of what the file
system said, so a page where nothing changed need not even be read.
"""

from __future__ import annotations

import hashlib
import io
import stat
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from pydantic import BaseModel, ConfigDict, ValidationError

from domain.clock import UtcDatetime
from domain.errors import Damaged
from systems.mirror.entry import LOOK, Row
from systems.mirror.names import unescape

PAGE_ROWS = 16_384

_COLUMNS = ("mode", "uid", "gid", "links", "size", "mtime_ns", "ctime_ns", "inode")
_TYPES = ("<u4", "<u4", "<u4", "<u4", "<i8", "<i8", "<i8", "<u8")  # as entry.LOOK packs them


class Page(BaseModel):
    """A page of a manifest, as its header tells of it.

    Attributes:
        key: of the object, below the manifests' folder.
        first: path of its first entry, escaped.
        bytes: of all its files, as restored.
        sha256: of the object.
        looks: digest of what the file system said of its entries (see `looks_digest`).
        seen_ns: when that was last held against the file system, before the first look; ns since 1970.
        written_ns: when the object was written; its lock counts from there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    key: str
    first: str
    entries: int
    files: int
    bytes: int
    sha256: str
    looks: str
    seen_ns: int
    written_ns: int


class Point(BaseModel):
    """One point in time that can be restored.

    Attributes:
        sequence: 1, 2, 3, ...; the order of points, whatever clocks said.
        created_at: when the push had seen everything; never before the point before it.
        source_id: the file system's id, where the caller knows one.
        files: files and links; `bytes`: theirs together, as restored.
        skipped: entries that are not as they were on disk, or not here at all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    format: int = 2
    sequence: int
    created_at: UtcDatetime
    source: str
    source_id: str | None
    entries: int
    files: int
    bytes: int
    skipped: int
    pages: tuple[Page, ...]

    @property
    def id(self) -> str:
        return f"{self.sequence:010d}-{self.created_at:%Y%m%dT%H%M%SZ}"


def first_path(page: Page) -> bytes:
    """The path of the page's first entry."""
    return unescape(page.first)


def read_point(body: bytes, name: str) -> Point:
    """The header.

    Raises:
        Damaged: it is no header of ours.
    """
    try:
        return Point.model_validate_json(body)
    except ValidationError as error:
        raise _damaged(name, f"is not readable ({error.error_count()} faults)") from None


class LooksDigest:
    """SHA-256 over paths and looks. No path holds a NUL and every look has 48 bytes, so no two trees share one."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def add(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """Go on with these (path, look)."""
        self._digest.update(b"\0".join(chain.from_iterable(rows)) + b"\0")

    def hex(self) -> str:
        return self._digest.hexdigest()


def looks_digest(rows: Iterable[Row]) -> str:
    """`LooksDigest` of whole rows."""
    digest = LooksDigest()
    digest.add((row.path, row.look) for row in rows)
    return digest.hex()


def write_page(rows: Sequence[Row]) -> tuple[bytes, int, int]:
    """The Parquet file of `rows`, which are sorted; how many files and links are among them, and of how many bytes."""
    import numpy as np  # noqa: PLC0415 - with pyarrow 0.15 s, which a push of nothing does without
    import pyarrow as pa  # type: ignore[import-untyped]  # noqa: PLC0415
    import pyarrow.parquet as pq  # type: ignore[import-untyped]  # noqa: PLC0415

    paths, looks, digests, versions = zip(*rows, strict=True)
    kind = np.dtype(list(zip(_COLUMNS, _TYPES, strict=True)))
    numbers = np.frombuffer(b"".join(looks), dtype=kind)
    table = pa.table(
        {
            "path": pa.array(paths, pa.binary()),
            **{name: np.ascontiguousarray(numbers[name]) for name in _COLUMNS},
            "sha256": pa.array(digests, pa.binary()),
            "version": pa.array(versions, pa.string()),
        }
    )
    body = io.BytesIO()
    pq.write_table(table, body, compression="zstd", write_page_checksum=True)
    content = numbers["mode"] & 0o170000 != stat.S_IFDIR
    return body.getvalue(), int(content.sum()), int(numbers["size"].sum())


def read_page(body: bytes, page: Page) -> Iterator[Row]:
    """The rows of a page.

    Raises:
        Damaged: these are not the bytes that were written, or no page of ours.
    """
    if hashlib.sha256(body).hexdigest() != page.sha256:
        raise _damaged(page.key, "has other bytes than were written")
    return parse_page(body, page.key)


def parse_page(body: bytes, name: str) -> Iterator[Row]:
    """The rows of a page that no header tells of.

    Raises:
        Damaged: it is no page of ours.
    """
    import numpy as np  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        # by no thread of its own: they outlive the interpreter and abort it (apache/arrow#34314, #50482)
        table = pq.read_table(pa.BufferReader(body), use_threads=False, pre_buffer=False)
        numbers = np.empty(len(table), dtype=list(zip(_COLUMNS, _TYPES, strict=True)))
        for column in _COLUMNS:
            numbers[column] = table[column].to_numpy()
        packed = numbers.tobytes()
        columns = (table[column].to_pylist() for column in ("path", "sha256", "version"))
    except (pa.ArrowException, OSError, KeyError) as error:
        raise _damaged(name, f"is not readable ({type(error).__name__})") from None
    paths, digests, versions = columns
    looks = (packed[at : at + LOOK.size] for at in range(0, len(packed), LOOK.size))
    return map(Row, paths, looks, digests, versions)


def _damaged(name: str, how: str) -> Damaged:
    return Damaged(f"manifest {name}", f"it {how}", "restore an earlier version of it, or another point")
