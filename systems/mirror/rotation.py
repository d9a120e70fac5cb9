"""Which objects are due to be read back, so that each is at least every so many days.

Paths fall into slices, one fewer than there are days, since no run comes to the second. A run reads the one that was
not read for longest, and all that would be too old by tomorrow: a night that was missed is made up for, and nothing
depends on chance. When each slice was last read is the age of an empty object beside the manifests.
"""

from __future__ import annotations

import re
import zlib
from datetime import datetime, timedelta

from domain.clock import utc_now
from systems.mirror.bucket import Bucket

_NAME = re.compile(r"(\d+)-of-(\d+)")
_DAY = timedelta(days=1)


class Rotation:
    """The slices of a round of `days` days.

    Args:
        began: since when there has been something to read; a slice never read is as old as that.
    """

    def __init__(self, bucket: Bucket, days: int, began: datetime) -> None:
        self._bucket = bucket
        self._slices = max(days - 1, 1)
        self._folder = f"{bucket.location.manifests}verified/"
        read = dict.fromkeys(range(self._slices), began)
        for shown in bucket.list_current(self._folder):
            found = _NAME.fullmatch(shown.key.removeprefix(self._folder))
            if found and int(found[2]) == self._slices and int(found[1]) < self._slices:
                read[int(found[1])] = shown.modified
        too_old = utc_now() - (days - 1) * _DAY
        oldest = min(read, key=lambda number: (read[number], number))
        self.due = {number for number, moment in read.items() if moment < too_old} | {oldest}

    def is_due(self, path: bytes) -> bool:
        """Is the entry at `path` to be read in this run?"""
        return zlib.crc32(path) % self._slices in self.due

    def done(self) -> None:
        """All that is due was read, good or bad."""
        for number in sorted(self.due):
            self._bucket.put_marker(f"{self._folder}{number}-of-{self._slices}")
