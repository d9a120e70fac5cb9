"""Run one cell on a user's server, the way a browser would: through the public address, over a websocket."""

from __future__ import annotations

import contextlib
import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from pydantic import SecretStr
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.sync.client import connect
from websockets.sync.connection import Connection

from domain.errors import Damaged, Failed, Refused, RiskhubError, Unreachable


def run_cell(server_url: str, token: SecretStr, code: str, *, deadline: timedelta) -> str:
    """Run `code` in a new kernel of the server at `server_url` and return what it printed.

    The kernel is removed afterwards, whatever happened. `server_url` is public and encoded already
    (`hub.server_url`); the token needs the scope access:servers for that server.

    Raises:
        Failed: the cell raised; the message holds the exception's name and value. Or it did not end in time.
        Refused: the server does not take the token.
        Unreachable: the server or the proxy before it did not answer.
    """
    give_up = time.monotonic() + deadline.total_seconds()
    headers = {"Authorization": f"token {token.get_secret_value()}"}
    with (
        httpx.Client(headers=headers, timeout=deadline.total_seconds()) as client,
        _kernel(client, server_url) as kernel,
    ):
        address = server_url.replace("http", "ws", 1) + f"/api/kernels/{kernel}/channels"
        try:
            with connect(
                address, additional_headers=headers, open_timeout=_left(server_url, give_up), close_timeout=2
            ) as socket:
                return _execute(socket, code, server_url, give_up)
        except InvalidStatus as error:
            raise _bad_status(server_url, error.response.status_code, "the kernel's websocket") from None
        except TimeoutError:
            raise _late(server_url) from None
        except (OSError, WebSocketException) as error:
            raise _gone(server_url, error) from None


@contextmanager
def _kernel(client: httpx.Client, server_url: str) -> Iterator[str]:
    """A kernel of its own, removed at the end."""
    try:
        response = client.post(f"{server_url}/api/kernels", json={})
    except httpx.TransportError as error:
        raise _gone(server_url, error) from None
    if response.status_code != httpx.codes.CREATED:
        raise _bad_status(server_url, response.status_code, "a new kernel")
    try:
        kernel = str(uuid.UUID(response.json()["id"]))
    except (ValueError, KeyError, TypeError):
        raise Damaged(_thing(server_url), "names no kernel where it made one", "read the server's log") from None
    try:
        yield kernel
    finally:
        # A server that died took its kernels with it; the error on its way says that it died.
        with contextlib.suppress(httpx.TransportError):
            client.delete(f"{server_url}/api/kernels/{kernel}")


def _execute(socket: Connection, code: str, server_url: str, give_up: float) -> str:
    """Send the cell and gather its output until its own kernel says that it is idle again."""
    request = _execute_request(code)
    socket.send(json.dumps(request))
    printed: list[str] = []
    while True:
        message = json.loads(socket.recv(timeout=_left(server_url, give_up)))
        if message.get("parent_header", {}).get("msg_id") != request["header"]["msg_id"]:
            continue
        content = message["content"]
        match message["msg_type"]:
            case "stream":
                printed.append(content["text"])
            case "error":
                raise Failed(
                    f"cell on {server_url}", f"{content['ename']}: {content['evalue']}", "run it on that server by hand"
                )
            case "status" if content["execution_state"] == "idle":
                return "".join(printed)


def _execute_request(code: str) -> dict[str, Any]:
    """An `execute_request` of the Jupyter messaging protocol, version 5.3."""
    session, message = uuid.uuid4().hex, uuid.uuid4().hex
    return {
        "channel": "shell",
        "header": {
            "msg_id": message,
            "msg_type": "execute_request",
            "username": "",
            "session": session,
            "date": datetime.now(UTC).isoformat(),
            "version": "5.3",
        },
        "parent_header": {},
        "metadata": {},
        "content": {
            "code": code,
            "silent": False,
            "store_history": False,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": True,
        },
        "buffers": [],
    }


def _left(server_url: str, give_up: float) -> float:
    """Seconds until the deadline."""
    left = give_up - time.monotonic()
    if left <= 0:
        raise _late(server_url)
    return left


def _thing(server_url: str) -> str:
    return f"notebook server at {server_url}"


def _late(server_url: str) -> RiskhubError:
    return Failed(f"cell on {server_url}", "did not end in time", "look at the server's load, then run again")


def _gone(server_url: str, error: Exception) -> RiskhubError:
    # Only its type: the text of an HTTP client's error may quote the header with the token.
    cause = f"cannot be reached ({type(error).__name__})"
    return Unreachable(_thing(server_url), cause, "check the proxy, then the server's own log")


def _bad_status(server_url: str, status: int, wanted: str) -> RiskhubError:
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return Refused(
            _thing(server_url),
            f"answered {status} to the request for {wanted}: the token does not open this server",
            "check that the service's role has access:servers for this user",
        )
    return Unreachable(
        _thing(server_url),
        f"answered {status} to the request for {wanted}",
        "check that the server runs and that the proxy has its route",
    )
