"""CloudWatch log groups, on the emulated control plane of the stack."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import boto3
import pytest

from domain.clock import utc_now
from domain.logs import Reading
from environments import Environment
from plans.log_watch import Tally
from systems.aws import client_options
from systems.logs import read_groups
from tests.systems.logs.taken import Taken

TOKEN = "[W 2026-11-28 03:19:34.001 JupyterHub log:192] 403 GET /hub/api/users (@10.0.0.1) 3.40ms"


class Group:
    """A log group, and a watch of it, run by run."""

    def __init__(self, env: Environment) -> None:
        self.env = env
        self.name = f"/riskhub/{secrets.token_hex(4)}"
        self.logs: Any = boto3.session.Session().client("logs", **client_options(env.aws))
        self.logs.create_log_group(logGroupName=self.name)
        for stream in ("one", "two"):
            self.logs.create_log_stream(logGroupName=self.name, logStreamName=stream)
        self.cursor: dict[str, Any] = {}
        self.counted: dict[str, tuple[str, float]] = {}
        self.taken = Taken()

    def put(self, at: datetime, *messages: str, stream: str = "one") -> None:
        events = [{"timestamp": int(at.timestamp() * 1000), "message": message} for message in messages]
        self.logs.put_log_events(logGroupName=self.name, logStreamName=stream, logEvents=events)

    def run(self, now: datetime, **more: Any) -> tuple[int, Reading]:
        """How many lines were counted, as the flow does it."""
        tally = Tally(now, counted=dict(self.counted))

        def take(*arguments: Any) -> bool:
            self.taken(*arguments)
            return tally.take(*arguments)

        since = now - timedelta(minutes=15)
        reading = read_groups(self.env.aws, [self.name], self.cursor, take, since=since, now=now, **more)
        self.cursor = json.loads(json.dumps(reading.cursor))
        self.counted = tally.remembered()
        return tally.counts.total(), reading


@pytest.fixture
def group(env: Environment) -> Iterator[Group]:
    made = Group(env)
    yield made
    made.logs.delete_log_group(logGroupName=made.name)


def test_an_event_counts_once_and_one_that_arrives_late_counts_too(group: Group) -> None:
    now = utc_now()
    group.put(now - timedelta(minutes=2), TOKEN, stream="one")
    assert group.run(now)[0] == 1
    assert group.run(now + timedelta(minutes=15))[0] == 0
    group.put(now - timedelta(minutes=3), TOKEN, stream="two")
    assert group.run(now + timedelta(minutes=16))[0] == 1
    assert group.run(now + timedelta(minutes=17))[0] == 0


def test_every_page_is_read(group: Group) -> None:
    now = utc_now()
    group.put(now - timedelta(minutes=2), *[TOKEN] * 7)
    counted, reading = group.run(now, page=2)
    assert (counted, reading.lines, reading.behind) == (7, 7, [])


def test_what_a_run_has_no_time_for_goes_on_in_the_next_and_counts_once(group: Group) -> None:
    now = utc_now()
    group.put(now - timedelta(minutes=2), *[TOKEN] * 5)
    counted = []
    for minutes in range(3):
        count, reading = group.run(now + timedelta(minutes=minutes), page=2, deadline=timedelta(0))
        counted.append((count, bool(reading.behind)))
    assert counted == [(2, True), (2, True), (1, False)]
    assert group.run(now + timedelta(minutes=4))[0] == 0


def test_an_agents_envelope_is_opened_and_tells_whose_line_it_is(group: Group) -> None:
    now = utc_now()

    def wrapped(container: str) -> str:
        return json.dumps({"log": TOKEN, "stream": "stderr", "kubernetes": {"container_name": container}})

    group.put(now - timedelta(minutes=2), wrapped("notebook"), wrapped("hub"), wrapped("other"), '{"log": 1}', "{")
    assert group.run(now)[0] == 1, "only the Hub writes the Hub's lines"
    assert [each.programs for each in group.taken.origins[:3]] == [("server",), ("hub",), ()]


def test_a_group_that_is_not_there_is_told_and_hides_no_other(group: Group) -> None:
    now = utc_now()
    group.put(now - timedelta(minutes=2), TOKEN)
    known = {"/nowhere": {"until": 1}}
    since = now - timedelta(hours=1)
    reading = read_groups(group.env.aws, ["/nowhere", group.name], known, Taken(), since=since, now=now)
    assert (reading.sources, reading.lines) == (1, 1)
    assert len(reading.unread) == 1 and "/nowhere" in reading.unread[0] and "ResourceNotFound" in reading.unread[0]
    assert reading.cursor["/nowhere"] == {"until": 1}


def test_a_clock_that_was_set_back_moves_no_cursor_back(group: Group) -> None:
    now = utc_now()
    group.run(now)
    group.run(now - timedelta(hours=1))
    assert group.cursor[group.name]["until"] == int(now.timestamp() * 1000)
