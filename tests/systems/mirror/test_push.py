"""What a push sends, what it refuses, and what a broken one leaves behind."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from devstack.process import free_ports
from domain.errors import Refused, RiskhubError, Unreachable
from environments.settings import ObjectStoreSettings
from systems.mirror import MirrorLocation, Progress, PushResult, apply_restore, history, plan_restore, push, verify
from tests.systems.mirror.trees import age, as_ordinary_user, elsewhere, make_bucket, plain_keys, rewrite, s3, tree

WRITE = """
import os, sys
file = os.open(sys.argv[1], os.O_WRONLY)
print("writing", flush=True)
number = 0
while True:
    os.pwrite(file, b"%d" % number, 0)
    number += 1
"""


def restored(location: MirrorLocation, folder: Path, **which: object) -> dict[bytes, tuple[object, ...]]:
    result = apply_restore(plan_restore(location, folder, **which))  # type: ignore[arg-type]
    assert result.state == "complete", result.skipped
    return tree(folder)


def test_what_did_not_change_is_not_sent_again(location: MirrorLocation, homes: Path) -> None:
    first = push(homes, location)
    second = push(homes, location)
    assert (first.uploaded, second.uploaded, second.files) == (4, 0, 4)


def test_an_edit_that_keeps_size_and_time_is_sent(location: MirrorLocation, homes: Path, tmp_path: Path) -> None:
    push(homes, location)
    edited = homes / "ana" / "notes.ipynb"
    times = edited.stat()
    edited.write_text("ana: 1 + 2")
    os.utime(edited, ns=(times.st_atime_ns, times.st_mtime_ns))

    assert push(homes, location).uploaded == 1
    assert restored(location, tmp_path / "restored") == tree(homes)


def test_a_changed_mode_alone_is_carried_over(location: MirrorLocation, homes: Path, tmp_path: Path) -> None:
    push(homes, location)
    (homes / "ana" / "notes.ipynb").chmod(0o600)

    push(homes, location)

    assert restored(location, tmp_path / "restored") == tree(homes)
    head = s3(location.store).head_object(Bucket=location.store.bucket, Key=f"{location.prefix}/ana/notes.ipynb")
    assert head["Metadata"]["file-permissions"] == "0100600"


def test_a_deleted_file_leaves_the_plain_copy_and_stays_in_earlier_points(
    location: MirrorLocation, homes: Path, tmp_path: Path
) -> None:
    first = push(homes, location)
    (homes / "ana" / "notes.ipynb").unlink()

    second = push(homes, location)

    assert second.deleted == 1
    assert "ana/notes.ipynb" not in plain_keys(location)
    assert b"/ana/notes.ipynb" in restored(location, tmp_path / "then", point=first.point)
    assert b"/ana/notes.ipynb" not in restored(location, tmp_path / "now")


def test_a_file_that_never_holds_still_is_reported_and_its_last_version_kept(
    location: MirrorLocation, homes: Path, tmp_path: Path
) -> None:
    log = homes / "ana" / "run.log"
    log.write_text("first")
    push(homes, location)
    log.write_bytes(bytes(40_000_000))
    writer = subprocess.Popen([sys.executable, "-c", WRITE, str(log)], stdout=subprocess.PIPE)
    try:
        assert writer.stdout and writer.stdout.readline() == b"writing\n"
        result = push(homes, location)
    finally:
        writer.kill()
        writer.communicate()

    assert [miss.path for miss in result.skipped] == ["ana/run.log"]
    assert restored(location, tmp_path / "restored")[b"/ana/run.log"][-1] == b"first"


def test_an_empty_source_is_refused_and_the_mirror_stays(location: MirrorLocation, homes: Path, tmp_path: Path) -> None:
    push(homes, location)
    (tmp_path / "not-mounted").mkdir()
    with pytest.raises(Refused, match="not mounted"):
        push(tmp_path / "not-mounted", location, max_delete_share=1)
    assert len(plain_keys(location)) == 4


def test_a_source_that_lost_most_of_its_files_is_refused(location: MirrorLocation, homes: Path) -> None:
    push(homes, location)
    shutil.rmtree(homes / "ana")
    (homes / "bea" / "notes.ipynb").unlink()
    with pytest.raises(Refused, match="max-delete-share"):
        push(homes, location)
    assert len(plain_keys(location)) == 4
    assert push(homes, location, max_delete_share=0.9).deleted == 5


def test_another_file_system_is_refused(location: MirrorLocation, homes: Path) -> None:
    push(homes, location, source_id="fs-1")
    with pytest.raises(Refused, match="fs-1"):
        push(homes, location, source_id="fs-2")


def test_a_bucket_without_versions_is_refused(store: ObjectStoreSettings, homes: Path) -> None:
    plain = store.model_copy(update={"bucket": "no-versions"})
    make_bucket(plain, versioned=False)
    with pytest.raises(Refused, match="put-bucket-versioning"):
        push(homes, MirrorLocation(plain, "user-data"))


def test_a_source_that_is_not_there_is_refused(location: MirrorLocation, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot be opened"):
        push(tmp_path / "nowhere", location)


def test_a_bucket_that_is_not_there_is_refused(store: ObjectStoreSettings, homes: Path) -> None:
    with pytest.raises(Refused, match="no such bucket"):
        push(homes, MirrorLocation(store.model_copy(update={"bucket": "nobodys"}), "user-data"))


def test_wrong_keys_are_refused_without_naming_them(store: ObjectStoreSettings, homes: Path) -> None:
    wrong = store.model_copy(update={"secret_access_key": SecretStr("wrong-secret-value")})
    with pytest.raises(Refused) as refused:
        push(homes, MirrorLocation(wrong, "user-data"))
    assert "wrong-secret-value" not in str(refused.value)


def test_a_store_that_is_down_is_unreachable(store: ObjectStoreSettings, homes: Path) -> None:
    down = store.model_copy(update={"endpoint_url": f"http://127.0.0.1:{free_ports(1)[0]}"})
    with pytest.raises(Unreachable, match="did not answer"):
        push(homes, MirrorLocation(down, "user-data"))


def test_nothing_below_an_unreadable_folder_is_deleted(location: MirrorLocation, homes: Path) -> None:
    push(homes, location)
    (homes / "ana" / "work").chmod(0)
    try:
        with as_ordinary_user(homes.parent):
            result = push(Path(homes.name), location)
    finally:
        (homes / "ana" / "work").chmod(0o755)

    assert (result.state, result.deleted) == ("partial", 0)
    assert [miss.path for miss in result.skipped] == ["ana/work"]
    assert "ana/work/var.csv" in plain_keys(location)


def test_an_unreadable_file_keeps_its_last_version_in_the_point(
    location: MirrorLocation, homes: Path, tmp_path: Path
) -> None:
    push(homes, location)
    (homes / "ana" / "notes.ipynb").write_text("cannot be read")
    (homes / "ana" / "notes.ipynb").chmod(0)
    with as_ordinary_user(homes.parent):
        result = push(Path(homes.name), location)

    assert [miss.path for miss in result.skipped] == ["ana/notes.ipynb"]
    assert restored(location, tmp_path / "restored")[b"/ana/notes.ipynb"][-1] == b"ana: 1 + 1"


def test_of_two_pushes_at_once_one_wins_and_no_point_is_torn(
    location: MirrorLocation, homes: Path, tmp_path: Path
) -> None:
    push(homes, location)
    (homes / "ana" / "notes.ipynb").write_text("edited")
    age(homes)

    def one(_: int) -> PushResult | RiskhubError:
        try:
            return push(homes, location)
        except RiskhubError as error:
            return error

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(one, range(4)))

    won = [result for result in results if isinstance(result, PushResult)]
    assert all(isinstance(result, PushResult | Refused) for result in results)
    assert len({result.point for result in won}) == len(won) == len(history(location)) - 1
    assert restored(location, tmp_path / "restored") == tree(homes)
    push(homes, location)
    assert verify(location, homes).state == "complete"


def test_an_unknown_object_older_than_a_broken_push_is_left_alone(location: MirrorLocation, homes: Path) -> None:
    push(homes, location)
    client, bucket = s3(location.store), location.store.bucket
    client.put_object(Bucket=bucket, Key=f"{location.prefix}/README", Body=b"by the platform team")
    older = client.head_object(Bucket=bucket, Key=f"{location.prefix}/README")["LastModified"]
    give_up = time.monotonic() + 10
    announcement = f"{location.manifests}unfinished/0000000002-00"
    while time.monotonic() < give_up:  # the store's clock shows whole seconds
        client.put_object(Bucket=bucket, Key=announcement, Body=b"")
        if client.head_object(Bucket=bucket, Key=announcement)["LastModified"] > older:
            break
    client.put_object(Bucket=bucket, Key=f"{location.prefix}/ana/left-behind", Body=b"sent, never recorded")

    push(homes, location)

    assert "README" in plain_keys(location)
    assert "ana/left-behind" not in plain_keys(location)


def test_a_clock_that_was_set_back_does_not_reorder_points(location: MirrorLocation, homes: Path) -> None:
    push(homes, location)
    rewrite(location, lambda row: row, created_at=datetime.now(UTC) + timedelta(hours=1))

    push(homes, location)

    first, second = history(location)
    assert first.created_at <= second.created_at


def test_progress_ends_at_all_of_it(location: MirrorLocation, homes: Path) -> None:
    told: list[Progress] = []
    push(homes, location, progress=told.append)
    assert told[-1].done == told[-1].total == 9
    assert told[-1].bytes == sum(path.stat().st_size for path in homes.rglob("*") if path.is_file())


@pytest.mark.parametrize("seed", range(4))
def test_a_push_killed_at_any_moment_loses_no_point_and_the_next_one_converges(
    location: MirrorLocation, homes: Path, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - reproducible, not secret
    first = push(homes, location).point
    before = tree(homes)
    for number in range(60):
        (homes / "ana" / f"new-{number}.csv").write_text(f"{number}")
    (homes / "bea" / "notes.ipynb").unlink()
    process = elsewhere("push(Path(sys.argv[3]), location)", location, homes)
    wanted = chance.randrange(1, 60)
    give_up = time.monotonic() + 20
    while len(plain_keys(location)) < 4 + wanted and process.poll() is None and time.monotonic() < give_up:
        pass
    process.kill()
    process.communicate()

    assert restored(location, tmp_path / "then", point=first) == before
    for number in range(0, 60, 2):
        (homes / "ana" / f"new-{number}.csv").unlink()
    push(homes, location)
    assert restored(location, tmp_path / "now") == tree(homes)
    assert plain_keys(location) == {path.relative_to(homes).as_posix() for path in homes.rglob("*") if path.is_file()}
