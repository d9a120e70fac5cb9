"""The script that fills a home at its first login, run as the init container runs it."""

from __future__ import annotations

import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.k8s.rendering import K8S
from tests.k8s.servers import start_server

SCRIPT = (K8S / "base" / "sample_notebooks.sh").read_text()
NAME = "risk analysis.ipynb"


@dataclass
class Login:
    samples: Path
    home: Path

    def start(self) -> subprocess.CompletedProcess[str]:
        variables = {"PATH": "/usr/bin:/bin", "HOME": str(self.home), "SAMPLES": str(self.samples)}
        return subprocess.run(
            ("sh", "-c", SCRIPT), env=variables, capture_output=True, text=True, timeout=30, check=False
        )


@pytest.fixture
def login(tmp_path: Path) -> Login:
    made = Login(tmp_path / "samples", tmp_path / "home")
    made.samples.mkdir()
    made.home.mkdir()
    (made.samples / NAME).write_text("sample")
    (made.samples / NAME).chmod(0o444)
    return made


def test_the_pod_runs_this_script_with_home_and_samples_mounted() -> None:
    pod = start_server("prod", ("business-users",), {}).pod
    (container,) = pod["spec"]["initContainers"]
    assert container["args"] == ["sh", "-c", SCRIPT]
    mounted = {each["mountPath"]: each.get("readOnly", False) for each in container["volumeMounts"]}
    assert mounted == {"/home/jovyan": False, "/shared/notebooks": True}
    assert {each["name"]: each["value"] for each in container["env"]} == {
        "HOME": "/home/jovyan",
        "SAMPLES": "/shared/notebooks",
    }


def test_a_first_login_finds_the_samples_and_may_change_them(login: Login) -> None:
    assert login.start().returncode == 0
    assert [path.name for path in login.home.iterdir()] == [NAME]
    assert (login.home / NAME).read_text() == "sample"
    assert (login.home / NAME).stat().st_mode & 0o200
    assert (login.home / NAME).stat().st_nlink == 1


def test_what_the_user_has_is_never_replaced(login: Login) -> None:
    (login.home / NAME).write_text("mine")
    assert login.start().returncode == 0
    assert (login.home / NAME).read_text() == "mine"


def test_a_link_of_the_user_that_leads_nowhere_is_left_alone(login: Login) -> None:
    (login.home / NAME).symlink_to("away")
    assert login.start().returncode == 0
    assert [path.name for path in login.home.iterdir()] == [NAME]
    assert (login.home / NAME).is_symlink()


def test_a_start_that_was_cut_off_leaves_no_half_notebook(login: Login) -> None:
    left = login.home / ".riskhub-sample-Xy1Z2a"
    left.write_text("sam")
    hours_ago = time.time() - 2 * 3600
    os.utime(left, (hours_ago, hours_ago))
    assert login.start().returncode == 0
    assert [path.name for path in login.home.iterdir()] == [NAME]
    assert (login.home / NAME).read_text() == "sample"


def test_no_samples_are_no_reason_not_to_start(login: Login) -> None:
    (login.samples / NAME).unlink()
    assert login.start().returncode == 0
    assert not list(login.home.iterdir())


def test_a_home_that_is_not_there_stops_the_start_with_words(login: Login) -> None:
    login.home.rmdir()
    ended = login.start()
    assert ended.returncode != 0
    assert str(login.home) in ended.stderr


def test_starts_at_the_same_moment_end_with_whole_notebooks(login: Login) -> None:
    names = [f"{number}.ipynb" for number in range(20)]
    for name in names:
        (login.samples / name).write_text(name * 1000)
    with ThreadPoolExecutor(8) as pool:
        ended = list(pool.map(lambda _: login.start(), range(8)))
    assert [each.stderr for each in ended if each.returncode] == []
    assert sorted(path.name for path in login.home.iterdir()) == sorted([NAME, *names])
    for name in names:
        assert (login.home / name).read_text() == name * 1000
