"""Probe of the homes' file system: there, the mount it should be, and with room left."""

from __future__ import annotations

import os

from domain.errors import Failed
from environments.settings import HomesSettings
from systems.homes import require_home_mount
from systems.probes.look import Seen


def look_at_homes(homes: HomesSettings, *, warn_share: float, mounted: bool) -> Seen:
    """The folder that users write to is there, is a mount where it must be one, and has room.

    `mounted`: whether it must be a mount point. Without its mount the folder is one on the node's own disk,
    and everybody's work goes there.
    """
    require_home_mount(homes)
    if mounted and not os.path.ismount(homes.mount_point):
        raise Failed(
            f"homes at {homes.mount_point}",
            "nothing is mounted there: what users write goes to the node's own disk",
            f"mount {homes.file_system_id}, and start no server before",
        )
    space = os.statvfs(homes.mount_point)
    taken = space.f_blocks - space.f_bfree
    used = taken / (taken + space.f_bavail) if taken else 0.0  # as df tells it: what only root may use is no room
    what = f"{used:.0%} of {homes.mount_point} used, {space.f_bavail * space.f_frsize / 2**30:.1f} GiB free"
    if used >= warn_share:
        return Seen(what, "degraded", f"make room or enlarge it: the limit is {warn_share:.0%}")
    return Seen(what)
