"""How far the logs were read, as one object in the bucket: the next run may be on another machine.

It is moved after the run's record is kept. A run that dies between the two is told twice, and nothing is lost.
"""

from __future__ import annotations

from pydantic import ValidationError

from domain.errors import Damaged, Refused
from domain.logs import LogCursor
from environments.settings import ObjectStoreSettings
from systems.answers import Absent
from systems.objects import delete_version, get_object, list_versions, put_object

KEY = "log-watch/cursor.json"


def read_cursor(store: ObjectStoreSettings) -> LogCursor | None:
    """Where the last run stopped; None before the first.

    Raises:
        Damaged: the object is no cursor.
        Refused, Unreachable: as `systems.objects`.
    """
    try:
        return LogCursor.model_validate_json(get_object(store, KEY))
    except Absent:
        return None
    except ValidationError:
        thing = f"s3://{store.bucket}/{KEY}"
        raise Damaged(thing, "it is no cursor of the log watch", "delete it: the watch then begins anew") from None


def move_cursor(store: ObjectStoreSettings, cursor: LogCursor, *, turn: int) -> None:
    """Keep `cursor`, and of the versions before it none: a bucket with versions would collect one every run.

    Args:
        turn: of the cursor that the run began with; 0 where there was none.

    Raises:
        Refused: another run moved it meanwhile; or as `systems.objects`.
        Unreachable: as `systems.objects`.
    """
    found = read_cursor(store)
    if (found.turn if found else 0) != turn:
        thing = f"s3://{store.bucket}/{KEY}"
        raise Refused(thing, "another run moved it meanwhile", "read that run's record; nothing has to be done")
    before = [*list_versions(store, KEY)]
    put_object(store, KEY, cursor.model_dump_json().encode(), content_type="application/json")
    for key, version in before:
        delete_version(store, key, version)
