"""What goes wrong in the day, and the eye that sees whether it was put right."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from pathlib import Path

Look = dict[str, tuple[str, ...]]


def look_at(tree: Path) -> Look:
    """Every entry below `tree`: mode, owner, group, mtime in ns and content (SHA-256, or a link's target)."""
    found: Look = {}
    for folder, names, files in os.walk(tree):
        for name in sorted(names + files) + ([""] if folder == str(tree) else []):
            path = Path(folder, name)
            seen = path.lstat()
            if stat.S_ISLNK(seen.st_mode):
                content = f"-> {path.readlink()}"
            elif stat.S_ISREG(seen.st_mode):
                content = hashlib.sha256(path.read_bytes()).hexdigest()
            else:
                content = ""
            figures = (seen.st_mode, seen.st_uid, seen.st_gid, seen.st_mtime_ns)
            found[str(path.relative_to(tree))] = (*map(str, figures), content)
    return found


def differences(before: Look, after: Look) -> list[str]:
    """The paths that are not as they were, each with what differs."""
    fields = ("mode", "owner", "group", "mtime", "content")
    told = []
    for path in sorted(before.keys() | after.keys()):
        was, now = before.get(path), after.get(path)
        if was is None or now is None:
            told.append(f"{path}: {'new' if was is None else 'missing'}")
        elif was != now:
            changed = [field for field, a, b in zip(fields, was, now, strict=True) if a != b]
            told.append(f"{path}: {', '.join(changed)}")
    return told


def delete_home(home: Path) -> None:
    """A home is gone, all of it."""
    shutil.rmtree(home)


def alter_notebook(notebook: Path) -> None:
    """Change a number in place; size and mtime stay, so that a sync by size and time sees nothing."""
    before = notebook.stat()
    content = notebook.read_bytes()
    altered = content.replace(b"0.4", b"0.9", 1)
    if altered == content:
        raise ValueError(f"{notebook} holds no 0.4 to alter")
    notebook.write_bytes(altered)
    os.utime(notebook, ns=(before.st_atime_ns, before.st_mtime_ns))


def plant_link(folder: Path, target: Path) -> None:
    """A folder of one home becomes a link to another place: a restore that follows it writes there."""
    shutil.rmtree(folder)
    folder.symlink_to(target)
