"""The manifest of a point: every entry with its POSIX metadata, SHA-256 and object version, as sorted Parquet.

Anyone can read it (pandas, DuckDB, Athena). The header, who was mirrored when and how much, is JSON in the
file's own metadata. Rows are in `entry.order`, so that two manifests, or one and a scan, merge as streams.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import IO

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
from pydantic import BaseModel, ConfigDict, ValidationError

from domain.clock import UtcDatetime
from domain.errors import Damaged
from systems.mirror.entry import Entry, Pinned

_HEADER = b"riskhub-mirror"
_ROWS = 65_536
_SCHEMA = pa.schema(
    [
        ("path", pa.binary()),
        ("mode", pa.uint32()),
        ("uid", pa.uint32()),
        ("gid", pa.uint32()),
        ("size", pa.int64()),
        ("mtime_ns", pa.int64()),
        ("ctime_ns", pa.int64()),
        ("inode", pa.uint64()),
        ("links", pa.uint32()),  # above 1: names of one inode are one group of hard links
        ("sha256", pa.string()),
        ("version", pa.string()),
    ]
)


class Point(BaseModel):
    """One point in time that can be restored.

    Attributes:
        sequence: 1, 2, 3, ...; the order of points, whatever clocks said.
        created_at: when the push had seen everything; never before the point before it.
        scan_began_ns: when the look at the source began, ns since 1970 by this machine's clock.
        source_id: the file system's id, where the caller knows one.
        bytes: of all files, as restored.
        skipped: entries that are not as they were on disk, or not here at all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    format: int = 1
    sequence: int
    created_at: UtcDatetime
    scan_began_ns: int
    source: str
    source_id: str | None
    entries: int
    files: int
    bytes: int
    skipped: int

    @property
    def id(self) -> str:
        return f"{self.sequence:010d}-{self.created_at:%Y%m%dT%H%M%SZ}"


def write_manifest(point: Point, rows: Iterable[Pinned]) -> bytes:
    """The Parquet file of `point`; `rows` sorted."""
    schema = _SCHEMA.with_metadata({_HEADER: point.model_dump_json().encode()})
    body = io.BytesIO()
    remaining = iter(rows)
    with pq.ParquetWriter(body, schema, compression="zstd", write_page_checksum=True) as writer:
        while batch := list(islice(remaining, _ROWS)):
            entries, hashes, versions = zip(*batch, strict=True)
            columns = [*zip(*entries, strict=True), hashes, versions]
            arrays = [pa.array(column, field.type) for column, field in zip(columns, _SCHEMA, strict=True)]
            writer.write_batch(pa.record_batch(arrays, schema=schema))
    return body.getvalue()


def read_point(file: IO[bytes], name: str) -> Point:
    """The header of a manifest; only the end of the file is read.

    Raises:
        Damaged: it is no manifest of ours, or not whole.
    """
    try:
        return _point(pq.read_schema(file), name)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(name, error) from None


def read_manifest(body: bytes, name: str) -> tuple[Point, Iterator[Pinned]]:
    """Header and rows of a manifest, rows as a stream.

    Raises:
        Damaged: as `read_point`, also while the rows are read.
    """
    try:
        file = pq.ParquetFile(io.BytesIO(body), page_checksum_verification=True)
        point = _point(file.schema_arrow, name)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(name, error) from None
    return point, _rows(file, name)


def _rows(file: pq.ParquetFile, name: str) -> Iterator[Pinned]:
    try:
        for batch in file.iter_batches(_ROWS):
            *columns, hashes, versions = (column.to_pylist() for column in batch.columns)
            entries = map(Entry._make, zip(*columns, strict=True))
            yield from map(Pinned._make, zip(entries, hashes, versions, strict=True))
    except (pa.ArrowException, OSError) as error:
        raise _damaged(name, error) from None


def _point(schema: pa.Schema, name: str) -> Point:
    try:
        return Point.model_validate_json((schema.metadata or {})[_HEADER])
    except (KeyError, ValidationError) as error:
        raise _damaged(name, error) from None


def _damaged(name: str, error: Exception) -> Damaged:
    return Damaged(
        f"manifest {name}",
        f"it cannot be read ({type(error).__name__})",
        "restore an earlier version of it, or another point",
    )
