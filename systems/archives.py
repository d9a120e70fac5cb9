"""Archives of homes: a point of the mirror under a legal hold, and a record beside it that says which.

A home is archived where it is and only then moved away, by rename, beside the homes: nothing here deletes a file.
The record is written last; without it there is no archive.
"""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack
from pathlib import Path

from pydantic import ValidationError

from domain.clock import utc_now
from domain.errors import Damaged, Failed, Refused
from domain.people import Archive
from environments import Environment
from environments.settings import HomesSettings
from systems.homes import require_home_mount
from systems.mirror import Listener, hold, plan_restore, unreadable_in
from systems.mirror.staging import work_folder
from systems.mirror.tree import opened_root
from systems.mirrored import homes_of
from systems.objects import get_object, hold_object, list_objects, put_object

FOLDER = "archives/homes"


def home_is_there(homes: HomesSettings, home: str) -> bool:
    """Is there a home of this folder name?

    Raises:
        Refused: the homes are not mounted, or a link or a file is in its place.
    """
    require_home_mount(homes)
    try:
        seen = (homes.user_data / home).lstat()
    except FileNotFoundError:
        return False
    if not stat.S_ISDIR(seen.st_mode):
        raise Refused(f"home {homes.user_data / home}", "it is no folder", "look what it is; move it aside by hand")
    return True


def last_archive(env: Environment, home: str) -> Archive | None:
    """The newest archive of this home.

    Raises:
        Damaged: its record cannot be read.
        Refused, Unreachable: as `systems.objects`.
    """
    keys = [each.key for each in list_objects(env.objects, f"{FOLDER}/{home}/")]
    if not keys:
        return None
    try:
        return Archive.model_validate_json(get_object(env.objects, keys[-1]))
    except ValidationError:
        raise Damaged(f"s3://{env.objects.bucket}/{keys[-1]}", "it is no record of an archive", "look at it") from None


def point_on_disk(env: Environment, home: str) -> str | None:
    """The point of the newest archive, where the home on disk is entry by entry what it holds.

    A run that was cut off between the archive and the move left it so. Errors as `last_archive`.
    """
    archive = last_archive(env, home)
    return archive.point if archive and not _unlike(env, home, archive.point) else None


def archive_home(
    env: Environment, user: str, home: str, point: str, *, progress: Listener | None = None
) -> tuple[Archive, str]:
    """Hold the home as it is in the mirror's `point`, prove that it is whole and what is on disk, and record it.

    Returns:
        The archive, and the key of its record.

    Raises:
        Failed: an object is lost or damaged, or the disk has what the point has not; nothing is recorded.
        Refused, Unreachable, Damaged: as `mirror.hold`.
    """
    held = hold(homes_of(env).location, home, point=point, progress=progress)
    missed = [f"{each.path}: {each.reason}" for each in held.missed] or _unlike(env, home, point)
    if missed:
        more = f" and {len(missed) - 1} more" if len(missed) > 1 else ""
        raise Failed(
            f"archive of home {home}",
            f"it is not whole: {missed[0]}{more}; the home stays where it is",
            "put right what is named (riskhub mirror verify tells all of it), then run again",
        )
    key = f"{FOLDER}/{home}/{held.point.id}.json"
    known = last_archive(env, home)
    if known and known.point == held.point.id:
        hold_object(env.objects, key)
        return known, key
    archive = Archive(
        user=user,
        home=home,
        point=held.point.id,
        point_at=held.point.created_at,
        archived_at=utc_now(),
        entries=held.entries,
        files=held.files,
        bytes=held.bytes,
    )
    body = archive.model_dump_json(indent=1).encode() + b"\n"
    put_object(env.objects, key, body, content_type="application/json", if_absent=True, locked=True)
    hold_object(env.objects, key)
    return archive, key


def move_away(homes: HomesSettings, home: str) -> Path:
    """Move the home out of the homes, whole, by rename; where it is now. No mirror takes it in there.

    Raises:
        Failed: it is still where it was.
        Refused: there is no right to.
    """
    name = os.fsencode(home)
    with work_folder(homes.user_data) as work, ExitStack() as opened:
        here, there = (opened_root(opened, folder) for folder in (homes.user_data, work / "replaced"))
        try:
            os.rename(name, name, src_dir_fd=here, dst_dir_fd=there)
        except OSError as error:
            cause = f"it cannot be moved away ({error.strerror}); it is where it was"
            raise Failed(
                f"home {home}", cause, "run it where the root of the file system is mounted, as root"
            ) from None
        return work / "replaced" / home


def _unlike(env: Environment, home: str, point: str) -> list[str]:
    """What on disk is not as in the point, in words; what cannot be read included."""
    homes = homes_of(env)
    missed = [f"{each.path}: {each.reason}" for each in unreadable_in(homes.folder, home)]
    plan = plan_restore(homes.location, homes.folder, point=point, path=home)
    missed += [f"{action.target}: {action.reason}" for action in plan.actions]
    return missed + [f"{extra.target}: {extra.reason}" for extra in plan.left_alone]
