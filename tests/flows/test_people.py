"""People leave on the running stack: nothing of theirs gets in any more, and all of their files can come back."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from devstack.day.damage import Look, look_at
from devstack.day.people import Person
from devstack.faults.fault import s3_of, with_empty_bucket
from devstack.stack import Stack
from domain.clock import utc_now
from domain.errors import Refused
from domain.people import Home
from domain.record import Record
from environments import Environment, load_environment
from environments.loader import PROJECT
from environments.people import PeopleSettings
from flows.chapter import record_of
from flows.people import archive_stale_homes, leaver
from flows.restore import restore_user_home
from systems.archives import last_archive
from systems.homes import home_name
from systems.hub import delete_user, ensure_user, list_servers, list_tokens, read_user, revoke_tokens
from systems.mirror import push
from systems.mirrored import homes_of
from systems.running import read_running
from tasks.people import archive_stale_home

pytestmark = [pytest.mark.usefixtures("prefect_of_the_stack"), pytest.mark.timeout(300)]

FRED = "fred.o'neil@example.org"


@pytest.fixture(scope="module", autouse=True)
def others(stack: Stack, nobody_at_work: None) -> Iterator[None]:
    """Homes that stay: a push refuses to lose most of what there was. At the end the mirror is told who has left."""
    for number in range(3):
        home = load_environment("local").homes.user_data / f"steady{number}"
        home.mkdir(parents=True, exist_ok=True)
        for each in range(30):
            (home / f"{each}.csv").write_text("a,b\n")
    yield
    mirror = homes_of(load_environment("local"))
    push(mirror.folder, mirror.location, max_delete_share=1)


def leave(user: str, *, execute: bool = True, confirm: str = "local") -> Record:
    record = record_of(leaver(user, "local", confirm, execute, return_state=True))
    assert record is not None
    return record


def states(record: Record) -> dict[str, str]:
    return {f"{each.verb} {each.target}": each.state for each in record.outcomes}


def home_of(env: Environment, user: str) -> Path:
    return env.homes.user_data / home_name(user)


def moved(record: Record, user: str) -> Path:
    return Path(record.links[f"home {home_name(user)}"])


@pytest.fixture(scope="module")
def fred(stack: Stack, others: None) -> Person:
    """At work, with files, logged in by browser and by token."""
    person = Person.log_in(FRED, stack.public_url)
    person.start_server()
    person.make_folder("models")
    person.write_notebook("models/var.ipynb")
    person.write_text("notes.txt", "of fred")
    return person


def speaks(person: Person, *, by: str) -> int:
    """What the Hub answers who asks by token, or by the cookie of the browser."""
    address = f"{person.public_url}/hub/api/user"
    if by == "token":
        token = person.client.headers["Authorization"]
        return httpx.get(address, headers={"Authorization": token}).status_code
    cookies = {cookie.name: cookie.value or "" for cookie in person.client.cookies.jar}
    return httpx.get(address, cookies=cookies, headers={"Referer": f"{person.public_url}/hub/home"}).status_code


def token_of_departures(env: Environment) -> SecretStr:
    assert env.hub.people_token
    return env.hub.people_token


def ask(env: Environment, method: str, path: str, token: SecretStr) -> int:
    """What the Hub answers who asks with this token."""
    headers = {"Authorization": f"token {token.get_secret_value()}"}
    return httpx.request(method, f"{env.hub.api_url}{path}", headers=headers, timeout=30).status_code


def stray_process(env: Environment, user: str) -> subprocess.Popen[bytes]:
    """Something of a server of theirs that the Hub does not know."""
    variables = {"JUPYTERHUB_USER": user, "JUPYTERHUB_API_URL": env.hub.api_url}
    return subprocess.Popen(("sleep", "600"), env={**os.environ, **variables})


def test_a_dry_run_names_every_step_and_changes_nothing(env: Environment, fred: Person) -> None:
    record = leave(FRED, execute=False)
    assert record.state == "planned"
    verbs = [action.verb for action in record.actions]
    assert verbs[-4:] == ["stop", "remove", "archive", "move away"] and set(verbs[:-4]) == {"revoke"}
    assert fred.is_running() and home_of(env, FRED).is_dir()


def test_without_the_environment_typed_it_is_refused(env: Environment, fred: Person) -> None:
    record = leave(FRED, confirm="")
    assert record.state == "refused" and "confirm it as local" in record.summary
    assert fred.is_running() and home_of(env, FRED).is_dir()


def test_who_leaves_is_out_and_their_home_comes_back_exactly(env: Environment, fred: Person) -> None:
    assert (speaks(fred, by="token"), speaks(fred, by="cookie")) == (200, 200)

    record = leave(FRED)

    assert record.state == "complete", record.outcomes
    assert (speaks(fred, by="token"), speaks(fred, by="cookie")) == (403, 403)
    assert read_user(env.hub, FRED) is None
    assert FRED not in {each.user for each in read_running(env.hub) or ()}
    assert FRED not in {server.user for server in list_servers(env.hub)}
    assert {finding.probe: finding.state for finding in record.findings} == {
        "revoked-tokens": "ok",
        "stopped-servers": "ok",
        "login": "ok",
    }
    assert not home_of(env, FRED).exists()
    kept = look_at(moved(record, FRED))
    assert {"models/var.ipynb", "notes.txt"} <= kept.keys()

    archive = last_archive(env, home_name(FRED))
    assert archive is not None and archive.user == FRED
    assert f"--at {archive.point_at.isoformat()}" in "".join(each.detail for each in record.outcomes)
    back = record_of(
        restore_user_home(FRED, "local", at=archive.point_at, confirm="local", execute=True, return_state=True)
    )
    assert back is not None and back.state == "complete", back
    assert look_at(home_of(env, FRED)) == kept

    again = leave(FRED)
    assert (again.state, list(states(again))) == (
        "complete",
        [f"{verb} home {home_name(FRED)}" for verb in ("archive", "move away")],
    )
    assert last_archive(env, home_name(FRED)) == archive, "what is archived already is not archived anew"
    last = leave(FRED)
    assert (last.state, last.summary) == ("complete", f"{FRED} has left: nothing is left to do")


def test_to_revoke_tokens_and_to_remove_users_is_for_the_token_of_departures_alone(
    stack: Stack, env: Environment
) -> None:
    ordinary, people = env.hub, env.hub.model_copy(update={"api_token": token_of_departures(env)})
    delete_user(people, "bea")  # other tests' bea has tokens of her own
    bea = Person.log_in("bea", stack.public_url)
    (theirs,) = [each for each in list_tokens(people, "bea") if each.note == "a day at work"]

    assert ask(env, "GET", "/users/bea/tokens", ordinary.api_token) == 403
    assert ask(env, "POST", "/users/bea/tokens", ordinary.api_token) == 403
    assert ask(env, "DELETE", f"/users/bea/tokens/{theirs.id}", ordinary.api_token) == 403
    # whose right to remove is for one other user hears that there is no bea
    assert ask(env, "DELETE", "/users/bea", ordinary.api_token) == 404
    with pytest.raises(Refused, match="the token may not remove this user"):
        delete_user(ordinary, "bea")
    assert speaks(bea, by="token") == 200

    assert theirs.id in {each.id for each in revoke_tokens(people, "bea")}
    delete_user(people, "bea")
    assert speaks(bea, by="token") == 403 and read_user(ordinary, "bea") is None


@pytest.mark.parametrize("path", ["/users/riskhub-check/server", "/groups/riskhub-warnings/users", "/proxy"])
def test_the_token_of_departures_does_nothing_of_the_other_ones(env: Environment, path: str) -> None:
    ensure_user(env.hub, "riskhub-check")
    assert ask(env, "POST", path, token_of_departures(env)) == 403


@pytest.mark.parametrize("execute", [False, True])
def test_without_the_token_of_departures_nobody_leaves(stack: Stack, elsewhere: Environment, *, execute: bool) -> None:
    carl = Person.log_in("carl", stack.public_url)
    make_home(elsewhere, "carl")
    with_values(elsewhere, JUPYTERHUB_PEOPLE_TOKEN="")

    record = leave("carl", execute=execute)

    assert record.state == "refused"
    assert "JUPYTERHUB_PEOPLE_TOKEN" in record.summary and "docs/on-call/leaver.md" in record.summary
    assert speaks(carl, by="token") == 200 and (elsewhere.homes.user_data / "carl").is_dir()


def test_another_token_in_its_place_is_refused_by_its_name(stack: Stack, elsewhere: Environment) -> None:
    carl = Person.log_in("carl", stack.public_url)
    with_values(elsewhere, JUPYTERHUB_PEOPLE_TOKEN="f" * 32)
    unknown = leave("carl")
    with_values(elsewhere, JUPYTERHUB_PEOPLE_TOKEN=elsewhere.hub.api_token.get_secret_value())
    ordinary = leave("carl")

    assert (unknown.state, ordinary.state) == ("refused", "refused")
    assert "check JUPYTERHUB_PEOPLE_TOKEN" in unknown.summary
    assert "the token lacks a scope" in ordinary.summary
    assert speaks(carl, by="token") == 200


@pytest.fixture
def named_servers(stack: Stack, env: Environment) -> Iterator[None]:
    """The Hub with named servers, for one test."""
    part, _ = stack.running["hub"]
    stack.stop_part("hub")
    stack.start_parts(replace(part, command=(*part.command, "--JupyterHub.allow_named_servers=True")))
    yield
    stack.stop_part("hub")
    stack.start_parts(part)


@pytest.mark.usefixtures("named_servers")
def test_a_named_server_is_stopped_with_the_default_one(stack: Stack, env: Environment) -> None:
    dina = Person.log_in("dina", stack.public_url)
    dina.start_server()
    dina.client.post(f"{dina.public_url}/hub/api/users/dina/servers/gpu").raise_for_status()
    give_up = time.monotonic() + 90
    while {each.label for each in list_servers(env.hub) if each.user == "dina" and each.ready} != {"dina/", "dina/gpu"}:
        assert time.monotonic() < give_up
        time.sleep(0.2)
    assert {each.label for each in read_running(env.hub) or () if each.user == "dina"} == {"dina/", "dina/gpu"}

    record = leave("dina")

    assert record.state == "complete", record.outcomes
    assert [states(record)[f"stop {label}"] for label in ("dina/", "dina/gpu")] == ["done", "done"]
    assert "dina" not in {each.user for each in read_running(env.hub) or ()}
    assert read_user(env.hub, "dina") is None


def test_who_logs_in_again_meanwhile_has_not_left(stack: Stack, env: Environment) -> None:
    Person.log_in("ana", stack.public_url)
    home_of(env, "ana").mkdir(exist_ok=True)
    stray = stray_process(env, "ana")  # the archive waits for its end, and so the run's last look for the login

    def comes_back() -> None:
        give_up = time.monotonic() + 60
        while read_user(env.hub, "ana") is not None:
            assert time.monotonic() < give_up
            time.sleep(0.05)
        Person.log_in("ana", stack.public_url)

    with ThreadPoolExecutor(1) as pool:
        back = pool.submit(comes_back)
        back.add_done_callback(lambda _: stray.kill())
        record = leave("ana")
        back.result()
    stray.wait()

    assert record.state == "partial" and set(states(record).values()) == {"done"}
    assert {finding.probe for finding in record.findings if finding.state == "failed"} == {"login"}
    assert record.summary.startswith("ana has not left for good: they have logged in again"), record.summary
    assert leave("ana").summary.startswith("ana has left")


def test_a_run_killed_in_the_middle_is_finished_by_the_next(stack: Stack, env: Environment) -> None:
    Person.log_in("emil", stack.public_url)
    home = home_of(env, "emil")
    home.mkdir(exist_ok=True)
    for number in range(200):
        (home / f"{number}.csv").write_text(f"{number}\n" * 100)
    before = look_at(home)
    command = (
        sys.executable,
        "-m",
        "cli.main",
        "people",
        "leaver",
        "--user",
        "emil",
        "--execute",
        "--confirm",
        "local",
    )
    run = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        give_up = time.monotonic() + 120
        while read_user(env.hub, "emil") is not None:
            assert run.poll() is None and time.monotonic() < give_up, "it ended before it removed the user"
            time.sleep(0.05)
    finally:
        run.kill()
        run.wait()
    assert look_at(home) == before

    record = leave("emil")

    assert record.state == "complete", record.outcomes
    assert look_at(moved(record, "emil")) == before


def test_an_archive_that_is_not_whole_leaves_the_home_where_it_is(elsewhere: Environment) -> None:
    s3, home = s3_of(elsewhere), make_home(elsewhere, "otto")
    s3.create_bucket(Bucket=(name := f"{elsewhere.objects.bucket}-unlocked"))
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    before = look_at(home)
    with_values(elsewhere, S3_BACKUP_BUCKET=name)

    record = leave("otto")
    assert states(record) == {"archive home otto": "failed"}
    assert look_at(home) == before

    with_values(elsewhere, S3_BACKUP_BUCKET=elsewhere.objects.bucket)
    assert leave("otto").state == "complete"
    assert not home.exists()


def test_a_home_in_which_something_of_theirs_still_runs_stays(elsewhere: Environment) -> None:
    home = make_home(elsewhere, "otto")
    stray = stray_process(elsewhere, "otto")
    try:
        record = leave("otto")
    finally:
        stray.kill()
        stray.wait()
    assert states(record) == {"archive home otto": "failed"}
    assert f"kill {stray.pid}, then run again" in record.outcomes[0].detail
    assert home.is_dir() and last_archive(elsewhere, "otto") is None


def test_the_last_administrator_stays(stack: Stack, env: Environment) -> None:
    gita = Person.log_in("gita", stack.public_url)
    record = leave("gita")
    assert record.state == "refused" and "last administrator" in record.summary
    assert speaks(gita, by="token") == 200


def test_the_synthetic_user_stays(env: Environment) -> None:
    ensure_user(env.hub, env.health.synthetic_user)
    record = leave(env.health.synthetic_user)
    assert record.state == "refused" and "it is no person" in record.summary
    assert read_user(env.hub, env.health.synthetic_user) is not None


def test_somebody_nobody_knows_is_refused(env: Environment) -> None:
    record = leave("Dina")
    assert record.state == "refused" and "as the Hub's admin page lists it" in record.summary


# Homes that nobody uses, on a file system and in a bucket of the test's own: all of the stack's are new.


STALE = PeopleSettings(stale_after=timedelta(seconds=1), homes_at_once=2, max_share=1)


def with_values(env: Environment, **values: str) -> None:
    """What the stack tells of itself, other words for some of it."""
    path = Path(env.homes.mount_point).parent / "stack" / "values.env"
    lines = [line for line in path.read_text().splitlines() if line.partition("=")[0] not in values]
    path.write_text("\n".join([*lines, *(f"{name}={value}" for name, value in values.items())]) + "\n")


@pytest.fixture
def elsewhere(stack: Stack, env: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Environment]:
    """`load_environment("local")` names homes and a bucket in which nothing is yet; the Hub is the stack's."""
    (tmp_path / "efs" / "user-data").mkdir(parents=True)
    (tmp_path / "stack").mkdir()
    (tmp_path / "stack" / "values.env").write_text((stack.state / "values.env").read_text())
    bucket = with_empty_bucket(env).objects.bucket
    monkeypatch.setenv("RISKHUB_STATE", str(tmp_path / "stack"))
    made = env.model_copy(update={"homes": env.homes.model_copy(update={"mount_point": tmp_path / "efs"})})
    with_values(made, EFS_MOUNT_POINT=str(tmp_path / "efs"), S3_BACKUP_BUCKET=bucket)
    yield load_environment("local")


def make_home(env: Environment, name: str, *, changes: bool = False) -> Path:
    """A home with a file; one that `changes` has a file from later than now."""
    home = env.homes.user_data / name
    home.mkdir()
    (home / "notes.txt").write_text(f"of {name}")
    if changes:
        later = (utc_now() + timedelta(hours=1)).timestamp()
        os.utime(home / "notes.txt", (later, later))
    return home


def stale(*, execute: bool) -> Record:
    """A run with the ordinary token alone, as the schedule's."""
    with_values(load_environment("local"), JUPYTERHUB_PEOPLE_TOKEN="")
    record = record_of(archive_stale_homes("local", STALE, "local", execute, return_state=True))
    assert record is not None
    return record


@pytest.fixture
def homes(elsewhere: Environment) -> dict[str, Look]:
    """Three homes that rest, and one where somebody works; the mirror knows them."""
    made = [make_home(elsewhere, name) for name in ("otto", "nora", "hugo")]
    made.append(make_home(elsewhere, "dina", changes=True))
    mirror = homes_of(elsewhere)
    push(mirror.folder, mirror.location)
    changed = max(home.stat().st_ctime for home in made)
    give_up = time.monotonic() + 30
    while time.time() < changed + 2:
        assert time.monotonic() < give_up
        time.sleep(0.1)
    return {home.name: look_at(home) for home in made}


def test_stale_homes_are_listed_with_size_and_age_and_nothing_is_touched(
    elsewhere: Environment, homes: dict[str, Look]
) -> None:
    record = stale(execute=False)
    assert record.state == "planned"
    assert len(record.actions) == 2 and all("the Hub does not know its owner" in each.reason for each in record.actions)
    left = {each.target: each.reason for each in record.left_alone}
    assert left.pop("dina").startswith("something in it changed")
    assert list(left.values()) == ["stale too; the next run's: this one has enough"]
    assert {name: look_at(elsewhere.homes.user_data / name) for name in homes} == homes


def test_stale_homes_are_archived_a_few_at_a_time_until_only_those_in_use_are_left(
    elsewhere: Environment, homes: dict[str, Look]
) -> None:
    first = stale(execute=True)
    assert first.state == "complete" and len(first.actions) == 2, first.outcomes
    assert len(list(elsewhere.homes.user_data.iterdir())) == 2
    second = stale(execute=True)
    assert (second.state, len(second.actions)) == ("complete", 1), second.summary
    assert [each.name for each in elsewhere.homes.user_data.iterdir()] == ["dina"]
    where = {**first.links, **second.links}
    assert {name: look_at(Path(where[f"home {name}"])) for name in ("otto", "nora", "hugo")} == {
        name: look for name, look in homes.items() if name != "dina"
    }
    assert stale(execute=True).summary == "none of 1 homes is to be archived"


def test_a_home_that_is_used_again_since_the_plan_is_left_alone(elsewhere: Environment, homes: dict[str, Look]) -> None:
    mirror = homes_of(elsewhere)
    (mirror.folder / "otto" / "new.csv").write_text("new")
    policy = STALE.model_copy(update={"stale_after": timedelta(hours=1)})
    planned = Home("otto", "otto", None, 9, utc_now() - timedelta(days=900))
    outcomes, _ = archive_stale_home.fn(elsewhere, planned, policy, push(mirror.folder, mirror.location).point)
    assert [(each.target, each.state) for each in outcomes] == [("home otto", "skipped")]
    assert (mirror.folder / "otto" / "new.csv").exists()
