"""Do the members of a recovery point fit together, and is each what was stored? What a restore asks before it begins.

Nobody else asks: a dump without its key restores a Hub in which nobody is logged in any more, and a database of one
day with the homes of another is no Hub at all.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from domain.errors import Damaged, Refused
from domain.recovery import RecoveryPoint
from environments.settings import Environment
from systems.crypt_key import CryptKey, crypt_key_of
from systems.dumps import DumpContent, read_dump
from systems.homes import MIRROR_PREFIX
from systems.mirror import MirrorLocation, Point, read_point_header
from systems.recovery_points import read_member

_HUB_CONFIGURATION = "k8s/base/jupyterhub_config.py"
_NAMED = 5


@dataclass(frozen=True)
class CheckedPoint:
    """A point whose members fit.

    Attributes:
        dump: what the database's dump holds; `key` opens every auth_state in it.
        hub_configuration: the text of the Hub's configuration file on that day.
        homes: the mirror's point.
    """

    dump: DumpContent
    key: CryptKey
    hub_configuration: str
    homes: Point


def check_point(
    env: Environment, point: RecoveryPoint, dump: Path, *, key: Callable[[Environment], CryptKey] = crypt_key_of
) -> CheckedPoint:
    """Read every member but the homes' contents; the database's dump is left at `dump`.

    Args:
        key: where the crypt key is; that of the Hub which runs, by default.

    Raises:
        Refused: a member is missing, of another environment, or does not fit the key.
        Damaged: a member is not what was stored, or the dump does not hold the rows that were counted.
        Unreachable: the bucket does not answer.
    """
    member = point.member("database")
    dump.write_bytes(read_member(env.objects, member))
    content = read_dump(env.database, dump)
    differing = [name for name, told in content.facts.items() if member.facts.get(name) != told]
    if differing:
        cause = f"{', '.join(differing[:_NAMED])} hold other rows than were dumped"
        raise Damaged(f"database of point {point.id}", cause, "take another point")
    return CheckedPoint(
        dump=content,
        key=_key_that_opens(key(env), content, str(member.facts.get("crypt_key", "unknown"))),
        hub_configuration=_hub_configuration(env, point),
        homes=read_point_header(MirrorLocation(env.objects, MIRROR_PREFIX), point.member("homes").reference),
    )


def _key_that_opens(key: CryptKey, content: DumpContent, taken_under: str) -> CryptKey:
    try:
        key.require_opens(content.auth_states)
    except Refused as error:
        cause = f"{error.cause}; the point was taken under key {taken_under}"
        raise Refused(error.thing, cause, error.next_step) from None
    return key


def _hub_configuration(env: Environment, point: RecoveryPoint) -> str:
    thing = f"configuration of point {point.id}"
    try:
        document = json.loads(read_member(env.objects, point.member("configuration")))
        made_for, text = document["environment"], document["files"][_HUB_CONFIGURATION]["text"]
    except (KeyError, TypeError, ValueError):
        raise Damaged(thing, "it is no configuration document", "take another point") from None
    if made_for != env.name:
        raise Refused(thing, f"it is of environment {made_for}", f"choose a point of {env.name}")
    return str(text)
