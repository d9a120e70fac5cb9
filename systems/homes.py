"""Users' home folders on EFS: which folder is whose, and that the mount is the one we mean."""

from __future__ import annotations

import string

from escapism import escape, unescape

from domain.errors import Refused
from environments.settings import HomesSettings

MIRROR_PREFIX = "user-data"  # in the bucket: plain objects, one a file (a contract: `aws s3 sync` restores them too)

_SAFE = frozenset(string.ascii_lowercase + string.digits)


def home_name(user: str) -> str:
    """The folder below `user-data` of a Hub user, as KubeSpawner's escape scheme names it (kubespawner#937).

    The result holds lower-case letters, digits and dashes only, whatever the user is called.

    Raises:
        Refused: the name is empty.
    """
    if not user:
        raise Refused("user ''", "an empty name is nobody's", "give the name as the Hub lists it")
    name: str = escape(user, safe=_SAFE, escape_char="-").lower()
    return name


def user_of(home: str) -> str:
    """Whose folder it is, by its name alone; empty where no user's home is called so."""
    try:
        user: str = unescape(home, escape_char="-")
    except ValueError:  # UnicodeDecodeError too
        return ""
    return user if user and home_name(user) == home else ""


def require_home_mount(homes: HomesSettings) -> None:
    """Refuse to work on a mount point where the homes are not.

    Raises:
        Refused: the folder is missing or holds no `user-data`; an unmounted EFS looks just like that.
    """
    if not homes.user_data.is_dir():
        raise Refused(
            f"homes at {homes.mount_point}",
            "there is no user-data folder: the file system is not mounted",
            "mount it (or correct EFS_MOUNT_POINT) and run again; in a new file system make that folder first",
            kind="homes-unmounted",
        )
