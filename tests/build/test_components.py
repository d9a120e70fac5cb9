"""What goes into an image, and what its tag says of it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from build.components import COMPONENTS, Component, Inputs, read_inputs
from domain.errors import Refused
from tests.build.checkouts import commit, commit_change


def inputs_of(checkout: Path) -> Inputs:
    return read_inputs(COMPONENTS["tiny"], checkout)


def test_the_tag_is_the_commit_and_the_lock(checkout: Path) -> None:
    revision = commit_change(checkout, "app/main.py")
    lock = hashlib.sha256((checkout / "build/tiny/requirements.lock").read_bytes()).hexdigest()
    inputs = inputs_of(checkout)
    assert inputs.tag == f"{revision[:12]}-{lock[:8]}"
    assert (inputs.revision, inputs.lock_digest, inputs.dirty) == (revision, lock, False)


def test_a_commit_elsewhere_makes_no_new_image(checkout: Path) -> None:
    before = inputs_of(checkout)
    commit_change(checkout, "docs/page.md")
    after = inputs_of(checkout)
    assert (after.tag, after.digest) == (before.tag, before.digest)


def test_a_change_in_no_commit_is_in_the_tag_and_changes_it_each_time(checkout: Path) -> None:
    committed = inputs_of(checkout)
    (checkout / "app/main.py").write_text("print('changed')\n")
    changed = inputs_of(checkout)
    (checkout / "app/new.py").write_text("")
    added = inputs_of(checkout)
    assert changed.tag == f"{committed.tag}-dirty-{changed.digest[:8]}"
    assert added.tag == f"{committed.tag}-dirty-{added.digest[:8]}"
    assert len({committed.digest, changed.digest, added.digest}) == 3


def test_a_change_elsewhere_in_no_commit_leaves_the_image_clean(checkout: Path) -> None:
    (checkout / "docs/page.md").write_text("unfinished\n")
    assert not inputs_of(checkout).dirty


def test_a_file_that_became_executable_makes_a_new_image(checkout: Path) -> None:
    before = inputs_of(checkout).digest
    (checkout / "app/main.py").chmod(0o755)
    assert inputs_of(checkout).digest != before


def test_sources_alone_leave_the_installed_packages_as_they_are(checkout: Path) -> None:
    before = inputs_of(checkout)
    commit_change(checkout, "app/main.py")
    after = inputs_of(checkout)
    assert after.installed_digest == before.installed_digest
    commit_change(checkout, "build/tiny/requirements.lock")
    assert inputs_of(checkout).installed_digest != before.installed_digest


def test_a_component_changes_with_the_one_it_extends(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (checkout / "build/bigger").mkdir()
    (checkout / "build/bigger/Containerfile").write_text("ARG BASE\nFROM ${BASE}\n")
    monkeypatch.setitem(COMPONENTS, "bigger", Component("bigger", extends="tiny"))
    commit(checkout)
    before = read_inputs(COMPONENTS["bigger"], checkout)
    revision = commit_change(checkout, "build/tiny/requirements.lock")
    after = read_inputs(COMPONENTS["bigger"], checkout)
    assert (after.revision, after.digest != before.digest) == (revision, True)


def test_the_build_sees_its_inputs_and_nothing_else(checkout: Path, tmp_path: Path) -> None:
    (checkout / "app/cache.pyc").write_text("ignored by git")
    (checkout / "app/link").symlink_to("main.py")
    (checkout / "app/main.py").chmod(0o600)
    inputs_of(checkout).stage(tmp_path / "context")
    staged = {str(path.relative_to(tmp_path / "context")) for path in (tmp_path / "context").rglob("*.*")}
    staged |= {name for name in ("build/install", "source/app/link") if (tmp_path / "context" / name).exists()}
    assert staged == {
        "bootstrap.lock",
        "build/install",
        "build/tiny/requirements.lock",
        "source/app/link",
        "source/app/main.py",
    }
    assert (tmp_path / "context/source/app/link").readlink() == Path("main.py")
    assert (tmp_path / "context/source/app/main.py").stat().st_mode & 0o777 == 0o644


def test_a_source_that_is_gone_is_refused_by_its_name(checkout: Path) -> None:
    (checkout / "app/main.py").unlink()
    (checkout / "app").rmdir()
    with pytest.raises(Refused, match="app is not there"):
        inputs_of(checkout)


def test_outside_of_a_git_checkout_nothing_is_built(checkout: Path) -> None:
    (checkout / ".git").rename(checkout / "no-git")
    with pytest.raises(Refused, match="build from a git checkout"):
        inputs_of(checkout)


def test_a_component_changes_with_what_the_one_it_extends_carries(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (checkout / "build/bigger").mkdir()
    (checkout / "build/bigger/Containerfile").write_text("ARG BASE\nFROM ${BASE}\n")
    monkeypatch.setitem(COMPONENTS, "bigger", Component("bigger", extends="tiny"))
    commit(checkout)
    revision = commit_change(checkout, "app/main.py")
    assert read_inputs(COMPONENTS["bigger"], checkout).revision == revision
