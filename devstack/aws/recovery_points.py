"""Recovery points on disk: a copy of the file system each, and beside it the JSON that makes it one.

    recovery-points/<id>/        the copy
    recovery-points/<id>.json    what it is; written last, removed first

A copy without its JSON is a backup that was cut off. It is no recovery point, and the next start removes it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from domain.clock import UtcDatetime


class RecoveryPoint(BaseModel):
    """One recovery point of an EFS file system. Times are UTC, `size_bytes` counts file content."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: str
    arn: str
    vault: str
    vault_arn: str
    resource_arn: str
    resource_name: str
    role_arn: str
    created_at: UtcDatetime
    completed_at: UtcDatetime
    size_bytes: int
    lifecycle: dict[str, int | bool | str] = {}
    tags: dict[str, str] = {}


class RecoveryPoints:
    """The recovery points below `folder`, loaded once and kept in step with the disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        points = [RecoveryPoint.model_validate_json(path.read_bytes()) for path in folder.glob("*.json")]
        self._by_arn = {point.arn: point for point in points}
        self._remove_half_copies({point.id for point in points})

    def newest_first(self) -> list[RecoveryPoint]:
        return sorted(self._by_arn.values(), key=lambda point: (point.created_at, point.id), reverse=True)

    def find(self, arn: str) -> RecoveryPoint | None:
        return self._by_arn.get(arn)

    def copy_of(self, point: RecoveryPoint) -> Path:
        return self.folder / point.id

    @contextmanager
    def half_copy(self, point_id: str) -> Iterator[Path]:
        """A folder to copy into; `keep` makes it whole, else nothing of it stays."""
        half = self._half(point_id)
        half.mkdir(mode=0o700)
        try:
            yield half
        finally:
            if half.exists():
                shutil.rmtree(half)

    def keep(self, point: RecoveryPoint) -> None:
        """Make the half copy of `point` a recovery point."""
        self._half(point.id).rename(self.folder / point.id)
        unfinished = self.folder / f"{point.id}.json.half"
        with unfinished.open("w", encoding="utf-8") as file:
            file.write(point.model_dump_json(indent=2))
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(self.folder / f"{point.id}.json")
        self._by_arn[point.arn] = point

    def remove(self, point: RecoveryPoint) -> None:
        del self._by_arn[point.arn]
        (self.folder / f"{point.id}.json").unlink()
        shutil.rmtree(self.folder / point.id)

    def _half(self, point_id: str) -> Path:
        return self.folder / f"{point_id}.half"

    def _remove_half_copies(self, whole: set[str]) -> None:
        for path in self.folder.iterdir():
            if path.name.removesuffix(".json") in whole:
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
