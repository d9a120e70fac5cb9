"""The log watch on the running stack: real faults are counted, each once, and no secret of theirs is told."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from devstack.day.people import Person
from devstack.faults.fault import changed, s3_of
from devstack.faults.hub import home_in_the_way
from devstack.stack import Stack
from domain.clock import utc_now
from domain.errors import Damaged, Refused
from domain.record import Record
from environments import Environment, load_environment
from flows.chapter import record_of
from flows.health import health_pulse
from flows.logs import watch_logs
from systems.hub import end_server
from systems.logs import move_cursor, read_cursor
from systems.objects import get_object, list_versions, put_object
from systems.signing import payload_of
from tasks.logs import secrets_of

pytestmark = pytest.mark.usefixtures("prefect_of_the_stack")


def watch(**more: object) -> Record:
    record = record_of(watch_logs("local", **more, return_state=True))
    assert record is not None
    return record


def counts(record: Record) -> dict[str, object]:
    return {name.removesuffix("_lines"): value for name, value in record.measures.items() if name.endswith("_lines")}


@pytest.fixture(scope="module")
def dina(stack: Stack, nobody_at_work: None) -> Iterator[Person]:
    """Dina at work."""
    person = Person.log_in("dina", stack.public_url)
    person.start_server()
    yield person
    end_server(load_environment("local").hub, "dina")


@pytest.fixture
def nothing_new(env: Environment, dina: Person, prefect_of_the_stack: None) -> None:
    """Whatever was logged before was read."""
    watch()


def until_logged(stack: Stack, sign: str, times: int = 1) -> None:
    log = stack.state / "logs" / "hub.log"
    give_up = time.monotonic() + 30
    while log.read_text(errors="replace").count(sign) < times:
        assert time.monotonic() < give_up, f"{sign} was not logged"
        time.sleep(0.05)


@pytest.mark.usefixtures("nothing_new")
def test_real_faults_count_each_once_and_a_second_run_counts_none(env: Environment, stack: Stack, dina: Person) -> None:
    url = stack.public_url
    planted = [secrets.token_hex(16), secrets.token_urlsafe(24), "hunter2-hunter2"]
    began = utc_now()

    # authentication: somebody who is not allowed, a state that nobody gave out, two forged tokens
    with pytest.raises(Refused):
        Person.log_in("hana", url)
    visitor = httpx.Client(follow_redirects=True)
    visitor.get(f"{url}/hub/oauth_login")
    assert visitor.get(f"{url}/hub/oauth_callback?code={planted[1]}&state={planted[0]}").status_code == 400
    for token in planted[:2]:
        assert httpx.get(f"{url}/hub/api/users", headers={"Authorization": f"token {token}"}).status_code == 403
    # security: a form without its XSRF token, one with a wrong one, a call beyond dina's scopes
    browser = httpx.Client(follow_redirects=True)
    browser.post(browser.get(f"{url}/hub/oauth_login").url, data={"sub": "dina"})
    assert browser.post(f"{url}/hub/api/users/dina/tokens", json={}).status_code == 403
    assert browser.post(f"{url}/hub/spawn?_xsrf={planted[1]}", data={}).status_code == 403
    assert dina.client.get(f"{url}/hub/api/users?password={planted[2]}").status_code == 403
    # storage: a folder that nobody may write to, not even root
    locked = env.homes.user_data / "dina" / "locked"
    locked.mkdir(exist_ok=True)
    with unwritable(locked):
        with pytest.raises(httpx.HTTPStatusError):
            dina.write_text(f"locked/{planted[2]}", "a")
        with pytest.raises(httpx.HTTPStatusError):
            dina.write_text(f"locked/token={planted[0]}", "a")
    # allocation: a file where a home should be
    gita = Person.log_in("gita", url)
    with home_in_the_way(stack, changed(env, "health", synthetic_user="gita")):
        gita.client.get(f"{url}/hub/spawn")  # the answer tells of the failure, or is the page that waits
        until_logged(stack, "Unhandled error starting gita's server")

    record = watch()
    assert counts(record) == {"authentication": 4, "security": 3, "storage": 2, "allocation": 1}, record.logged
    assert record.state == "complete", "each is below its limit"
    assert {each.category for each in record.logged if "dina" in str(each.samples)} >= {"storage"}
    told = record.model_dump_json() + stored(env, record)
    assert not [secret for secret in [planted[0], planted[1]] if secret in told]
    assert not [name for name, secret in stack.choices.secrets.items() if secret in told]
    assert f"password={planted[2]}" not in told

    assert counts(watch()) == {}
    before = read_cursor(env.objects)
    assert counts(watch(since=began - timedelta(seconds=1))) == counts(record), "with since they are counted again"
    assert read_cursor(env.objects) == before, "and the cursor stays"


def stored(env: Environment, record: Record) -> str:
    key = record.links["evidence"].removeprefix(f"s3://{env.objects.bucket}/")
    return payload_of(get_object(env.objects, key), thing=key).decode()


@contextmanager
def denied(env: Environment, keys: str) -> Iterator[None]:
    """The bucket's policy denies writes of these keys, and of no others."""
    s3, bucket = s3_of(env), env.objects.bucket
    resource = f"arn:aws:s3:::{bucket}/{keys}"
    statement = {"Effect": "Deny", "Principal": "*", "Action": ["s3:PutObject"], "Resource": [resource]}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    try:
        yield
    finally:
        s3.delete_bucket_policy(Bucket=bucket)


@contextmanager
def unwritable(folder: Path) -> Iterator[None]:
    """Nothing is made in the folder: by its immutable flag for root, whom modes do not bind."""
    root = os.geteuid() == 0
    subprocess.run(["chattr", "+i", folder] if root else ["chmod", "555", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", folder] if root else ["chmod", "755", folder], check=True)


@pytest.mark.usefixtures("nothing_new")
def test_what_healthy_people_do_is_no_trouble(stack: Stack) -> None:
    for name in ("ana", "fred.o'neil@example.org"):
        person = Person.log_in(name, stack.public_url)
        person.start_server()
        person.write_notebook("portfolio.ipynb")
        assert person.run_cell("print(6 * 7)").strip() == "42"
        person.stop_server()
    health_pulse("local", return_state=True)
    record = watch()
    assert (record.state, counts(record), record.causes) == ("complete", {}, ())
    assert {finding.state for finding in record.findings} == {"ok"}


@pytest.mark.usefixtures("nothing_new")
def test_a_burst_is_a_finding_with_its_page_and_the_next_run_is_well(stack: Stack) -> None:
    for _ in range(21):
        httpx.get(f"{stack.public_url}/hub/api/users", headers={"Authorization": f"token {secrets.token_hex(16)}"})
    record = watch()
    (cause,) = record.causes
    assert (record.state, cause.kind, cause.page) == (
        "partial",
        "log-authentication",
        "docs/on-call/logs.md#log-authentication",
    )
    assert cause.seen.startswith("21 lines in ") and cause.next_step
    assert watch().state == "complete"


@pytest.mark.usefixtures("nothing_new")
def test_a_record_that_is_not_in_the_bucket_leaves_the_cursor_and_the_lines_come_again(
    env: Environment, stack: Stack
) -> None:
    httpx.get(f"{stack.public_url}/hub/api/users", headers={"Authorization": f"token {secrets.token_hex(16)}"})
    before = read_cursor(env.objects)
    with denied(env, "evidence/watch-logs/*"):
        record = watch()
    assert counts(record) == {"authentication": 1} and record.state == "partial"
    (finding,) = [each for each in record.findings if each.probe == "log-cursor"]
    assert "counts these lines again" in finding.seen
    assert read_cursor(env.objects) == before
    assert counts(watch()) == {"authentication": 1}
    assert counts(watch()) == {}


def test_every_secret_of_the_environment_and_the_passwords_in_its_urls_are_masked(env: Environment) -> None:
    known = set(secrets_of(env))
    assert env.hub.api_token.get_secret_value() in known
    assert env.objects.secret_access_key and env.objects.secret_access_key.get_secret_value() in known
    url = env.database.url.get_secret_value()
    assert {url, url.split(":")[2].split("@")[0]} <= known


@pytest.mark.usefixtures("nothing_new")
def test_of_two_runs_side_by_side_one_moves_the_cursor(env: Environment) -> None:
    cursor = read_cursor(env.objects)
    assert cursor is not None
    move_cursor(env.objects, cursor.model_copy(update={"turn": cursor.turn + 1}), turn=cursor.turn)
    with pytest.raises(Refused, match="another run moved it meanwhile"):
        move_cursor(env.objects, cursor, turn=cursor.turn)
    versions = [key for key, _ in list_versions(env.objects, "log-watch/")]
    assert versions == ["log-watch/cursor.json"], "versions of it do not pile up"


def test_a_cursor_that_is_damaged_is_refused_with_what_to_do(apart: Environment) -> None:
    put_object(apart.objects, "log-watch/cursor.json", b"{}", content_type="application/json")
    with pytest.raises(Damaged, match="delete it: the watch then begins anew"):
        read_cursor(apart.objects)
