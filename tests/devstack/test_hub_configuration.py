"""The one Hub configuration: what it refuses to start with, and what it gives to whom."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from urllib.parse import quote

import httpx
import psycopg2
import pytest
from cryptography.fernet import Fernet
from jupyterhub.crypto import _validate_key
from pydantic import SecretStr

from devstack.day.people import Person
from devstack.hub import CONFIGURATION
from devstack.stack import Stack
from environments import Environment
from systems.kernels.cells import run_cell


def start_with(variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-m", "jupyterhub", "--config", str(CONFIGURATION)),
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def hub_variables(stack: Stack) -> dict[str, str]:
    return dict(stack.running["hub"][0].environment)


@pytest.mark.parametrize(
    "name",
    [
        "JUPYTERHUB_COOKIE_SECRET",
        "JUPYTERHUB_CRYPT_KEY",
        "JUPYTERHUB_API_TOKEN",
        "JUPYTERHUB_PEOPLE_TOKEN",
        "CONFIGPROXY_AUTH_TOKEN",
    ],
)
def test_a_missing_secret_stops_the_hub_instead_of_being_made_up(stack: Stack, name: str) -> None:
    variables = hub_variables(stack)
    del variables[name]
    ended = start_with(variables)
    assert ended.returncode != 0
    assert f"variable {name} is not set" in ended.stderr


@pytest.mark.parametrize("environment", ["uat", "prod"])
def test_the_local_login_is_refused_where_real_users_are(stack: Stack, environment: str) -> None:
    local = {"HUB_AUTHENTICATION": "local", "HUB_LOCAL_PASSWORD": "x" * 12, "RISKHUB_ENVIRONMENT": environment}
    ended = start_with({**hub_variables(stack), **local})
    assert ended.returncode != 0
    assert "refused in uat and prod" in ended.stderr


@contextmanager
def hub_with(stack: Stack, **variables: str) -> Iterator[None]:
    """The stack's Hub with these variables too, for as long as the block runs."""
    part, _ = stack.running["hub"]
    stack.stop_part("hub")
    stack.start_parts(replace(part, environment={**part.environment, **variables}))
    yield
    stack.stop_part("hub")
    stack.start_parts(part)


@pytest.fixture
def local_login(stack: Stack, env: Environment) -> Iterator[str]:
    """The Hub with the local fallback, for one test; the password."""
    password = "a password of twelve"
    with hub_with(stack, HUB_AUTHENTICATION="local", HUB_LOCAL_PASSWORD=password):
        yield password


@pytest.fixture
def metrics_token(stack: Stack, env: Environment) -> Iterator[str]:
    """The Hub with a service for Prometheus, for one test; the service's token."""
    token = "m" * 32
    with hub_with(stack, JUPYTERHUB_METRICS_TOKEN=token):
        yield token


def test_metrics_are_for_prometheus_and_its_token_reads_nothing_else(env: Environment, metrics_token: str) -> None:
    def ask(path: str, token: str) -> int:
        headers = {"Authorization": f"token {token}"} if token else {}
        return httpx.get(f"{env.hub.public_url}{path}", headers=headers, timeout=30).status_code

    assert ask("/hub/metrics", "") == 403
    assert ask("/hub/metrics", "x" * 32) == 403
    assert ask("/hub/metrics", metrics_token) == 200
    assert ask("/hub/api/users", metrics_token) == 403


def test_development_may_log_in_locally_and_only_with_the_password(env: Environment, local_login: str) -> None:
    def log_in(password: str) -> httpx.Response:
        with httpx.Client(follow_redirects=True, timeout=30) as browser:
            page = browser.get(f"{env.hub.public_url}/hub/login")
            found = re.search(r'name="_xsrf" value="([^"]+)"', page.text)
            assert found
            form = {"username": "ana", "password": password, "_xsrf": found.group(1)}
            return browser.post(f"{env.hub.public_url}/hub/login?next={quote('/hub/home')}", data=form)

    assert log_in(local_login).url.path == "/hub/home"
    assert log_in("not the password").status_code == 403


def test_auth_state_is_encrypted_with_the_crypt_key(stack: Stack, env: Environment) -> None:
    Person.log_in("ana", env.hub.public_url)
    with psycopg2.connect(env.database.url.get_secret_value()) as connection, connection.cursor() as cursor:
        cursor.execute("select encrypted_auth_state from users where name = 'ana'")
        row = cursor.fetchone()
    assert row is not None and row[0] is not None
    stored = bytes(row[0])
    assert b"business-users" not in stored
    key = _validate_key(hub_variables(stack)["JUPYTERHUB_CRYPT_KEY"])
    assert b"business-users" in Fernet(base64.urlsafe_b64encode(key)).decrypt(stored)


def test_each_kind_of_user_gets_its_own_read_only_risk_api_token(stack: Stack, env: Environment) -> None:
    tokens = {"bea": "risk_business_user", "emil": "risk_data_scientist"}
    for name, secret in tokens.items():
        person = Person.log_in(name, env.hub.public_url)
        person.start_server()
        token = person.client.headers["Authorization"].removeprefix("token ")
        code = "import os; print(os.environ['RISK_API_TOKEN'])"
        printed = run_cell(person.server_url, SecretStr(token), code, deadline=timedelta(seconds=60))
        assert printed.strip() == stack.choices.secrets[secret]
