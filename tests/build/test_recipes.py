"""The Containerfiles and locks as they are in the repository."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from build.components import COMPONENTS, Component, read_inputs
from environments.loader import PROJECT

EVERY = pytest.mark.parametrize("component", COMPONENTS.values(), ids=COMPONENTS)
LOCKED = [
    component for component in COMPONENTS.values() if any("requirements.lock" in lock for lock in component.locks)
]


def instructions(component: Component) -> list[str]:
    text = (PROJECT / component.containerfile).read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def pins(lock: Path) -> dict[str, set[str]]:
    """Versions by name; a lock for several Pythons may hold more than one."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)(?:\[.*?\])?==(\S+)", lock.read_text(), re.MULTILINE):
        found.setdefault(name, set()).add(version)
    return found


@EVERY
def test_an_image_runs_as_a_user_that_is_not_root(component: Component) -> None:
    users = [line for line in instructions(component) if line.startswith("USER")]
    assert users[-1] == "USER 1000:1000"


@EVERY
def test_an_image_is_built_on_the_base_it_is_told(component: Component) -> None:
    bases = [line.split()[1] for line in instructions(component) if line.startswith("FROM")]
    assert set(bases) == {"${BASE}"}


@EVERY
def test_nothing_in_a_recipe_names_an_index_or_a_registry(component: Component) -> None:
    for path in (PROJECT / component.folder).iterdir():
        assert "://" not in path.read_text(), path


@EVERY
def test_what_an_image_copies_is_among_what_makes_it_new(component: Component) -> None:
    copied = [line.split()[1].removeprefix("source/") for line in instructions(component) if "COPY source/" in line]
    files = read_inputs(component).files
    for name in copied:
        assert any(each.startswith(f"{name}/") for each in files), name


@EVERY
def test_an_image_without_locked_requirements_holds_debian_packages_alone(component: Component) -> None:
    installs = " ".join(line for line in instructions(component) if line.startswith("RUN"))
    assert bool(component.locks) == bool(re.search(r"install (python|node)", installs))


@pytest.mark.parametrize("component", LOCKED, ids=[component.name for component in LOCKED])
def test_every_requirement_is_locked_with_a_hash(component: Component) -> None:
    lock = (PROJECT / component.folder / "requirements.lock").read_text()
    entries = re.split(r"\n(?=\S)", lock.strip())
    assert entries
    assert all("==" in entry and "--hash=sha256:" in entry for entry in entries)


@pytest.mark.parametrize("component", LOCKED, ids=[component.name for component in LOCKED])
def test_an_image_has_the_versions_that_the_embedded_stack_is_tested_with(component: Component) -> None:
    tested = pins(PROJECT / "requirements.lock")
    locked = pins(PROJECT / component.folder / "requirements.lock")
    assert {name: versions for name, versions in locked.items() if name in tested and versions != tested[name]} == {}


def test_users_servers_and_hub_are_one_version_of_jupyterhub() -> None:
    names = ("jupyterhub", "business-user", "data-scientist")
    versions = {name: pins(PROJECT / f"build/{name}/requirements.lock")["jupyterhub"] for name in names}
    assert set(map(tuple, versions.values())) == {("6.1.1",)}


def test_data_scientists_have_all_that_business_users_have() -> None:
    few, many = (pins(PROJECT / f"build/{name}/requirements.lock") for name in ("business-user", "data-scientist"))
    assert few.items() <= many.items()


@EVERY
def test_all_that_an_image_is_made_from_is_in_the_checkout(component: Component) -> None:
    files = read_inputs(component).files
    assert {component.containerfile, "build/install", "bootstrap.lock", *component.locks} <= set(files)
