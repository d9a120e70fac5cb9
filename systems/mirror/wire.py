"""Plain S3 requests, signed (AWS Signature Version 4), over kept connections.

For the few requests that obstore cannot say: folder markers (it takes the slash off a key's end), locked
writes, bulk deletes, versions and lifecycle. Here instead of boto3, whose import and client take longer than
a push of nothing, and whose calls take ten times as long as these.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import http.client
import queue
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from domain.clock import utc_now
from environments.settings import ObjectStoreSettings

_TRIES = 4
_AGAIN = frozenset({429, 500, 502, 503, 504})
_DEADLINE = 60.0  # seconds without a byte


class Keys(NamedTuple):
    """Credentials as they are now."""

    access_key_id: str
    secret_access_key: str
    token: str | None


@dataclass(frozen=True)
class Answer:
    """What the server said; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class NoAnswer(Exception):
    """The server did not answer, after every try."""


class Wire:
    """Requests to one bucket. May be shared by threads."""

    def __init__(self, store: ObjectStoreSettings, keys: Callable[[], Keys]) -> None:
        address = urlsplit(store.endpoint_url or f"https://{store.bucket}.s3.{store.region}.amazonaws.com")
        self._secure = address.scheme == "https"
        self._host = address.netloc
        self._base = f"{address.path}/{store.bucket}" if store.endpoint_url else ""
        self._region = store.region
        self._keys = keys
        self._idle: queue.LifoQueue[http.client.HTTPConnection] = queue.LifoQueue()

    def ask(
        self,
        method: str,
        key: str = "",
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Answer:
        """One request, tried again while the server is busy or the connection breaks.

        Raises:
            NoAnswer: the connection broke every time.
        """
        path = f"{self._base}/{quote(key, safe='/~')}"
        listed = "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in _sorted(query))
        for tried in range(1, _TRIES + 1):
            signed = self._signed(method, path, listed, dict(headers or {}), body)
            try:
                answer = self._exchange(method, f"{path}?{listed}" if listed else path, signed, body)
            except (OSError, http.client.HTTPException) as error:
                self._forget_idle()
                if tried == _TRIES:
                    raise NoAnswer(type(error).__name__) from None
            else:
                if answer.status not in _AGAIN or tried == _TRIES:
                    return answer
            time.sleep(random.uniform(0, 0.1 * 4**tried))  # noqa: S311 - jitter
        raise AssertionError("unreachable")

    def _exchange(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        try:
            connection = self._idle.get_nowait()
        except queue.Empty:
            made = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
            connection = made(self._host, timeout=_DEADLINE)
        try:
            connection.request(method, target, body, headers)
            found = connection.getresponse()
            answer = Answer(found.status, {name.lower(): value for name, value in found.getheaders()}, found.read())
        except BaseException:
            connection.close()
            raise
        self._idle.put(connection)
        return answer

    def _forget_idle(self) -> None:
        """Where one connection was cut the others are likely to be as well: each would cost a try."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()

    def _signed(self, method: str, path: str, query: str, headers: dict[str, str], body: bytes) -> dict[str, str]:
        keys = self._keys()
        digest = hashlib.sha256(body).hexdigest()
        moment = utc_now().strftime("%Y%m%dT%H%M%SZ")
        headers |= {"host": self._host, "x-amz-content-sha256": digest, "x-amz-date": moment}
        if keys.token:
            headers["x-amz-security-token"] = keys.token
        names = ";".join(name for name, _ in _sorted(headers))
        lines = "".join(f"{name}:{value.strip()}\n" for name, value in _sorted(headers))
        scope = f"{moment[:8]}/{self._region}/s3/aws4_request"
        request = hashlib.sha256("\n".join((method, path, query, lines, names, digest)).encode()).hexdigest()
        key = f"AWS4{keys.secret_access_key}".encode()
        for part in (moment[:8], self._region, "s3", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        text = "\n".join(("AWS4-HMAC-SHA256", moment, scope, request))
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        credential = f"{keys.access_key_id}/{scope}"
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"
        )
        return headers


def _sorted(pairs: Mapping[str, str] | None) -> list[tuple[str, str]]:
    return sorted((pairs or {}).items())
