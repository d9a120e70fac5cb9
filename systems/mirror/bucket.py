"""The bucket of a mirror: obstore for the many objects, boto3 for what obstore cannot say.

boto3 asks about versioning, lists versions, deletes in bulk and puts folder markers (obstore takes the slash
off a key's end). Every call has a deadline, and every error of the wire leaves here in the words of the house.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

import boto3
import obstore
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, FlexibleChecksumError, NoCredentialsError
from obstore.auth.boto3 import Boto3CredentialProvider
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from domain.clock import to_utc
from domain.errors import Damaged, Failed, Refused, Unreachable
from environments.settings import ObjectStoreSettings
from systems.mirror.location import MirrorLocation
from systems.objects import Absent, Taken, answered, where

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef
    from obstore import ReadableFile

AT_ONCE = 32  # requests on their way together
PART = 8 * 1024 * 1024  # a file above this goes up in parts
_MOST_PARTS = 9_000  # S3 takes 10,000


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
        self._client, self._objects = _clients(location.store)

    def require_versioned(self) -> None:
        """Refuse a bucket that keeps no versions: there a write destroys what an earlier point needs.

        Raises:
            Refused: it is not versioned, is not there or may not be asked.
            Unreachable: no answer.
        """
        thing = f"bucket {self._name}"
        with self._told(thing):
            state = self._client.get_bucket_versioning(Bucket=self._name).get("Status")
        if state != "Enabled":
            raise Refused(
                thing,
                "it keeps no versions, so a write would destroy what an earlier point needs",
                f"aws s3api put-bucket-versioning --bucket {self._name} --versioning-configuration Status=Enabled",
            )

    def list_current(self, prefix: str) -> Iterator[Current]:
        """What a plain listing below `prefix` shows, by key."""
        with self._told(prefix):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._name, Prefix=prefix):
                for item in page.get("Contents", ()):
                    yield Current(item["Key"], "", to_utc(item["LastModified"]))

    def list_current_versions(self, prefix: str) -> Iterator[Current]:
        """The same with VersionIds; slower, since the store goes through all versions."""
        with self._told(prefix):
            for page in self._client.get_paginator("list_object_versions").paginate(Bucket=self._name, Prefix=prefix):
                for item in page.get("Versions", ()):
                    if item["IsLatest"]:
                        yield Current(item["Key"], item["VersionId"], to_utc(item["LastModified"]))

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
        """Write an empty object whose key ends in a slash, or any other empty one."""
        with self._told(key):
            self._client.put_object(Bucket=self._name, Key=key, Body=b"", Metadata=attributes or {})

    def put_new(self, key: str, body: bytes) -> None:
        """Write an object that must not be there yet, locked for as long as the store's settings say.

        The same bytes again are no error: our own answer may have been lost.

        Raises:
            Taken: another object has this key.
        """
        try:
            with self._told(key):
                self._client.put_object(
                    Bucket=self._name,
                    Key=key,
                    Body=body,
                    IfNoneMatch="*",
                    ChecksumAlgorithm="SHA256",
                    **self.location.store.lock,
                )
        except Taken:
            if self.get(key) != body:
                raise

    def get(self, key: str) -> bytes:
        """A whole object, verified against the checksum kept beside it."""
        with self._told(key):
            return self._client.get_object(Bucket=self._name, Key=key, ChecksumMode="ENABLED")["Body"].read()

    def open(self, key: str) -> IO[bytes]:
        """An object as a file that fetches only what is read."""
        with self._told(key):
            return cast(IO[bytes], _Remote(obstore.open_reader(self._objects, key), lambda: self._told(key)))

    def stream(self, key: str, version: str) -> Iterator[memoryview]:
        """One version of an object, piece by piece.

        Raises:
            Absent: there is no such version.
        """
        with self._told(key):
            found = obstore.get(self._objects, key, options={"version": version})
            for piece in found.stream(min_chunk_size=1024 * 1024):
                yield memoryview(piece)

    def delete(self, keys: Iterable[str]) -> int:
        """Put a delete marker on each key; earlier versions stay. How many."""
        remaining = iter(keys)
        count = 0
        while batch := list(islice(remaining, 1000)):
            identifiers: Sequence[ObjectIdentifierTypeDef] = [{"Key": key} for key in batch]
            with self._told(batch[0]):
                answer = self._client.delete_objects(Bucket=self._name, Delete={"Objects": identifiers, "Quiet": True})
            for error in answer.get("Errors", ()):
                raise Refused(
                    self._thing(error.get("Key", "")),
                    f"{self.at} would not delete it ({error.get('Code', 'unknown')})",
                    "check that the keys allow s3:DeleteObject, then push again",
                )
            count += len(batch)
        return count

    def _thing(self, key: str) -> str:
        return f"s3://{self._name}/{key}"

    @contextlib.contextmanager
    def _told(self, key: str) -> Iterator[None]:
        thing = key if key.startswith("bucket ") else self._thing(key)
        again = "check the object store, then run again"
        try:
            yield
        except ClientError as error:
            raise answered(self.location.store, thing, error) from None
        except FlexibleChecksumError:
            raise Damaged(thing, "its bytes do not match its checksum", "restore an earlier version of it") from None
        except NoCredentialsError:
            raise Refused(thing, "no credentials were found", "set AWS_ACCESS_KEY_ID and its kin") from None
        except BotoCoreError as error:
            raise Unreachable(thing, f"{self.at} did not answer ({type(error).__name__})", again) from None
        except FileNotFoundError as error:
            if not _from_store(error):
                raise
            raise Absent(thing, "there is no such version any more", "restore from another point") from None
        except (PermissionDeniedError, UnauthenticatedError):
            raise Refused(
                thing, f"{self.at} denied it", "check the keys and the bucket's policy, then run again"
            ) from None
        except BaseError as error:
            raise Unreachable(thing, f"{self.at} did not answer ({_first_line(error)})", again) from None


class _Remote(io.RawIOBase):
    """obstore's reader with what pyarrow asks of a file, its errors told as the bucket tells them."""

    def __init__(self, reader: ReadableFile, told: Callable[[], contextlib.AbstractContextManager[None]]) -> None:
        self._reader = reader
        self._told = told

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._reader.seek(offset, whence)

    def tell(self) -> int:
        return self._reader.tell()

    def read(self, size: int = -1) -> bytes:
        with self._told():
            return bytes(self._reader.read(size if size >= 0 else None))


@lru_cache(maxsize=8)
def _clients(settings: ObjectStoreSettings) -> tuple[S3Client, S3Store]:
    """Both clients of a bucket, once: making boto3's takes longer than a small push."""
    keys = (settings.access_key_id, settings.secret_access_key)
    access_key_id, secret_access_key = (key.get_secret_value() if key else None for key in keys)
    session = boto3.Session(access_key_id, secret_access_key, region_name=settings.region)
    client = session.client(
        "s3",
        endpoint_url=settings.endpoint_url,
        config=Config(
            connect_timeout=5,
            read_timeout=60,
            max_pool_connections=AT_ONCE,
            retries={"mode": "standard", "total_max_attempts": 4},
            s3={"addressing_style": "path" if settings.endpoint_url else "auto"},
        ),
    )
    if session.get_credentials() is None:
        raise Refused(f"bucket {settings.bucket}", "no credentials were found", "set AWS_ACCESS_KEY_ID and its kin")
    endpoint: dict[str, Any] = {}
    if settings.endpoint_url:  # both names: obstore lets AWS_ENDPOINT_URL_S3 go before `endpoint`
        endpoint = {"endpoint": settings.endpoint_url, "aws_endpoint_url_s3": settings.endpoint_url}
    objects = S3Store(
        settings.bucket,
        **endpoint,
        region=settings.region,
        checksum_algorithm="SHA256",
        credential_provider=Boto3CredentialProvider(session),
        client_options={
            "allow_http": (settings.endpoint_url or "").startswith("http://"),
            "connect_timeout": timedelta(seconds=5),
            "timeout": timedelta(minutes=5),
        },
        retry_config={"max_retries": 4, "retry_timeout": timedelta(minutes=2)},
    )
    return client, objects


def _from_store(error: FileNotFoundError) -> bool:
    """obstore says FileNotFoundError too, without an errno; one from reading our own file has it."""
    return error.errno is None


def _first_line(error: BaseException) -> str:
    """What happened without the debug dump: obstore writes whole requests into its messages."""
    return str(error).partition("\n")[0].rpartition(" - ")[2][:200]
