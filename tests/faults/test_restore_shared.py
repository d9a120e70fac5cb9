"""What users share is lost or damaged: one command brings it back exactly, while they work on."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devstack.day.damage import Look, differences, look_at, plant_link
from devstack.day.people import Person
from environments import Environment, load_environment
from systems.mirror.bucket import Bucket
from systems.mirrored import shared_of
from tests.faults.oncall import OnCall, at_once

pytestmark = pytest.mark.timeout(300)

RESTORE = ("restore", "shared", "--execute", "--json")
CONFIRMED = (*RESTORE, "--confirm", "local")


@pytest.fixture(scope="module")
def saved(stack: object, on_call: OnCall) -> dict[str, Look]:
    """The shared folders as they were when the points were made that every restore here goes back to."""
    env = load_environment("local")
    data = env.homes.mount_point / "data"
    (data / "limits").mkdir()
    (data / "curves").mkdir()
    (data / "prices.csv").write_text("day,close\n" * 1000)
    (data / "limits" / "desk.json").write_text('{"desk": 1}\n')
    (data / "curves" / "eur.csv").write_text("tenor,rate\n")
    (data / "latest").symlink_to("prices.csv")
    (env.homes.mount_point / "libs" / "desk.py").write_text("LIMIT = 1\n")
    assert on_call.riskhub("backup", "shared", "--execute", "--json").code == 0
    return seen(env)


@pytest.fixture
def data(env: Environment, saved: dict[str, Look], on_call: OnCall) -> Iterator[Path]:
    """The folder `data`, to be damaged; afterwards everything is as it was saved, and nothing that was kept is left."""
    yield env.homes.mount_point / "data"
    assert on_call.riskhub(*CONFIRMED).code == 0
    (env.homes.mount_point / "data" / "newer.csv").unlink(missing_ok=True)
    for kept in env.homes.mount_point.glob(".riskhub-restore-*"):
        shutil.rmtree(kept)


def seen(env: Environment) -> dict[str, Look]:
    return {each.name: look_at(each.folder) for each in shared_of(env)}


def different(saved: dict[str, Look], env: Environment) -> list[str]:
    now = seen(env)
    return [f"{name}/{each}" for name, look in saved.items() for each in differences(look, now[name])]


def damage(data: Path, outside: Path) -> None:
    """A file cut short, one deleted, one with another mode, a link to elsewhere, a folder that became one."""
    (data / "prices.csv").write_text("day,clo")
    (data / "limits" / "desk.json").unlink()
    (data.parent / "libs" / "desk.py").chmod(0o666)
    (data / "latest").unlink()
    (data / "latest").symlink_to("/etc/passwd")
    outside.mkdir()
    plant_link(data / "curves", outside)


DAMAGED = [
    "shared/data",  # its time of modification
    *(f"shared/data/{name}" for name in ("curves", "latest", "limits", "prices.csv")),
    "shared/libs/desk.py",
]


def test_a_dry_run_names_what_is_damaged_and_changes_nothing(
    data: Path, tmp_path: Path, env: Environment, on_call: OnCall
) -> None:
    damage(data, tmp_path / "outside")
    before = seen(env)
    answer = on_call.riskhub("restore", "shared", "--json")
    assert (answer.code, answer.record["state"]) == (0, "planned"), answer
    assert sorted(each["target"] for each in answer.record["actions"]) == DAMAGED
    assert seen(env) == before


@pytest.mark.parametrize("typed", ["", "prod"])
def test_without_the_environment_typed_it_is_refused(typed: str, data: Path, env: Environment, on_call: OnCall) -> None:
    (data / "prices.csv").unlink()
    before = seen(env)
    answer = on_call.riskhub(*RESTORE, "--confirm", typed)
    assert (answer.code, answer.record["state"]) == (1, "refused"), answer
    assert "confirm it as local" in answer.record["summary"]
    assert seen(env) == before


def test_what_was_damaged_is_as_it_was_and_what_was_replaced_is_kept(
    data: Path, tmp_path: Path, env: Environment, saved: dict[str, Look], on_call: OnCall
) -> None:
    damage(data, tmp_path / "outside")
    (data / "newer.csv").write_text("of today\n")
    answer = on_call.riskhub(*CONFIRMED)
    assert (answer.code, answer.record["state"]) == (0, "complete"), answer
    assert sorted(answer.outcomes) == DAMAGED
    assert different(saved, env) == ["shared/data/newer.csv: new"]
    assert list((tmp_path / "outside").iterdir()) == [], "no link was followed"
    kept = Path(answer.record["links"]["what was replaced of shared/data"])
    assert kept.parent.parent == env.homes.mount_point
    assert (kept / "data" / "prices.csv").read_text() == "day,clo"
    assert (kept / "data" / "curves").readlink() == tmp_path / "outside"
    again = on_call.riskhub(*CONFIRMED)
    assert (again.code, again.record["outcomes"]) == (0, []), again
    assert again.record["summary"] == "shared files and folders: nothing differs from the point"


def test_a_shared_folder_that_is_gone_comes_back_whole(
    data: Path, env: Environment, saved: dict[str, Look], on_call: OnCall
) -> None:
    shutil.rmtree(data)
    answer = on_call.riskhub(*CONFIRMED)
    assert (answer.code, answer.record["state"]) == (0, "complete"), answer
    assert different(saved, env) == []


def test_only_the_path_that_is_named_goes_back(
    data: Path, env: Environment, saved: dict[str, Look], on_call: OnCall
) -> None:
    (data / "prices.csv").write_text("day,clo")
    (data / "limits" / "desk.json").write_text("of today\n")
    answer = on_call.riskhub(*CONFIRMED, "--path", "data/prices.csv")
    assert (answer.code, list(answer.outcomes)) == (0, ["shared/data/prices.csv"]), answer
    assert [each.partition(":")[0] for each in different(saved, env)] == ["shared/data/limits/desk.json"]


def test_a_path_outside_of_the_shared_folders_and_a_time_before_them_are_refused(
    data: Path, env: Environment, saved: dict[str, Look], on_call: OnCall
) -> None:
    cases = {
        ("--path", "user-data/nora"): "it is in none of the shared folders notebooks, data, libs",
        ("--path", "../user-data"): "it is in none of the shared folders",
        ("--path", "data/../user-data"): "it is not inside the mirrored tree",
        ("--at", "2001-01-01T00:00:00Z"): "there is no point of them until 2001-01-01 00:00:00 UTC",
    }
    answers = at_once(*(lambda asked=asked: on_call.riskhub(*CONFIRMED, *asked) for asked in cases))
    for answer, cause in zip(answers, cases.values(), strict=True):
        assert (answer.code, answer.record["state"]) == (1, "refused"), answer
        assert cause in answer.err
    assert different(saved, env) == []


def test_a_file_system_that_is_not_mounted_is_neither_saved_nor_restored_to(
    on_call: OnCall, env: Environment, saved: dict[str, Look], other_state: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "efs").mkdir()
    state = str(other_state(EFS_MOUNT_POINT=str(tmp_path / "efs")))
    backup, restore = at_once(
        lambda: on_call.riskhub("backup", "shared", "--execute", "--json", RISKHUB_STATE=state),
        lambda: on_call.riskhub(*CONFIRMED, RISKHUB_STATE=state),
    )
    for answer in (backup, restore):
        assert (answer.code, answer.record["state"]) == (1, "refused"), answer
        assert "the file system is not mounted" in answer.record["summary"]
    assert list((tmp_path / "efs").iterdir()) == []


def test_what_cannot_be_restored_is_named_the_rest_is_done_and_the_next_run_goes_on(
    data: Path, env: Environment, on_call: OnCall
) -> None:
    lost = data / "lost.csv"
    lost.write_text("desk,limit\n")
    assert on_call.riskhub("backup", "shared", "--execute", "--json").code == 0
    (folder,) = (each for each in shared_of(env) if each.folder == data)
    bucket = Bucket(folder.location)
    for version, _ in list(bucket.list_versions("shared/data/lost.csv")):
        bucket.wire.ask("DELETE", version.key, {"versionId": version.version})
    lost.unlink()
    (data.parent / "libs" / "desk.py").unlink()
    answer = on_call.riskhub(*CONFIRMED)
    assert (answer.code, answer.record["state"]) == (3, "partial"), answer
    assert "lost.csv: the stored copy is lost" in answer.outcomes["shared/data/lost.csv"]
    assert answer.outcomes["shared/libs/desk.py"].startswith("done")

    lost.write_text("desk,limit\nfx,2\n")  # somebody had a copy
    assert on_call.riskhub("backup", "shared", "--execute", "--json").code == 0
    lost.unlink()
    again = on_call.riskhub(*CONFIRMED)
    assert (again.code, list(again.outcomes)) == (0, ["shared/data", "shared/data/lost.csv"]), again
    lost.unlink()
    assert on_call.riskhub("backup", "shared", "--execute", "--json").code == 0


def test_people_work_on_and_what_is_open_stays_whole(data: Path, dina: Person, on_call: OnCall) -> None:
    (data / "prices.csv").write_text("damaged, and open")
    with (data / "prices.csv").open() as held:
        answer = on_call.riskhub(*CONFIRMED, "--path", "data")
        assert answer.code == 0, answer
        assert held.read() == "damaged, and open"
    assert dina.is_running()
    assert dina.run_cell(f"print(open('{data / 'prices.csv'}').readline())").strip() == "day,close"
