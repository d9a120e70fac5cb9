"""A person at work, as a browser would do it: SSO login, a server, notebooks by the Jupyter API."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import quote

import httpx
from pydantic import SecretStr

from domain.errors import Failed
from systems.hub import log_in
from systems.kernels.cells import run_cell

NOTEBOOK = {
    "cells": [
        {
            "cell_type": "code",
            "id": "first",
            "metadata": {},
            "execution_count": None,
            "outputs": [],
            "source": "weights = {'AAPL': 0.4, 'XOM': 0.6}\nsum(weights.values())",
        }
    ],
    "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    "nbformat": 4,
    "nbformat_minor": 5,
}


@dataclass
class Person:
    """Somebody logged in. `client` carries the session's cookies and the Jupyter API token."""

    name: str
    public_url: str
    client: httpx.Client

    @classmethod
    def log_in(cls, name: str, public_url: str) -> Person:
        """Through the Hub's SSO button, the provider's page, and back.

        Raises:
            Refused: the provider or the Hub did not let them in.
        """
        client = log_in(public_url, name, timeout=timedelta(seconds=30))
        person = cls(name, public_url, client)
        token = person._hub("POST", "/tokens", {"note": "a day at work", "expires_in": 24 * 3600})
        client.headers["Authorization"] = f"token {token.json()['token']}"
        return person

    @property
    def server_url(self) -> str:
        """The user's own server behind the proxy."""
        return f"{self.public_url}/user/{quote(self.name, safe='@')}"

    def start_server(self, *, profile: str | None = None, deadline: timedelta = timedelta(seconds=90)) -> None:
        """Ask the Hub for a server, of this profile where the Hub has some, and wait until it answers.

        Raises:
            Failed: it was not ready within `deadline`.
        """
        self._hub("POST", "/server", {"profile": profile} if profile else {})
        give_up = time.monotonic() + deadline.total_seconds()
        while not self.is_running():
            if time.monotonic() > give_up:
                raise Failed(f"server of {self.name}", "it was not ready in time", "read the Hub's log")
            time.sleep(0.2)

    def stop_server(self, deadline: timedelta = timedelta(seconds=60)) -> None:
        """Ask the Hub to stop the server and wait until it is gone.

        Raises:
            Failed: it was still there after `deadline`.
        """
        self._hub("DELETE", "/server")
        give_up = time.monotonic() + deadline.total_seconds()
        while self._hub("GET", "").json()["servers"]:
            if time.monotonic() > give_up:
                raise Failed(f"server of {self.name}", "it did not stop in time", "read the Hub's log")
            time.sleep(0.2)

    def run_cell(self, code: str, deadline: timedelta = timedelta(seconds=60)) -> str:
        """What the code prints in a new kernel of the user's own server."""
        _, token = self.client.headers["Authorization"].split()
        return run_cell(self.server_url, SecretStr(token), code, deadline=deadline)

    def is_running(self) -> bool:
        """Does the Hub list the default server as ready?"""
        server = self._hub("GET", "").json()["servers"].get("")
        return bool(server and server["ready"])

    def write_notebook(self, path: str, content: dict[str, object] | None = None) -> None:
        """Save a notebook through the Jupyter contents API."""
        self._contents(path, {"type": "notebook", "format": "json", "content": content or NOTEBOOK})

    def write_text(self, path: str, text: str) -> None:
        """Save a text file through the Jupyter contents API."""
        self._contents(path, {"type": "file", "format": "text", "content": text})

    def make_folder(self, path: str) -> None:
        """Make a folder through the Jupyter contents API."""
        self._contents(path, {"type": "directory"})

    def _contents(self, path: str, body: dict[str, object]) -> None:
        answer = self.client.put(f"{self.server_url}/api/contents/{quote(path)}", content=json.dumps(body))
        answer.raise_for_status()

    def _hub(self, method: str, path: str, body: dict[str, object] | None = None) -> httpx.Response:
        # until the token is there the session's cookie speaks, and that needs the page's _xsrf value
        page = f"{self.public_url}/hub/home"
        headers = {"Referer": page}
        if "Authorization" not in self.client.headers:
            found = re.search(r'xsrf_token:\s*"([^"]+)"', self.client.get(page).text)
            headers["X-XSRFToken"] = found.group(1) if found else ""
        url = f"{self.public_url}/hub/api/users/{quote(self.name)}{path}"
        answer = self.client.request(method, url, headers=headers, json=body)
        answer.raise_for_status()
        return answer
