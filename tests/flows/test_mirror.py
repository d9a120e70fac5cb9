"""The mirror as a flow: a point, alone or over child runs, and what could not be kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from domain.record import Record
from environments import Environment
from flows.chapter import record_of
from flows.mirror import mirror_homes, mirror_shared
from systems.mirror import history, last_point, verify
from systems.mirrored import homes_of, shared_of

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
    before = history(homes_of(env).location)
    record = mirror(execute=False)
    assert (record.state, history(homes_of(env).location)) == ("planned", before)


def test_a_run_makes_a_point_and_tells_its_measures(env: Environment, homes: Path) -> None:
    record = mirror()
    point = history(homes_of(env).location)[-1]
    assert record.state == "complete", record.outcomes
    assert record.measures["point"] == point.id
    assert record.measures["bytes"] == point.bytes
    assert verify(homes_of(env).location, homes).state == "complete"


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
    before = history(homes_of(env).location)

    record = mirror(shards=2)

    assert record.state == "complete", record.outcomes
    assert len(record.actions) == 2
    assert len(history(homes_of(env).location)) == len(before) + 1
    assert record.measures["uploaded"] == 3
    assert verify(homes_of(env).location, homes).state == "complete"


def mirror_of_shared(*, execute: bool = True) -> Record:
    record = record_of(mirror_shared("local", execute, return_state=True))
    assert record is not None
    return record


def test_each_shared_folder_has_points_of_its_own(env: Environment) -> None:
    (env.homes.mount_point / "data" / "prices.csv").write_text("1,2\n")
    record = mirror_of_shared()
    assert record.state == "complete", record.outcomes
    assert [each.target for each in record.outcomes] == ["shared/notebooks", "shared/data", "shared/libs"]
    for folder in shared_of(env):
        assert verify(folder.location, folder.folder).state == "complete"
    assert [each.location.url for each in shared_of(env)] == [
        f"s3://{env.objects.bucket}/shared/{name}" for name in ("notebooks", "data", "libs")
    ]


def test_a_dry_run_makes_no_point_of_what_is_shared(env: Environment) -> None:
    before = [last_point(folder.location) for folder in shared_of(env)]
    record = mirror_of_shared(execute=False)
    assert (record.state, len(record.actions)) == ("planned", 3)
    assert [last_point(folder.location) for folder in shared_of(env)] == before


def test_a_shared_folder_that_lost_its_files_is_named_and_the_others_are_saved(env: Environment) -> None:
    mirror_of_shared()
    data, aside = env.homes.mount_point / "data", env.homes.mount_point / "aside"
    data.rename(aside)
    data.mkdir()
    (env.homes.mount_point / "libs" / "new.py").write_text("x = 1\n")
    record = mirror_of_shared()
    data.rmdir()
    aside.rename(data)
    assert (record.state, record.summary) == ("partial", "2 of 3 shared folders are up to date in the bucket")
    told = {each.target: (each.state, each.detail) for each in record.outcomes}
    assert told["shared/data"][0] == "failed"
    assert "it is empty, and point" in told["shared/data"][1]
    assert told["shared/libs"][0] == "done"


def test_a_named_pipe_in_a_shared_folder_is_named_with_its_folder(env: Environment) -> None:
    pipe = env.homes.mount_point / "data" / "pipe"
    os.mkfifo(pipe)
    record = mirror_of_shared()
    pipe.unlink()
    assert record.state == "partial"
    assert [each.target for each in record.outcomes if each.state == "failed"] == ["shared/data/pipe"]
