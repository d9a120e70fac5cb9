"""Keeps what a reader of logs hands on."""

from __future__ import annotations

from datetime import datetime

from domain.logs import Origin


class Taken:
    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.origins: list[Origin] = []
        self.keys: list[str] = []
        self.times: list[int] = []
        self.moments: list[datetime | None] = []

    def __call__(self, origin: Origin, line: bytes, at: datetime | None, key: str, times: int) -> bool:
        self.lines.append(line)
        self.origins.append(origin)
        self.keys.append(key)
        self.times.append(times)
        self.moments.append(at)
        return True
