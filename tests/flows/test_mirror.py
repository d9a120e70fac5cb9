"""The mirror as a flow: a point, alone or over child runs, and what could not be kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from domain.record import Record
from environments import Environment
from flows.chapter import record_of
from flows.mirror import mirror_homes
from systems.mirror import history, verify
from tasks.mirror import mirror_of

pytestmark = pytest.mark.usefixtures("prefect_of_the_stack")


@pytest.fixture
def homes(env: Environment) -> Path:
    """Three homes of these tests among whatever else is there. They stay: a push refuses to lose most homes."""
    root = env.homes.user_data
    made = [root / f"mirrored-{number}" for number in range(3)]
    for home in made:
        home.mkdir(parents=True, exist_ok=True)
        (home / "notes.ipynb").write_text(home.name)
    return root


def mirror(shards: int = 1, *, execute: bool = True) -> Record:
    record = record_of(mirror_homes("local", shards, execute, return_state=True))
    assert record is not None
    return record


def test_a_dry_run_makes_no_point(env: Environment, homes: Path) -> None:
    before = history(mirror_of(env))
    record = mirror(execute=False)
    assert (record.state, history(mirror_of(env))) == ("planned", before)


def test_a_run_makes_a_point_and_tells_its_measures(env: Environment, homes: Path) -> None:
    record = mirror()
    point = history(mirror_of(env))[-1]
    assert record.state == "complete", record.outcomes
    assert record.measures["point"] == point.id
    assert record.measures["bytes"] == point.bytes
    assert verify(mirror_of(env), homes).state == "complete"


def test_what_cannot_be_kept_is_named_and_the_run_is_partial(env: Environment, homes: Path) -> None:
    pipe = homes / "mirrored-0" / "pipe"
    os.mkfifo(pipe)
    record = mirror()
    pipe.unlink()
    assert record.state == "partial"
    assert [(each.target, each.state) for each in record.outcomes[1:]] == [("mirrored-0/pipe", "failed")]
    assert "named pipe" in record.outcomes[1].detail


@pytest.mark.timeout(300)
def test_child_runs_push_a_shard_each_and_make_one_point(env: Environment, homes: Path) -> None:
    mirror()
    for number in range(3):
        (homes / f"mirrored-{number}" / "new.csv").write_text("new")
    before = history(mirror_of(env))

    record = mirror(shards=2)

    assert record.state == "complete", record.outcomes
    assert len(record.actions) == 2
    assert len(history(mirror_of(env))) == len(before) + 1
    assert record.measures["uploaded"] == 3
    assert verify(mirror_of(env), homes).state == "complete"
