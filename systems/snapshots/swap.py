"""Putting a home that AWS restored beside the others in its place, by the mirror's own swap.

The restore folder lies on the file system of the homes, so it is the staging folder itself: the home is moved, not
copied, and is entry for entry what AWS restored.
"""

from __future__ import annotations

import stat
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from domain.errors import Failed
from environments.settings import HomesSettings
from systems.mirror.entry import LOOK, Entry, Skip
from systems.mirror.staging import work_folder
from systems.mirror.swap import Swapper
from systems.mirror.tree import opened_root
from systems.mirror.walk import walk


@dataclass(frozen=True)
class Swapped:
    """What is in place now: so many entries, of so many bytes together. `kept`: what was there before, if anything."""

    entries: int
    bytes: int
    kept: Path | None


def swap_in_home(homes: HomesSettings, folder: Path, home: str) -> Swapped:
    """Swap in the home that lies in the restore folder `folder`, and remove the folder.

    What was there is kept whole, beside the homes. A folder that holds more than the home stays.

    Raises:
        Failed: it is no folder, lies on another file system, or could not be put in place; the message says where
            everything lies.
        Refused: there is no right to.
    """
    restored, name = folder / homes.user_data.name, home.encode()
    thing = f"home {homes.user_data / home}"
    if restored.stat().st_dev != homes.user_data.stat().st_dev:
        raise Failed(
            thing,
            f"what was restored lies on another file system, in {restored / home}; the home is untouched",
            "mount the root of the file system, not the homes alone, and run again",
        )
    seen = (restored / home).lstat()
    if not stat.S_ISDIR(seen.st_mode):
        raise Failed(
            thing,
            f"in the snapshot it is no folder, see {restored / home}; the home is untouched",
            "choose an earlier snapshot",
        )
    with ExitStack() as opened:
        stage = opened_root(opened, restored)
        entries, size = _counted(stage, name)
        work = opened.enter_context(work_folder(homes.user_data))
        base, replaced = (opened_root(opened, each) for each in (homes.user_data.parent, work / "replaced"))
        swapper = Swapper(base, homes.user_data.name.encode(), stage, replaced)
        swapper.swap(name, name, replace=True)
        swapper.finish(())
        kept = work / "replaced" if any((work / "replaced").iterdir()) else None
    if swapper.misses or (homes.user_data / home).lstat().st_ino != seen.st_ino:
        raise Failed(
            thing,
            f"{swapper.misses.get(name, 'something else is in its place')}; what was restored lies in "
            f"{restored / home}, what was there before {f'in {kept}' if kept else 'is where it was'}",
            "move the one that you want into its place",
        )
    with suppress(OSError):  # they stay while they hold something else
        restored.rmdir()
        folder.rmdir()
    return Swapped(entries, size, kept)


def _counted(stage: int, name: bytes) -> tuple[int, int]:
    """Entries at and below it, and their bytes."""
    skipped: list[Skip] = []
    entries = size = 0
    for batch in walk(stage, skipped, name):
        entries += len(batch.rows)
        size += sum(Entry(path, *LOOK.unpack(seen)).size for path, seen in batch.rows)
    return entries + len(skipped), size
