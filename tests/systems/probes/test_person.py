"""What keeps one person from working, each trouble made for real in a home or on the Hub."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from devstack.day.people import Person
from devstack.faults.fault import halting
from devstack.process import marked
from devstack.stack import Stack
from environments import Environment
from environments.settings import HomesSettings
from systems.homes import home_name
from systems.probes import Seen, carry_out, probes_about
from systems.probes.person import look_at_configuration, look_at_home

WHO = "dina"


@pytest.fixture
def homes(tmp_path: Path) -> HomesSettings:
    made = HomesSettings(mount_point=tmp_path, file_system_id="fs-1")
    (made.user_data / home_name(WHO)).mkdir(parents=True)
    return made


def told(seen: Seen) -> tuple[str, str]:
    return seen.state, seen.kind


def test_a_good_home_is_ok_and_one_that_was_never_made_too(homes: HomesSettings) -> None:
    home = homes.user_data / home_name(WHO)
    (home / ".local" / "share" / "jupyter").mkdir(parents=True)
    (home / "notes.txt").write_text("mine")
    assert look_at_home(homes, WHO) == Seen(f"{WHO} is a folder of uid {os.getuid()}, 2 entries")
    assert told(look_at_home(homes, "nobody yet")) == ("ok", "")
    assert told(look_at_configuration(homes, WHO)) == told(look_at_configuration(homes, "nobody yet")) == ("ok", "")


def file_in_the_way(home: Path) -> None:
    (home / ".local").write_text("a file")


def link_to_nothing(home: Path) -> None:
    (home / ".jupyter").symlink_to("gone")


def owner_shut_out(home: Path) -> None:
    (home / ".ipython").mkdir(mode=0o500)


def home_a_link(home: Path) -> None:
    home.rmdir()
    home.symlink_to(home.parent)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (file_in_the_way, "dina/.local is no folder"),
        (link_to_nothing, "dina/.jupyter is a link to nothing"),
        (owner_shut_out, "dina/.ipython has mode 0500: its owner is shut out"),
        (home_a_link, "dina is a link where a folder should be"),
    ],
)
def test_what_keeps_a_server_from_writing_is_named(
    homes: HomesSettings, spoil: Callable[[Path], None], words: str
) -> None:
    spoil(homes.user_data / home_name(WHO))
    seen = look_at_home(homes, WHO)
    assert (seen.what, *told(seen)) == (words, "failed", "user-home")
    assert seen.next_step


def test_another_owner_is_named(homes: HomesSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a home that was copied by root: here the homes are told to be somebody else's, since chown takes root."""
    mine = os.getuid()
    real = Path.stat

    def stat(path: Path, **how: bool) -> os.stat_result:
        found = list(real(path, **how))
        if path == homes.user_data:
            found[4] = mine + 1
        return os.stat_result(found)

    monkeypatch.setattr(Path, "stat", stat)
    assert look_at_home(homes, WHO).what == f"dina belongs to uid {mine}, the homes to uid {mine + 1}"


def test_a_configuration_that_the_server_obeys_is_named_and_other_files_are_not(homes: HomesSettings) -> None:
    folder = homes.user_data / home_name(WHO) / ".jupyter"
    folder.mkdir()
    for name in ("jupyter_server_config.py", "jupyter_config.json", "custom.css", "jupyter_server_config.py.bak"):
        (folder / name).touch()
    seen = look_at_configuration(homes, WHO)
    assert told(seen) == ("degraded", "user-configuration")
    assert seen.what.endswith(" of their own: ~/.jupyter/jupyter_config.json, jupyter_server_config.py")


def look(env: Environment, name: str, user: str) -> tuple[str, str, str]:
    (probe,) = (each for each in probes_about(env, user) if each.name == name)
    finding = carry_out(probe)
    return finding.state, finding.kind, finding.seen


def test_who_the_hub_does_not_know_is_told(env: Environment) -> None:
    for name in ("nobody of that name", "../admin", "näm/e @x"):
        state, kind, seen = look(env, "user-account", name)
        assert (state, kind) == ("failed", "user-account") and name in seen


def servers_of(user: str, stack: Stack) -> list[psutil.Process]:
    return [each for each in marked(stack.state) if each.environ().get("JUPYTERHUB_USER") == user]


def test_somebody_at_work_is_ok_and_a_server_that_does_not_answer_is_told(env: Environment, stack: Stack) -> None:
    emil = Person.log_in("emil", env.hub.public_url)
    assert look(env, "user-server", "emil") == ("ok", "", "emil has no server, and the Hub starts none")
    emil.start_server()
    try:
        assert look(env, "user-server", "emil") == ("ok", "", "emil/ is ready")
        state, _, seen = look(env, "user-account", "emil")
        assert state == "ok" and "in data-scientists; last active" in seen
        with halting(servers_of("emil", stack)):
            state, kind, _ = look(env, "user-server", "emil")
            assert (state, kind) == ("failed", "user-server")
    finally:
        emil.stop_server()
