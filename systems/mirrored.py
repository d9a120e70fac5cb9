"""What of the file system is mirrored, each as a whole: the users' homes, and every folder that they share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from domain.errors import Refused
from environments import Environment
from systems.homes import MIRROR_PREFIX, require_home_mount
from systems.mirror import MirrorLocation

SHARED_PREFIX = "shared"  # in the bucket: `shared/data/…` is what a server sees as `/shared/data/…`


@dataclass(frozen=True)
class Mirrored:
    """A folder and its mirror.

    Attributes:
        name: as people know it: `homes`, `shared/data`.
        within: what is put before a path in it; nothing for the homes, each of which goes by its own name.
    """

    name: str
    folder: Path
    location: MirrorLocation
    within: str = ""

    @property
    def key(self) -> str:
        """The name where no slash may be."""
        return self.name.replace("/", "-")

    def part_of(self, path: str) -> str:
        """The home, or the file or folder right below a shared one, that a path of the mirror lies in."""
        first = "" if path == "." else path.partition("/")[0]
        return f"{self.within}{first}".rstrip("/") or self.folder.name


def homes_of(env: Environment) -> Mirrored:
    """All homes."""
    return Mirrored("homes", env.homes.user_data, MirrorLocation(env.objects, MIRROR_PREFIX))


def shared_of(env: Environment) -> tuple[Mirrored, ...]:
    """The shared folders, in the order of the environment file; none where it names none."""
    named = [(f"{SHARED_PREFIX}/{name}", env.homes.mount_point / name) for name in env.homes.shared]
    return tuple(Mirrored(name, folder, MirrorLocation(env.objects, name), f"{name}/") for name, folder in named)


def require_shared(env: Environment) -> tuple[Mirrored, ...]:
    """The shared folders of an environment that has some, its file system mounted; one of them may be missing there.

    Raises:
        Refused: it has none, or there are no homes beside them.
    """
    if not env.homes.shared:
        cause = "it names no shared folders"
        raise Refused(f"environment {env.name}", cause, "name them as shared = [...] in [homes] of its file")
    require_home_mount(env.homes)
    return shared_of(env)
