"""What an S3 server's error answer means, in the words of the house, whichever client asked."""

from __future__ import annotations

from domain.errors import Refused, RiskhubError, Unreachable
from domain.health import Kind
from environments.settings import ObjectStoreSettings

_ABSENT = frozenset({"404", "NoSuchKey", "NoSuchVersion", "NotFound"})
_TAKEN = frozenset({"412", "PreconditionFailed", "ConditionalRequestConflict"})
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})


class Absent(Refused):
    """No object at the key, or no such version of it."""


class Taken(Refused):
    """A write for a new object found one."""


def answered(store: ObjectStoreSettings, thing: str, code: str, status: int) -> RiskhubError:
    """The error to raise for S3's error `code` with HTTP `status` about `thing`."""
    at = where(store)
    cause = f"{at} answered {code}"
    kind = kind_of_answer(code, status)
    if kind == "bucket-down":
        return Unreachable(thing, cause, "run again in a minute", kind=kind)
    if code in _ABSENT:
        return Absent(thing, "there is no such object", "check the key, or list what is there")
    if code in _TAKEN:
        return Taken(thing, "another object has this key", "choose another key, or run again")
    next_step = "check the keys and the bucket's policy"
    if code == "NoSuchBucket":
        thing, cause, next_step = f"bucket {store.bucket}", f"{at} has no such bucket", "create it, or correct its name"
    elif code in _EXPIRED:
        cause, next_step = f"{at} says that the credentials expired ({code})", "renew them and run again"
    elif code == "InvalidRequest" and store.locked_for:
        cause += ", as for a bucket that was made without Object Lock"
        next_step = "use a bucket with Object Lock, or take locked_for out of the environment file"
    elif kind == "clock-skew":
        next_step = "correct the clock of this machine"
    return Refused(thing, cause, next_step, kind=kind)


def kind_of_answer(code: str, status: int) -> Kind:
    """The kind of trouble that S3's error `code` with HTTP `status` is."""
    if status >= 500 or code in ("SlowDown", "RequestTimeout"):
        return "bucket-down"
    if code == "NoSuchBucket":
        return "bucket-missing"
    return "clock-skew" if code == "RequestTimeTooSkewed" else "bucket-denied"


def where(store: ObjectStoreSettings) -> str:
    """How messages name the server behind a bucket."""
    return store.endpoint_url or f"S3 in {store.region}"
