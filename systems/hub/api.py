"""The Hub's REST API on the wire: the token, deadlines, paging, and what a bad answer means.

What a call is about (servers, users, routes) lives in the modules beside this one; nobody else speaks HTTP
with the Hub. The token is in one header and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError

from domain.clock import to_utc
from domain.errors import Refused, Unreachable
from environments.settings import HubSettings
from systems.network import trust, unreachable

# Without it the Hub answers a bare list cut off at 200, and says so in its own log alone.
PAGED = "application/jupyterhub-pagination+json"
PAGE = 200  # the Hub's maximum; more is clamped without a word

# The Hub answers 202 to a start or a stop that takes longer than this (its slow_spawn_timeout).
HUB_PATIENCE_SECONDS = 10.0
# An address that nobody has any more answers nothing: two SYNs are enough to know.
CONNECT_SECONDS = 3.0
CONNECTIONS_KEPT = 100


class _Next(BaseModel):
    model_config = ConfigDict(frozen=True)  # the Hub's own shape: keys we do not read are its business
    offset: NonNegativeInt


class _Pagination(BaseModel):
    model_config = ConfigDict(frozen=True)
    total: NonNegativeInt = 0
    next: _Next | None = None


class Page(BaseModel):
    """One page of a list, as the Hub cut it."""

    model_config = ConfigDict(frozen=True)
    items: list[Any] | dict[str, Any]
    pagination: _Pagination

    @classmethod
    def read(cls, answer: Any) -> Page:
        return cls.model_validate({"items": answer["items"], "pagination": answer["_pagination"]})


class HubApi:
    """One connection pool to one Hub; safe to share between threads.

    Raises, from every call:
        Unreachable: the Hub did not answer in time, or answered 5xx.
        Refused: the Hub does not take the token or the request; the message names what may be wrong.
    """

    def __init__(self, hub: HubSettings) -> None:
        self._url = hub.api_url
        self._token_variable = hub.token_variable
        self._client = httpx.Client(
            headers={"Authorization": f"token {hub.api_token.get_secret_value()}"},
            timeout=_timeout(hub.timeout.total_seconds()),
            verify=trust(),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=CONNECTIONS_KEPT),
        )
        self._slow = hub.timeout.total_seconds() + HUB_PATIENCE_SECONDS

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    @property
    def thing(self) -> str:
        """How messages name this Hub."""
        return f"Hub at {self._url}"

    def get(self, path: str, **query: str | int) -> Any:
        """The JSON at `path`, or None where the Hub has nothing (404)."""
        response = self._send("GET", path, query=query)
        return None if response.status_code == HTTPStatus.NOT_FOUND else self._json(response)

    def text(self, path: str) -> str:
        """The text at `path`."""
        response = self._send("GET", path)
        if response.status_code != HTTPStatus.OK:
            raise self._no_api(response)
        return response.text

    def page(self, path: str, *, offset: int = 0, limit: int = PAGE, **query: str | int) -> Page:
        """One page of a paged list."""
        response = self._send("GET", path, query={**query, "offset": offset, "limit": limit})
        if response.status_code == HTTPStatus.NOT_FOUND:
            raise self._no_api(response)
        try:
            return Page.read(self._json(response))
        except (KeyError, TypeError, ValidationError):
            raise self._no_api(response) from None

    def pages(self, path: str, *, limit: int = PAGE, **query: str | int) -> Iterator[Any]:
        """Every item of a paged list. A page may be empty and not the last: the Hub filters after it cut."""
        offset: int | None = 0
        while offset is not None:
            page = self.page(path, offset=offset, limit=limit, **query)
            yield from page.items.items() if isinstance(page.items, dict) else page.items
            # Only the offset is taken: `next.url` may name another host, which must not get the token.
            offset = page.pagination.next.offset if page.pagination.next else None

    def clock(self) -> datetime:
        """The Hub's own time, by the second: what its activities and starts are told in."""
        said = self._send("GET", "/").headers.get("Date", "")
        try:
            return to_utc(parsedate_to_datetime(said))
        except ValueError:
            raise Refused(
                self.thing, "does not tell its time", "check JUPYTERHUB_API_URL: it ends in /hub/api"
            ) from None

    def change(self, method: str, path: str, *, body: Mapping[str, Any] | None = None, accept: tuple[int, ...]) -> int:
        """Send a change and return the status, one of `accept`; waits as long as the Hub may hold it."""
        response = self._send(method, path, body=body, seconds=self._slow)
        if response.status_code not in accept:
            raise self._refused(response)
        return response.status_code

    def make(self, path: str, body: Mapping[str, Any]) -> Any:
        """Make something of `body`; what the Hub says of it."""
        response = self._send("POST", path, body=body)
        if response.status_code != HTTPStatus.CREATED:
            raise self._refused(response)
        return self._json(response)

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, str | int] | None = None,
        body: Mapping[str, Any] | None = None,
        seconds: float | None = None,
    ) -> httpx.Response:
        timeout: Any = httpx.USE_CLIENT_DEFAULT if seconds is None else _timeout(seconds)
        try:
            response = self._client.request(
                method, f"{self._url}{path}", params=query, json=body, headers={"Accept": PAGED}, timeout=timeout
            )
        except httpx.TimeoutException as error:
            raise Unreachable(
                self.thing,
                f"no answer to {method} {path} in time ({type(error).__name__})",
                "look at the Hub's load and its database, then run again",
                kind="hub-down" if isinstance(error, httpx.ConnectTimeout) else "hub-overloaded",
            ) from None
        except httpx.TransportError as error:
            step = "check that the Hub runs and that the address is right"
            raise unreachable(self.thing, error, kind="hub-down", next_step=step) from None
        if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise Unreachable(
                self.thing,
                f"answered {response.status_code} to {method} {path}{_said(response)}",
                "read the Hub's log, then run again",
                kind="hub-error" if response.status_code == HTTPStatus.INTERNAL_SERVER_ERROR else "hub-down",
            )
        if response.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise self._denied(response)
        if response.is_redirect or (response.is_client_error and response.status_code == HTTPStatus.METHOD_NOT_ALLOWED):
            raise self._no_api(response)
        return response

    def _denied(self, response: httpx.Response) -> Refused:
        said = _said(response)
        if "requires any of" in said:
            return Refused(
                self.thing,
                f"the token lacks a scope{said}",
                "add the scope to the service's role in the Hub's configuration",
                kind="token-scope",
            )
        # 6.1 answers 403 as well when it cannot read its database to look the token up.
        return Refused(
            self.thing,
            f"answered {response.status_code}{said}: the token was rejected, or the Hub's database is locked",
            f"check {self._token_variable}, then that the Hub's database answers",
            kind="token-rejected",
        )

    def _refused(self, response: httpx.Response) -> Refused:
        request = response.request
        return Refused(
            self.thing,
            f"answered {response.status_code} to {request.method} {request.url.path}{_said(response)}",
            "read the Hub's log for this request",
            kind="hub-overloaded" if response.status_code == HTTPStatus.TOO_MANY_REQUESTS else "",
        )

    def _no_api(self, response: httpx.Response) -> Refused:
        return Refused(
            self.thing,
            f"answered {response.status_code} to {response.request.url.path} as no JupyterHub API does",
            "check JUPYTERHUB_API_URL: it ends in /hub/api",
            kind="hub-address",
        )

    def _json(self, response: httpx.Response) -> Any:
        if response.status_code >= HTTPStatus.BAD_REQUEST:
            raise self._refused(response)
        try:
            return response.json()
        except ValueError:
            raise self._no_api(response) from None


def user_path(user: str) -> str:
    """The API path of a user; names are untrusted and may hold @, spaces, letters of any script.

    Raises:
        Refused: the name would change the path itself.
    """
    return f"/users/{segment(user)}"


def segment(name: str) -> str:
    """One URL path segment as JupyterHub itself escapes it.

    Raises:
        Refused: the name is empty, `.` or `..`, which a URL resolves away whatever the escaping.
    """
    if name in ("", ".", ".."):
        raise Refused(f"name {name!r}", "it cannot be part of a URL", "remove or rename it on the Hub's admin page")
    return quote(name, safe="@~")


def _timeout(seconds: float) -> httpx.Timeout:
    return httpx.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS))


def _said(response: httpx.Response) -> str:
    """The Hub's own words in an error answer, short, as `: words`, or nothing."""
    try:
        message = response.json()["message"]
    except (ValueError, KeyError, TypeError):
        return ""
    return f": {str(message)[:200]}"
