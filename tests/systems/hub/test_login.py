"""Logging in as a person does: through the real Hub and SSO, and on pages of providers that are not ours."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pytest
from pydantic import SecretStr

from devstack.sso import OUTSIDERS
from domain.errors import Refused, Unreachable
from environments import Environment
from systems.hub import log_in, read_server

PASSWORD = SecretStr("pa55-word & more")
KEYCLOAK = """
<form action="/search"><input name="q" type="search"></form>
<form action="authenticate?execution=7" method="post">
  <input name="username"><input type="password" name="password"><input type="hidden" name="state" value="s1">
  <input type="checkbox" name="rememberMe"><input type="submit" name="login" value="Sign In">
</form>
"""


@contextmanager
def provider(page: str, status: int = 200) -> Iterator[tuple[str, list[dict[str, list[str]]]]]:
    """A Hub whose login is this page; its address, and what was sent to it. Who sends a name is let in."""
    sent: list[dict[str, list[str]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(200 if self.path == "/hub/home" else status, page)

        def do_POST(self) -> None:
            sent.append(parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode()))
            self.send_response(302)
            self.send_header("Location", "/hub/home")
            self.end_headers()

        def _answer(self, status: int, text: str) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", sent
    finally:
        server.shutdown()
        server.server_close()


def test_who_logs_in_has_a_session_and_no_server(env: Environment) -> None:
    with closing(log_in(env.hub.public_url, "bea")) as browser:
        page = browser.get(f"{env.hub.public_url}/hub/home")
    assert page.status_code == 200 and "/hub/logout" in page.text
    assert read_server(env.hub, "bea") is None


def test_who_is_in_no_group_is_not_let_in(env: Environment) -> None:
    (outsider,) = OUTSIDERS
    with pytest.raises(Refused, match=f"does not let {outsider} in") as refused:
        log_in(env.hub.public_url, outsider)
    assert refused.value.kind == "login-failed"


def test_the_form_that_asks_who_is_filled_and_nothing_else() -> None:
    with provider(KEYCLOAK) as (address, sent):
        log_in(address, "riskhub-check", PASSWORD).close()
    assert sent == [{"username": ["riskhub-check"], "password": [PASSWORD.get_secret_value()], "state": ["s1"]}]


@pytest.mark.parametrize(
    ("page", "status", "why"),
    [
        (KEYCLOAK.replace("authenticate?", "http://127.0.0.2:1/authenticate?"), 200, "sends its form elsewhere"),
        ("<script>render()</script>", 200, "shows no form that asks for a name"),
        ("down for maintenance", 503, "shows no login page"),
    ],
)
def test_a_page_that_is_not_to_be_filled_is_refused_before_anything_is_sent(page: str, status: int, why: str) -> None:
    with provider(page, status) as (address, sent), pytest.raises(Refused, match=why) as refused:
        log_in(address, "riskhub-check", PASSWORD)
    assert sent == []
    assert PASSWORD.get_secret_value() not in str(refused.value)


def test_nobody_there_is_told_without_the_password() -> None:
    with pytest.raises(Unreachable, match=r"login at 127\.0\.0\.1:9") as refused:
        log_in("http://127.0.0.1:9", "riskhub-check", PASSWORD)
    assert PASSWORD.get_secret_value() not in str(refused.value)
