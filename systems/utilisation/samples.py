"""Samples in the bucket: one object each, below its day, written once and never replaced.

`utilisation/2026-11-28/0300.json`: the minute is in the key, so a second sample of the same minute finds the first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from domain.errors import Damaged
from domain.utilisation import Sample
from environments.settings import ObjectStoreSettings
from systems.answers import Taken
from systems.objects import get_object, list_objects, put_object

FOLDER = "utilisation"
_MINUTE = f"{FOLDER}/%Y-%m-%d/%H%M.json"
_KEY = re.compile(rf"{FOLDER}/\d{{4}}-\d\d-\d\d/\d{{4}}\.json")
_AT_ONCE = 8


def keep_sample(store: ObjectStoreSettings, sample: Sample) -> str | None:
    """Keep it; its key, or None where another one of the same minute is kept already.

    Raises:
        Unreachable, Refused: see `put_object`.
    """
    key = sample.taken_at.strftime(_MINUTE)
    try:
        put_object(store, key, sample.model_dump_json().encode(), content_type="application/json", if_absent=True)
    except Taken:
        return None
    return key


def read_samples(
    store: ObjectStoreSettings, begins: datetime, ends: datetime, *, whole_since: datetime
) -> list[Sample | Damaged]:
    """The samples of this time, oldest first: every one since `whole_since`, and before it the last of each UTC day.

    Raises:
        Unreachable, Refused: see `get_object`.
    """
    last_of_day: dict[str, tuple[datetime, str]] = {}
    wanted = []
    for month in _months(begins, ends):
        for each in list_objects(store, f"{FOLDER}/{month}-"):
            if not _KEY.fullmatch(each.key) or not (taken := _moment(each.key)) or not begins <= taken <= ends:
                continue
            if taken >= whole_since:
                wanted.append((taken, each.key))
            else:
                last_of_day[each.key.split("/")[1]] = (taken, each.key)  # listed by key, so the last one stays
    wanted = sorted([*last_of_day.values(), *wanted])
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(lambda found: _read(store, found[1]), wanted))


def last_sample(store: ObjectStoreSettings, now: datetime, *, within: timedelta = timedelta(days=1)) -> Sample | None:
    """The newest sample before `now`, at most `within` old; None where there is none that can be read."""
    found = read_samples(store, now - within, now, whole_since=now)
    return next((each for each in reversed(found) if isinstance(each, Sample)), None)


def _read(store: ObjectStoreSettings, key: str) -> Sample | Damaged:
    try:
        return Sample.model_validate_json(get_object(store, key))
    except Damaged as error:
        return error
    except ValidationError:
        return Damaged(f"sample {key}", "it is no sample of ours", "look who writes there; the others count")


def _moment(key: str) -> datetime | None:
    try:
        return datetime.strptime(key, _MINUTE).replace(tzinfo=UTC)
    except ValueError:  # the 31st of February
        return None


def _months(begins: datetime, ends: datetime) -> Iterator[str]:
    day = begins.replace(day=1)
    while day <= ends:
        yield f"{day:%Y-%m}"
        day = (day + timedelta(days=32)).replace(day=1)
