"""Utilisation on the running stack: work shows, failures are counted, homes grow, and figures arrive without names."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import boto3
import httpx
import pytest
from click.testing import CliRunner
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from pydantic import SecretStr

from cli import sessions, utilisation
from devstack.day.people import Person
from devstack.stack import Stack
from domain.clock import utc_now
from domain.errors import Damaged
from domain.record import Record
from domain.sessions import Stop
from domain.utilisation import Sample
from environments import load_environment
from environments.settings import Environment
from flows.chapter import record_of
from flows.mirror import mirror_homes
from flows.utilisation import sample_utilisation, utilisation_report
from systems.aws import client_options
from systems.hub import list_servers, stop_servers
from systems.objects import put_object
from systems.utilisation import keep_sample, take_sample
from systems.utilisation.samples import read_samples

pytestmark = pytest.mark.usefixtures("prefect_of_the_stack")

MIB = 2**20
HELD = 200 * MIB
BURN = f"""
import os, time
held, end = bytearray(b"x" * {HELD}), time.monotonic() + 90
while not os.path.exists("enough") and time.monotonic() < end:
    pass
"""


@pytest.fixture(scope="module")
def people(stack: Stack, nobody_at_work: None) -> Iterator[tuple[Person, Person]]:
    """Ana computes, bea does not."""
    ana, bea = (Person.log_in(name, stack.public_url) for name in ("ana", "bea"))
    for person in (ana, bea):
        person.start_server()
    with ThreadPoolExecutor(1) as pool:
        computing = pool.submit(ana.run_cell, BURN, timedelta(seconds=120))
        yield ana, bea
        ana.write_text("enough", "")
        computing.result()
    hub = load_environment("local").hub
    stop_servers(hub, [Stop(server, None) for server in list_servers(hub)])


def sampled() -> Record:
    """A sample of a minute that has none yet."""
    give_up = time.monotonic() + 90
    while True:
        record = record_of(sample_utilisation("local", return_state=True))
        assert record is not None
        if "sample" in record.links:
            return record
        assert time.monotonic() < give_up
        time.sleep(2)


def kept(env: Environment) -> list[Sample | Damaged]:
    now = utc_now()
    return read_samples(env.objects, now - timedelta(hours=1), now, whole_since=now - timedelta(hours=1))


def listed() -> dict[str, dict[str, Any]]:
    told = CliRunner().invoke(sessions.list_sessions, ["--environment", "local", "--json"])
    assert told.exit_code == 0, told.output
    return {each["user"]: each for each in json.loads(told.stdout)["servers"]}


def report(*arguments: str) -> str:
    told = CliRunner().invoke(utilisation.utilisation, ["--environment", "local", *arguments])
    assert told.exit_code in (0, 3), told.output
    return told.stdout


def test_a_kernel_that_computes_and_holds_memory_shows_in_the_list_and_the_idle_one_does_not(env, people):
    give_up = time.monotonic() + 60
    while True:
        ana, bea = (listed()[name] for name in ("ana", "bea"))
        if ana["cpu_cores"] > max(0.2, 3 * bea["cpu_cores"]) and ana["memory_bytes"] > HELD + bea["memory_bytes"] / 2:
            break
        assert time.monotonic() < give_up, (ana, bea)
    assert 20 * MIB < bea["memory_bytes"] < HELD
    assert ana["cpu_requested_cores"] is None, "processes of this machine ask for nothing"
    table = CliRunner().invoke(sessions.list_sessions, ["--environment", "local"]).stdout
    assert "CPU" in table and "MEMORY" in table and " MiB" in table


def test_a_sample_tells_work_stores_and_spawns_and_its_figures_arrive_without_a_name(env, people):
    record = sampled()
    assert record.state == "complete", record
    newest = kept(env)[-1]
    assert isinstance(newest, Sample)
    ana = next(each for each in newest.servers or () if each.user == "ana")
    assert ana.memory_bytes is not None and ana.memory_bytes > HELD and ana.started is not None
    stores = {each.name: each for each in newest.capacities}
    assert stores["homes"].limit is not None and 0 < stores["homes"].used < stores["homes"].limit
    assert stores["database"].used > MIB and stores["database"].limit == 2**30
    assert newest.spawns is not None and any(each.status == "success" for each in newest.spawns.counts)

    cloudwatch: Any = boto3.client("cloudwatch", **client_options(env.aws))
    metrics = cloudwatch.list_metrics(Namespace="riskhub")["Metrics"]
    names = {each["MetricName"] for each in metrics}
    assert {"utilisation_servers", "utilisation_memory_bytes", "utilisation_store_used_bytes"} <= names
    values = cloudwatch.get_metric_statistics(
        Namespace="riskhub",
        MetricName="utilisation_memory_bytes",
        Dimensions=[{"Name": "environment", "Value": "local"}],
        StartTime=utc_now() - timedelta(hours=1),
        EndTime=utc_now() + timedelta(minutes=1),
        Period=60,
        Statistics=["Maximum"],
    )["Datapoints"]
    assert max(each["Maximum"] for each in values) > HELD
    assert "ana" not in json.dumps([each["Dimensions"] for each in metrics])


def test_spawns_that_fail_between_two_samples_are_counted(env, people, stack):
    before = json.loads(report("--json"))["spawns"]
    dina = Person.log_in("dina", stack.public_url)
    dina.start_server()  # which makes her home
    dina.stop_server()
    home = env.homes.user_data / "dina"
    aside = home.rename(home.with_name("dina-aside"))
    home.write_text("a file where a home should be")  # the Hub's hook cannot make the folder
    try:
        for _ in range(2):
            with pytest.raises(httpx.HTTPStatusError):
                dina.start_server()
    finally:
        home.unlink()
        aside.rename(home)
    sampled()
    after = json.loads(report("--json"))["spawns"]
    assert after["failed"] - before["failed"] == 2


def test_homes_grow_by_what_was_pushed(env, people):
    _, bea = people
    for content in ("x", "x" * 700_000):
        bea.write_text("grown.txt", content)
        assert record_of(mirror_homes("local", 1, True, return_state=True)).state == "complete"
    told = json.loads(report("--json"))
    users = {each["user"]: each for each in told["users"]}
    assert users["bea"]["growth_bytes"] >= 699_999
    assert users["bea"]["home_bytes"] > users["bea"]["growth_bytes"] - 1
    assert users["bea"]["session_hours"] > 0 and users["ana"]["used"]["memory_peak_bytes"] > HELD
    assert next(each for each in told["findings"] if each["probe"] == "home-sizes")["state"] == "ok"


def test_the_week_is_a_run_an_artifact_and_a_table_and_its_metrics_name_nobody(env, people):
    record = record_of(utilisation_report("local", return_state=True))
    assert record is not None and record.state == "complete", record
    assert record.measures["active_users"] >= 1 and record.measures["samples"] >= 1
    stores = {finding.probe: finding.seen for finding in record.findings}
    assert "too few samples for a trend" in stores["homes"]
    table = report()
    assert "ana" in table and "STORE" in table and "database" in table
    told = report("--metrics")
    found = [each for family in text_string_to_metric_families(told) for each in family.samples]
    assert {"riskhub_utilisation_store_used_bytes", "riskhub_utilisation_week_active_users"} <= {
        each.name for each in found
    }
    assert "ana" not in told and "bea" not in told
    pages = httpx.post(
        f"{env.prefect.api_url}/artifacts/filter", json={"artifacts": {"key": {"any_": ["utilisation-report-week"]}}}
    ).json()
    assert any("ana" in page["data"] for page in pages)


def test_a_part_that_refuses_hides_no_other_and_is_named(env, people):
    denied = env.hub.model_copy(update={"api_token": SecretStr("d" * 32)})
    sample = take_sample(env.model_copy(update={"hub": denied}))
    assert set(sample.missing) == {"servers", "spawns"}
    assert sample.servers is None and {each.name for each in sample.capacities} == {"homes", "database"}
    assert "d" * 32 not in sample.model_dump_json()


def test_a_sample_is_kept_once_and_what_is_no_sample_hides_no_other(apart):
    now = utc_now()
    sample = Sample(taken_at=now)
    key = keep_sample(apart.objects, sample)
    assert key and keep_sample(apart.objects, sample) == key, "the same again is a retry after a lost answer"
    assert keep_sample(apart.objects, Sample(taken_at=now, missing={"hub": "away"})) is None
    folder = f"utilisation/{now:%Y-%m-%d}"
    for name, body in (
        (f"{folder}/9999.json", b"{}"),
        (f"{folder}/notes.txt", b""),
        ("utilisation/2026-02-31/0000.json", b""),
    ):
        put_object(apart.objects, name, body, content_type="text/plain")
    damaged = now - timedelta(minutes=1)
    put_object(apart.objects, damaged.strftime("utilisation/%Y-%m-%d/%H%M.json"), b"{}", content_type="text/plain")
    found = read_samples(apart.objects, now - timedelta(hours=1), now, whole_since=now - timedelta(hours=1))
    assert [type(each) for each in found] == [Damaged, Sample]


def test_of_days_before_the_week_the_last_sample_is_read(apart):
    now = utc_now().replace(hour=12, minute=0)
    times = [now - timedelta(days=days, hours=hours) for days in (40, 20, 1) for hours in (0, 1)]
    for at in times:
        keep_sample(apart.objects, Sample(taken_at=at))
    found = read_samples(apart.objects, now - timedelta(days=60), now, whole_since=now - timedelta(days=7))
    taken = [each.taken_at for each in found if isinstance(each, Sample)]
    assert taken == [times[0], times[2], times[5], times[4]]
