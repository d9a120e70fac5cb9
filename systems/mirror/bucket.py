"""The bucket of a mirror: obstore for the many objects, signed requests for what obstore cannot say.

Every call has a deadline, and every error of the wire leaves here in the words of the house.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple
from urllib.parse import unquote_plus
from xml.etree import ElementTree
from xml.sax.saxutils import escape as in_xml

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from domain.clock import to_utc
from domain.errors import Damaged, Failed, Refused, Unreachable
from environments.settings import ObjectStoreSettings
from systems.answers import Absent, Taken, answered, where
from systems.mirror.location import MirrorLocation
from systems.mirror.wire import Answer, Keys, NoAnswer, Wire
from systems.network import kind_of

AT_ONCE = 32  # requests on their way together
PART = 8 * 1024 * 1024  # a file above this goes up in parts
_SMALL = 1024 * 1024  # an object up to this comes in one piece
_MOST_PARTS = 9_000  # S3 takes 10,000
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


class Current(NamedTuple):
    """An object as it shows in a listing. `version` is empty where it was not asked for."""

    key: str
    version: str
    modified: datetime


class Bucket:
    """The calls of one push, restore or verify. May be shared by threads."""

    def __init__(self, location: MirrorLocation) -> None:
        self.location = location
        self.at = where(location.store)
        self._name = location.store.bucket
        self.wire, self._objects = _clients(location.store)

    def require_versioned(self) -> None:
        """Refuse a bucket that keeps no versions: there a write destroys what an earlier point needs.

        Raises:
            Refused: it is not versioned, is not there or may not be asked.
            Unreachable: no answer.
        """
        state = _xml(self._ask("GET", query={"versioning": ""})).findtext("{*}Status")
        if state != "Enabled":
            raise Refused(
                f"bucket {self._name}",
                "it keeps no versions, so a write would destroy what an earlier point needs",
                f"aws s3api put-bucket-versioning --bucket {self._name} --versioning-configuration Status=Enabled",
            )

    def require_lockable(self) -> None:
        """Refuse a bucket in which a hold is a word only.

        Raises:
            Refused: it was made without Object Lock, or may not be asked.
            Unreachable: no answer.
        """
        thing, step = f"bucket {self._name}", "use a bucket that was made with Object Lock"
        try:
            found = _xml(self._ask("GET", query={"object-lock": ""})).findtext("{*}ObjectLockEnabled")
        except Refused as error:
            raise Refused(thing, f"it does not say that it has Object Lock: {error.cause}", step) from None
        if found != "Enabled":
            raise Refused(thing, "it was made without Object Lock, so a legal hold holds nothing", step)

    def list_current(self, prefix: str, after: str = "") -> Iterator[Current]:
        """What a plain listing below `prefix` shows, by key, beginning behind the key `after`."""
        query = {"list-type": "2", "prefix": prefix, "encoding-type": "url", "start-after": after}
        while True:
            page = _xml(self._ask("GET", query=query))
            for item in page.findall("{*}Contents"):
                yield Current(_key_of(page, item), "", _modified(item))
            if page.findtext("{*}IsTruncated") != "true":
                return
            query["continuation-token"] = page.findtext("{*}NextContinuationToken") or ""

    def list_versions(self, prefix: str) -> Iterator[tuple[Current, bool]]:
        """Every version below `prefix` and whether it is the one that shows. Delete markers are left out."""
        query = {"versions": "", "prefix": prefix, "encoding-type": "url"}
        while True:
            page = _xml(self._ask("GET", query=query))
            for item in page.findall("{*}Version"):
                found = Current(_key_of(page, item), item.findtext("{*}VersionId") or "", _modified(item))
                yield found, item.findtext("{*}IsLatest") == "true"
            if page.findtext("{*}IsTruncated") != "true":
                return
            query["key-marker"] = _decoded(page, "NextKeyMarker")
            query["version-id-marker"] = page.findtext("{*}NextVersionIdMarker") or ""

    def noncurrent_days(self) -> int | None:
        """For how many days the bucket's lifecycle keeps a version that no longer shows; None: for ever."""
        try:
            rules = _xml(self._ask("GET", query={"lifecycle": ""}))
        except Refused as error:
            if "NoSuchLifecycleConfiguration" in error.cause:
                return None
            raise
        days = []
        for rule in rules.findall("{*}Rule"):
            prefix = rule.findtext("{*}Filter/{*}Prefix") or rule.findtext("{*}Prefix") or ""
            found = rule.findtext("{*}NoncurrentVersionExpiration/{*}NoncurrentDays")
            mirror = f"{self.location.prefix}/"
            concerned = mirror.startswith(prefix) or prefix.startswith(mirror)
            if found and rule.findtext("{*}Status") == "Enabled" and concerned:
                days.append(int(found))
        return min(days, default=None)

    def put(self, key: str, body: bytes | Iterator[bytes], size: int, attributes: dict[str, str]) -> str:
        """Write an object with its POSIX metadata and SHA-256; its VersionId.

        A `body` that raises leaves the object as it was, and its error comes through.
        """
        many = not isinstance(body, bytes)
        with self._told(key):
            put = obstore.put(
                self._objects,
                key,
                body,
                attributes=dict(attributes),
                use_multipart=many,
                chunk_size=max(PART, size // _MOST_PARTS + 1),
                max_concurrency=4,
            )
        version = put["version"]
        if not version:
            raise Failed(
                self._thing(key),
                f"{self.at} did not say which version it wrote",
                "check that the bucket is versioned, then push again",
            )
        return version

    def put_marker(self, key: str, attributes: dict[str, str] | None = None) -> None:
        """Write an empty object, whose key may end in a slash."""
        self._ask("PUT", key, headers={f"x-amz-meta-{name}": value for name, value in (attributes or {}).items()})

    def put_new(self, key: str, body: bytes) -> None:
        """Write an object that must not be there yet, locked for as long as the store's settings say.

        The same bytes again are no error: our own answer may have been lost.

        Raises:
            Taken: another object has this key.
        """
        headers = {
            "if-none-match": "*",
            "x-amz-checksum-sha256": base64.b64encode(hashlib.sha256(body).digest()).decode(),
        }
        if lock := self.location.store.lock:
            headers["x-amz-object-lock-mode"] = lock["ObjectLockMode"]
            headers["x-amz-object-lock-retain-until-date"] = f"{lock['ObjectLockRetainUntilDate']:%Y-%m-%dT%H:%M:%SZ}"
        try:
            self._ask("PUT", key, headers=headers, body=body)
        except Taken:
            if self.get(key) != body:
                raise

    def hold(self, key: str, version: str = "") -> None:
        """Put a legal hold on a version, by default the one that shows: nobody deletes it until somebody lifts that."""
        body = f'<LegalHold xmlns="{_NAMESPACE}"><Status>ON</Status></LegalHold>'.encode()
        checksum = base64.b64encode(hashlib.sha256(body).digest()).decode()
        self._ask("PUT", key, query=_hold_of(version), headers={"x-amz-checksum-sha256": checksum}, body=body)

    def is_held(self, key: str, version: str = "") -> bool:
        """Is the version under a legal hold?"""
        return _xml(self._ask("GET", key, query=_hold_of(version))).findtext("{*}Status") == "ON"

    def get(self, key: str) -> bytes:
        """A whole object, verified against the checksum kept beside it."""
        answer = self._ask("GET", key, headers={"x-amz-checksum-mode": "ENABLED"})
        kept = answer.headers.get("x-amz-checksum-sha256")
        if kept and kept != base64.b64encode(hashlib.sha256(answer.body).digest()).decode():
            raise Damaged(self._thing(key), "its bytes do not match its checksum", "restore an earlier version of it")
        return answer.body

    def stream(self, key: str, version: str) -> Iterator[memoryview]:
        """One version of an object, piece by piece.

        Raises:
            Absent: there is no such version.
        """
        with self._told(key):
            found = obstore.get(self._objects, key, options={"version": version})
            if found.meta["size"] <= _SMALL:
                yield memoryview(found.bytes())
                return
            for piece in found.stream(min_chunk_size=_SMALL):
                yield memoryview(piece)

    def delete(self, keys: Iterable[str]) -> int:
        """Put a delete marker on each key; earlier versions stay. How many."""
        remaining = iter(keys)
        count = 0
        while batch := list(islice(remaining, 1000)):
            named = "".join(f"<Object><Key>{in_xml(key)}</Key></Object>" for key in batch)
            body = f"<Delete><Quiet>true</Quiet>{named}</Delete>".encode()
            checksum = base64.b64encode(hashlib.sha256(body).digest()).decode()
            answer = self._ask("POST", query={"delete": ""}, headers={"x-amz-checksum-sha256": checksum}, body=body)
            for error in _xml(answer).findall("{*}Error"):
                raise Refused(
                    self._thing(error.findtext("{*}Key") or ""),
                    f"{self.at} would not delete it ({error.findtext('{*}Code') or 'unknown'})",
                    "check that the keys allow s3:DeleteObject, then push again",
                )
            count += len(batch)
        return count

    def lock_holds(self, written_ns: int) -> bool:
        """Is an object written then still locked for at least half of the time that the settings say?"""
        locked_for = self.location.store.locked_for
        return locked_for is None or time.time_ns() - written_ns < locked_for.total_seconds() * 1e9 / 2

    def _thing(self, key: str) -> str:
        return f"s3://{self._name}/{key}"

    def _ask(
        self,
        method: str,
        key: str = "",
        *,
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        body: bytes = b"",
    ) -> Answer:
        try:
            answer = self.wire.ask(method, key, query, headers, body)
        except NoAnswer as error:
            raise self._unreachable(key, str(error), error) from None
        if answer.status >= 300:
            code = _between(answer.body.decode(errors="replace"), "<Code>", "</Code>") or str(answer.status)
            raise answered(self.location.store, self._thing(key), code, answer.status)
        return answer

    def _unreachable(self, key: str, how: str, error: Exception) -> Unreachable:
        return Unreachable(
            self._thing(key),
            f"{self.at} did not answer ({how})",
            "check the object store, then run again",
            kind=kind_of(error, "bucket-down"),
        )

    @contextlib.contextmanager
    def _told(self, key: str) -> Iterator[None]:
        """obstore's errors in the words of the house."""
        try:
            yield
        except FileNotFoundError as error:
            if error.errno is not None:  # from reading our own file; obstore's have none
                raise
            if "NoSuchBucket" in str(error):
                raise answered(self.location.store, self._thing(key), "NoSuchBucket", 404) from None
            raise Absent(self._thing(key), "there is no such version any more", "restore from another point") from None
        except (PermissionDeniedError, UnauthenticatedError) as error:
            code = _between(str(error), "<Code>", "</Code>") or "AccessDenied"
            raise answered(self.location.store, self._thing(key), code, 403) from None
        except BaseError as error:
            raise self._unreachable(key, _first_line(error), error) from None


@lru_cache(maxsize=8)
def _clients(settings: ObjectStoreSettings) -> tuple[Wire, S3Store]:
    """Both clients of a bucket, once, so that their connections are kept."""
    keys, provider = _credentials(settings)
    endpoint: dict[str, Any] = {}
    if settings.endpoint_url:  # both names: obstore lets AWS_ENDPOINT_URL_S3 go before `endpoint`
        endpoint = {"endpoint": settings.endpoint_url, "aws_endpoint_url_s3": settings.endpoint_url}
    objects = S3Store(
        settings.bucket,
        **endpoint,
        region=settings.region,
        checksum_algorithm="SHA256",
        credential_provider=provider,
        client_options={
            "allow_http": (settings.endpoint_url or "").startswith("http://"),
            "connect_timeout": timedelta(seconds=5),
            "timeout": timedelta(minutes=5),
        },
        retry_config={"max_retries": 4, "retry_timeout": timedelta(minutes=2)},
    )
    return Wire(settings, keys), objects


def _credentials(settings: ObjectStoreSettings) -> tuple[Any, Any]:
    """The keys, now and whenever they are asked for again: given, from AWS_* variables, or by AWS's chain."""
    key, secret, token = settings.access_key_id, settings.secret_access_key, None
    fixed = (key.get_secret_value(), secret.get_secret_value()) if key and secret else None
    if fixed is None and os.environ.get("AWS_ACCESS_KEY_ID") and os.environ.get("AWS_SECRET_ACCESS_KEY"):
        fixed = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
        token = os.environ.get("AWS_SESSION_TOKEN") or None
    if fixed is not None:
        keys = Keys(*fixed, token)
        return lambda: keys, lambda: {**keys._asdict(), "expires_at": None}
    import boto3  # noqa: PLC0415 - roles and profiles only: it takes longer than a push of nothing
    from obstore.auth.boto3 import Boto3CredentialProvider  # noqa: PLC0415

    session = boto3.Session(region_name=settings.region)
    found = session.get_credentials()
    if found is None:
        raise Refused(f"bucket {settings.bucket}", "no credentials were found", "set AWS_ACCESS_KEY_ID and its kin")

    def now() -> Keys:
        frozen = found.get_frozen_credentials()
        return Keys(str(frozen.access_key), str(frozen.secret_key), frozen.token)

    return now, Boto3CredentialProvider(session)


def _hold_of(version: str) -> dict[str, str]:
    return {"legal-hold": "", **({"versionId": version} if version else {})}


def _xml(answer: Answer) -> ElementTree.Element:
    return ElementTree.fromstring(answer.body)  # noqa: S314


def _key_of(page: ElementTree.Element, item: ElementTree.Element) -> str:
    return _decoded(page, "Key", item)


def _decoded(page: ElementTree.Element, tag: str, item: ElementTree.Element | None = None) -> str:
    """The text of `tag`; not every store encodes keys when it is asked to, and its page says whether it did."""
    text = (page if item is None else item).findtext(f"{{*}}{tag}") or ""
    return unquote_plus(text) if page.findtext("{*}EncodingType") == "url" else text


def _modified(item: ElementTree.Element) -> datetime:
    return to_utc(datetime.fromisoformat(item.findtext("{*}LastModified") or ""))


def _between(text: str, begin: str, end: str) -> str:
    return text.partition(begin)[2].partition(end)[0]


def _first_line(error: BaseException) -> str:
    """What happened without the debug dump: obstore writes whole requests into its messages."""
    return str(error).partition("\n")[0].rpartition(" - ")[2][:200]
