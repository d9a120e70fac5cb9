"""Which folder is whose, whatever a user is called; and the same answer in the Hub's own configuration."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest
from escapism import escape, unescape
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Refused
from environments.loader import PROJECT
from environments.settings import HomesSettings
from systems.homes import home_name, require_home_mount


@given(st.text(min_size=1))
def test_no_name_leaves_its_folder(user: str) -> None:
    name = home_name(user)
    assert name and set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789.@_-' ", min_size=1))
def test_two_users_never_share_a_folder(user: str) -> None:
    assert unescape(home_name(user), escape_char="-") == user


def test_plain_names_stay_as_they_are_and_others_are_escaped_as_kubespawner_does() -> None:
    assert home_name("ana") == "ana"
    assert home_name("Bea.O'Neil@example.org") == "-42ea-2e-4f-27-4eeil-40example-2eorg"


def test_the_hub_names_homes_by_the_same_rule(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EFS_MOUNT_POINT", str(tmp_path))
    source = (PROJECT / "k8s" / "base" / "jupyterhub_config.py").read_text()
    wanted = ("required", "home_folder")
    functions = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef) and node.name in wanted]
    scope = {"Path": Path, "escape": escape, "os": os}
    exec(compile(ast.Module(functions, []), "jupyterhub_config", "exec"), scope)  # noqa: S102
    for user in ("ana", "Bea.O'Neil@example.org", "ü ser"):
        assert scope["home_folder"](user) == tmp_path / "user-data" / home_name(user)  # type: ignore[operator]


def test_an_unmounted_file_system_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="not mounted"):
        require_home_mount(HomesSettings(mount_point=tmp_path, file_system_id="fs-1"))
