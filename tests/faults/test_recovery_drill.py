"""Recovery drills: a good point passes and the first Hub is not touched; each planted fault is told as `failed`."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from devstack.day.damage import differences, look_at
from devstack.day.people import Person
from devstack.process import marked
from devstack.stack import Stack
from domain.clock import utc_now
from domain.recovery import MemberKind, RecoveryPoint, point_id
from environments import Environment
from systems.homes import MIRROR_PREFIX
from systems.mirror import MirrorLocation
from systems.mirror.bucket import Bucket
from systems.objects import get_object, put_object
from systems.recovery_points import list_points, read_member, seal_recovery_point, store_member
from tests.faults.conftest import keys_below, point_of_now, until
from tests.faults.oncall import Answer, OnCall

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def good(stack: Stack, on_call: OnCall, dina: Person) -> RecoveryPoint:
    """A point of a Hub in which dina works; her server runs on all the while."""
    dina.write_notebook("portfolio.ipynb")
    return point_of_now(on_call)


@pytest.fixture(autouse=True)
def nothing_is_left(stack: Stack, env: Environment) -> Iterator[None]:
    """Whatever became of a drill: no process, no folder, and evidence."""
    before = keys_below(env.objects, "evidence/recovery-drill/")
    yield
    drills = stack.state / "drills"
    drills.mkdir(exist_ok=True)  # a test of its own may drill elsewhere
    assert list(drills.iterdir()) == []
    assert [process for process in psutil.process_iter() if _is_of_a_drill(process, drills)] == []
    assert keys_below(env.objects, "evidence/recovery-drill/") > before


def _is_of_a_drill(process: psutil.Process, drills: Path) -> bool:
    try:
        return process.environ().get("RISKHUB_STACK", "").startswith(str(drills))
    except psutil.Error:
        return False


def drill(on_call: OnCall, point: RecoveryPoint, **variables: str) -> Answer:
    return on_call.riskhub("recovery", "drill", "--point", point.id, "--execute", "--json", **variables)


def forged(
    env: Environment, good: RecoveryPoint, kind: MemberKind, alter: Callable[[bytes], bytes] | None
) -> RecoveryPoint:
    """A sealed point like `good`, one member of it altered, or left out."""
    until(lambda: point_id(utc_now()) not in list_points(env.objects))
    made = point_id(utc_now())
    members = [each for each in good.members if each.kind != kind]
    if alter:
        old = good.member(kind)
        name = old.reference.rpartition("/")[2]
        members.append(
            store_member(env.objects, made, kind, name, alter(read_member(env.objects, old)), facts=old.facts)
        )
    seal_recovery_point(env.objects, made, members)
    return RecoveryPoint(made, tuple(members))


def broken(answer: Answer) -> tuple[str, str]:
    """The step that failed, and why; the verdict says the same."""
    assert (answer.code, answer.record["state"]) == (1, "failed"), answer
    failed = [each for each in answer.record["outcomes"] if each["state"] == "failed"]
    assert len(failed) == 1, answer
    step, cause = f"{failed[0]['verb']} {failed[0]['target']}", failed[0]["detail"]
    assert answer.record["summary"] == f"failed: {step}: {cause}"
    assert answer.record["measures"]["rto_seconds"] is None
    torn_down = answer.record["outcomes"][-1]
    assert (torn_down["verb"], torn_down["target"], torn_down["state"]) == ("tear down", "second Hub", "done")
    assert torn_down["detail"] == ("nothing had begun" if step == "check recovery point" else "every process ended")
    return step, cause


def test_a_drill_passes_and_touches_nothing_of_the_first_hub(
    stack: Stack, env: Environment, on_call: OnCall, dina: Person, good: RecoveryPoint
) -> None:
    homes = look_at(env.homes.user_data / "dina")
    first = {process.pid for process in marked(stack.state)}

    answer = drill(on_call, good)

    assert (answer.code, answer.record["state"]) == (0, "complete"), answer
    assert answer.record["summary"].startswith("passed; ")
    assert [each["state"] for each in answer.record["outcomes"]] == ["done"] * 9
    assert 0 < answer.record["measures"]["rto_seconds"] < 60
    assert first <= {process.pid for process in marked(stack.state)}
    assert differences(homes, look_at(env.homes.user_data / "dina")) == []
    assert dina.run_cell("print(40 + 2)").strip() == "42"
    assert on_call.riskhub("backup", "shared", "--execute", "--json").code == 0
    status = on_call.riskhub("recovery", "status")
    assert status.code == 0, status
    metrics = on_call.riskhub("recovery", "status", "--metrics")
    assert (metrics.code, 'riskhub_recovery_drill_passed{environment="local"} 1.0' in metrics.out) == (0, True), metrics
    assert on_call.riskhub("recovery", "verify", good.id).code == 0

    put_object(env.objects, "recovery-points/19990101T000000Z/manifest.json", b"[]", content_type="application/json")
    listed = on_call.riskhub("recovery", "list")
    assert (listed.code, good.id in listed.out) == (3, True), listed
    assert "damaged: recovery point 19990101T000000Z: its manifest cannot be read" in listed.err


def test_a_drill_leaves_its_page_beside_its_evidence_and_it_can_be_drawn_again(
    env: Environment, on_call: OnCall, good: RecoveryPoint, tmp_path: Path
) -> None:
    links = drill(on_call, good).record["links"]
    evidence, page = (links[name].removeprefix(f"s3://{env.objects.bucket}/") for name in ("evidence", "scorecard"))
    assert page == evidence.replace("evidence/", "scorecards/", 1).replace(".json", ".html")
    kept = get_object(env.objects, page).decode()
    assert f"riskhub evidence verify {links['evidence']}" in kept

    answer = on_call.riskhub("recovery", "scorecard", "--output", str(tmp_path / "drill.html"), "--json")
    assert (answer.code, answer.record["evidence"]) == (0, links["evidence"]), answer
    assert (tmp_path / "drill.html").read_text() == kept
    earlier = on_call.riskhub(
        "recovery", "scorecard", "--output", str(tmp_path / "x.html"), "--at", "2001-01-01T00:00:00Z"
    )
    assert (earlier.code, "none was carried out until 2001-01-01" in earlier.err) == (1, True), earlier


def test_a_dump_cut_short_fails_the_drill(env: Environment, on_call: OnCall, good: RecoveryPoint) -> None:
    step, cause = broken(drill(on_call, forged(env, good, "database", lambda dump: dump[: len(dump) // 2])))
    assert step == "check recovery point"
    assert "cannot be read whole" in cause


def test_a_point_without_its_database_fails_the_drill(env: Environment, on_call: OnCall, good: RecoveryPoint) -> None:
    step, cause = broken(drill(on_call, forged(env, good, "database", None)))
    assert (step, "it has no database" in cause) == ("check recovery point", True)


def test_a_wrong_crypt_key_fails_the_drill_and_both_keys_are_named(
    env: Environment, on_call: OnCall, good: RecoveryPoint, other_state: Callable[..., Path]
) -> None:
    other = other_state(JUPYTERHUB_CRYPT_KEY="ab" * 32)
    step, cause = broken(drill(on_call, good, RISKHUB_STATE=str(other)))
    assert step == "check recovery point"
    assert "crypt key 46c21e8bbaa5d155 does not decrypt it" in cause
    assert "dina" in cause
    assert f"the point was taken under key {good.member('database').facts['crypt_key']}" in cause
    assert "ab" * 32 not in cause


def test_a_damaged_member_fails_the_drill(env: Environment, on_call: OnCall, good: RecoveryPoint) -> None:
    point = forged(env, good, "database", lambda dump: dump)
    put_object(env.objects, point.member("database").reference, b"other bytes", content_type="text/plain")
    step, cause = broken(drill(on_call, point))
    assert (step, "its SHA-256 is not the one in the point's manifest" in cause) == ("check recovery point", True)


def test_a_home_whose_object_is_gone_fails_the_drill(env: Environment, on_call: OnCall, good: RecoveryPoint) -> None:
    dina = env.homes.user_data / "dina" / "lost.csv"
    dina.write_text("desk,limit\n")
    point = point_of_now(on_call)
    bucket = Bucket(MirrorLocation(env.objects, MIRROR_PREFIX))
    for version, _ in list(bucket.list_versions(f"{MIRROR_PREFIX}/dina/lost.csv")):
        bucket.wire.ask("DELETE", version.key, {"versionId": version.version})
    step, cause = broken(drill(on_call, point))
    dina.unlink()
    assert (step, "dina/lost.csv: the stored copy is lost" in cause) == ("restore homes", True)


def test_a_hub_that_does_not_start_fails_the_drill_in_its_own_words(
    env: Environment, on_call: OnCall, good: RecoveryPoint
) -> None:
    def broken_configuration(body: bytes) -> bytes:
        document = json.loads(body)
        document["files"]["k8s/base/jupyterhub_config.py"]["text"] = 'raise SystemExit("a plugin is missing")\n'
        return json.dumps(document).encode()

    step, cause = broken(drill(on_call, forged(env, good, "configuration", broken_configuration)))
    assert step == "start Hub"
    assert "a plugin is missing" in cause


def test_a_store_that_goes_away_midway_fails_the_drill(
    stack: Stack, env: Environment, on_call: OnCall, good: RecoveryPoint
) -> None:
    running = on_call.start("recovery", "drill", "--point", good.id, "--execute", "--json", "--verbose")
    try:
        until(lambda: any((stack.state / "drills").glob("*/supervisor.log")))
        stack.stop_part("object-store")
        out, err = running.communicate(timeout=200)
    finally:
        stack.restart_part("object-store")
    record: dict[str, Any] = json.loads(out)
    assert (running.returncode, record["state"]) == (1, "failed"), (record, err)
    assert "restore homes" in record["summary"] or "compare homes" in record["summary"]
    assert [each["probe"] for each in record["findings"] if each["probe"] == "evidence"], "kept in the state folder"
    assert any((stack.state / "evidence" / "recovery-drill").iterdir())
    assert drill(on_call, good).code == 0


def test_a_killed_drill_is_cleaned_up_by_the_next(
    stack: Stack, env: Environment, on_call: OnCall, dina: Person, good: RecoveryPoint
) -> None:
    running = on_call.start("recovery", "drill", "--point", good.id, "--execute", "--json")
    until(lambda: any((stack.state / "drills").glob("*/hub")))
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate()
    drills = stack.state / "drills"
    assert list(drills.iterdir()), "it left its folder"

    assert drill(on_call, good).code == 0
    assert dina.run_cell("print(40 + 2)").strip() == "42"
