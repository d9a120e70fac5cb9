"""Probe of the homes' file system: there, the mount it should be, and with room left."""

from __future__ import annotations

import os
import time
from itertools import islice

from domain.errors import Failed
from environments.settings import HomesSettings
from systems.homes import require_home_mount
from systems.probes.look import Seen

SOME = 20
SLOW_SECONDS = 1.0  # for so many of them; NFS that is well takes a millisecond each
_ROOM = "make room or enlarge it"


def look_at_homes(homes: HomesSettings, *, warn_share: float, mounted: bool) -> Seen:
    """The folder that users write to is there, is a mount where it must be one, has room, and answers soon.

    `mounted`: whether it must be a mount point. Without its mount the folder is one on the node's own disk,
    and everybody's work goes there.
    """
    try:
        return _look(homes, warn_share=warn_share, mounted=mounted)
    except OSError as error:  # such as a stale file handle
        what = f"homes at {homes.mount_point}: {error.strerror}"
        return Seen(what, "failed", "let nobody start a server, unmount it and mount it anew", "homes-unmounted")


def _look(homes: HomesSettings, *, warn_share: float, mounted: bool) -> Seen:
    require_home_mount(homes)
    if mounted and not os.path.ismount(homes.mount_point):
        raise Failed(
            f"homes at {homes.mount_point}",
            "nothing is mounted there: what users write goes to the node's own disk",
            f"mount {homes.file_system_id}, and start no server before",
            kind="homes-unmounted",
        )
    started = time.monotonic()
    looked_at = _some_homes(homes)
    space = os.statvfs(homes.user_data)
    seconds = time.monotonic() - started
    taken = space.f_blocks - space.f_bfree
    used = taken / (taken + space.f_bavail) if taken else 0.0  # as df tells it: what only root may use is no room
    what = f"{used:.0%} of {homes.user_data} used, {space.f_bavail * space.f_frsize / 2**30:.1f} GiB free"
    if space.f_bavail == 0:
        return Seen(f"{what}: nobody can save a notebook", "failed", _ROOM, "homes-full")
    if used >= warn_share:
        return Seen(what, "degraded", f"{_ROOM}: the limit is {warn_share:.0%}", "homes-full")
    what += f"; {looked_at} homes looked at in {seconds * 1000:.0f} ms"
    if seconds > SLOW_SECONDS:
        step = "look at the file system's burst credits and throughput (EFS: PercentIOLimit, BurstCreditBalance)"
        return Seen(what, "degraded", step, "homes-slow")
    return Seen(what)


def _some_homes(homes: HomesSettings) -> int:
    """Look at a few homes' entries, as a login does; how many."""
    with os.scandir(homes.user_data) as entries:
        return sum(1 for entry in islice(entries, SOME) if entry.stat(follow_symlinks=False))
