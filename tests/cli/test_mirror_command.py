"""`riskhub mirror` as a program: what it prints, where, and how it ends."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from devstack.object_store import PORTS, object_store
from devstack.process import free_ports, start, stop, wait_ready


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment variables of an S3 with a versioned bucket `vault`."""
    state = tmp_path_factory.mktemp("s3")
    ports = free_ports(PORTS)
    variables = {
        "AWS_ACCESS_KEY_ID": secrets.token_hex(8),
        "AWS_SECRET_ACCESS_KEY": secrets.token_hex(16),
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{ports[0]}",
    }
    part = object_store(state, ports, variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"])
    process = start(part, state)
    try:
        wait_ready(part, process, state)
        client = boto3.client(
            "s3",
            endpoint_url=variables["AWS_ENDPOINT_URL"],
            region_name="us-east-1",
            aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
            config=Config(retries={"mode": "standard", "total_max_attempts": 10}),
        )
        client.create_bucket(Bucket="vault")
        client.put_bucket_versioning(Bucket="vault", VersioningConfiguration={"Status": "Enabled"})
        yield variables
    finally:
        stop(part, process)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    source = tmp_path / "user-data"
    (source / "ana").mkdir(parents=True)
    (source / "ana" / "notes.ipynb").write_text("1 + 1")
    return source


@pytest.fixture
def url() -> str:
    return f"s3://vault/{secrets.token_hex(4)}"


def riskhub(variables: dict[str, str], *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command in an empty folder, with nothing but AWS variables."""
    return subprocess.run(
        [Path(sys.executable).parent / "riskhub", "mirror", *arguments],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_push_answers_with_one_json_object(s3: dict[str, str], home: Path, url: str) -> None:
    done = riskhub(s3, "push", home, url, "--json")

    assert done.returncode == 0
    answer = json.loads(done.stdout)
    point = answer.pop("point")
    assert answer == {"state": "complete", "files": 1, "uploaded": 1, "bytes": 5, "deleted": 0, "skipped": []}
    assert point.startswith("0000000001-")


def test_a_restore_shows_its_plan_until_it_is_told_to_execute(s3: dict[str, str], home: Path, url: str) -> None:
    riskhub(s3, "push", home, url)
    notes = home / "ana" / "notes.ipynb"
    notes.unlink()

    planned = riskhub(s3, "restore", url, home, "--path", "ana", "--json")
    assert (planned.returncode, json.loads(planned.stdout)["state"]) == (0, "planned")
    assert not notes.exists()

    done = riskhub(s3, "restore", url, home, "--path", "ana", "--execute", "--json")
    assert (done.returncode, json.loads(done.stdout)["state"]) == (0, "complete")
    assert notes.read_text() == "1 + 1"


def test_a_time_as_history_prints_it_names_that_point(s3: dict[str, str], home: Path, url: str) -> None:
    riskhub(s3, "push", home, url)
    (home / "ana" / "notes.ipynb").write_text("2 + 2")
    riskhub(s3, "push", home, url)
    points = json.loads(riskhub(s3, "history", url, "--json").stdout)["points"]

    done = riskhub(s3, "restore", url, home, "--at", points[0]["created_at"], "--execute")

    assert done.returncode == 0
    assert (home / "ana" / "notes.ipynb").read_text() == "1 + 1"
    assert "What was replaced is in" in done.stdout


def test_a_partial_push_lists_what_it_skipped_and_ends_with_3(s3: dict[str, str], home: Path, url: str) -> None:
    os.mkfifo(home / "ana" / "pipe\x1b[2J")

    done = riskhub(s3, "push", home, url, "--json")
    shown = riskhub(s3, "push", home, url)

    assert (done.returncode, shown.returncode) == (3, 3)
    skipped = json.loads(done.stdout)["skipped"]
    assert skipped == [{"path": "ana/pipe%1B[2J", "reason": "a named pipe, which no bucket can hold"}]
    assert "\x1b" not in shown.stdout + shown.stderr


def test_verify_with_the_source_tells_what_differs(s3: dict[str, str], home: Path, url: str) -> None:
    riskhub(s3, "push", home, url)
    assert riskhub(s3, "verify", url, home).returncode == 0
    (home / "ana" / "notes.ipynb").write_text("3 + 3")
    assert riskhub(s3, "verify", url, home).returncode == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("push", "{home}/nowhere", "{url}"), "cannot be opened"),
        (("push", "{home}", "s3://no-such-bucket/x"), "no such bucket"),
        (("push", "{home}", "s3://vault"), "needs a prefix"),
        (("push", "{home}", "vault/x"), "no bucket address"),
        (("restore", "{url}", "{home}"), "no point yet"),
        (("verify", "{url}"), "no point yet"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(
    s3: dict[str, str], home: Path, url: str, arguments: tuple[str, ...], said: str
) -> None:
    filled = [argument.format(home=home, url=url) for argument in arguments]

    done = riskhub(s3, *filled, "--json")

    assert done.returncode == 1
    assert json.loads(done.stdout)["state"] == "refused"
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_store_that_is_down_fails_in_words(s3: dict[str, str], home: Path, url: str) -> None:
    down = {**s3, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_ports(1)[0]}"}
    done = riskhub(down, "push", home, url, "--json")
    assert (done.returncode, json.loads(done.stdout)["state"]) == (1, "failed")
    assert "did not answer" in done.stderr


def test_no_keys_at_all_are_refused_in_words(s3: dict[str, str], home: Path, url: str) -> None:
    done = riskhub({"AWS_ENDPOINT_URL": s3["AWS_ENDPOINT_URL"], "AWS_EC2_METADATA_DISABLED": "true"}, "push", home, url)
    assert done.returncode == 1
    assert "no credentials were found" in done.stderr


@pytest.mark.parametrize(
    "options",
    [("--at", "yesterday"), ("--at", "2026-03-01T09:00:00"), ("--at", "2026-03-01T09:00:00Z", "--point", "1")],
)
def test_a_time_that_is_none_is_a_usage_error(
    s3: dict[str, str], home: Path, url: str, options: tuple[str, ...]
) -> None:
    assert riskhub(s3, "restore", url, home, *options).returncode == 2


def test_it_works_without_prefect(s3: dict[str, str], home: Path, url: str) -> None:
    code = "import sys; import cli.mirror; assert not any(name.split('.')[0] == 'prefect' for name in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
