"""kill -9 at random moments: no point is lost or torn, no home is half there, and the next run converges."""

from __future__ import annotations

import random
import shutil
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from systems.mirror import MirrorLocation, apply_restore, healing, history, plan_restore, push, verify
from tests.systems.mirror.killer import Killer
from tests.systems.mirror.trees import plain_keys, tree

KILLS = 20  # in each of the seeded runs below


def edit(homes: Path, chance: random.Random, number: int) -> None:
    """Some work of some users: new, changed, renamed and deleted files and folders."""
    files = sorted(path for path in homes.rglob("*") if path.is_file())
    for path in chance.sample(files, min(3, len(files))):
        kind = chance.randrange(4)
        if kind == 0:
            path.unlink()
        elif kind == 1:
            path.write_text(f"edited {number}")
        elif kind == 2:
            path.rename(path.with_name(f"{path.name}-{number}"[-40:]))
        else:
            path.chmod(chance.choice([0o600, 0o644, 0o755]))
    home = homes / chance.choice(["ana", "bea", "carl"]) / chance.choice(["", "work", f"new-{number}"])
    if not home.exists() or home.is_dir():
        home.mkdir(parents=True, exist_ok=True)
        for name in range(chance.randrange(6)):
            (home / f"{number}-{name}.csv").write_text(f"{number},{name}" * chance.randrange(50))


@pytest.mark.parametrize("seed", range(5))
def test_a_push_killed_at_any_moment_loses_no_point_and_the_next_one_converges(
    location: MirrorLocation, homes: Path, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - reproducible, not secret
    known = {push(homes, location).point: tree(homes)}
    with Killer(location) as killer:
        edit(homes, chance, -1)
        _, takes = killer.run("push", homes)
        known[history(location)[-1].id] = tree(homes)
        for number in range(KILLS):
            edit(homes, chance, number)
            killer.run("push", homes, kill_after=chance.uniform(0, takes))
            points = [point.id for point in history(location)]
            if len(points) > len(known):
                known[points[-1]] = tree(homes)  # it was killed after its point was there
            assert points == list(known)
            point = chance.choice(points)
            apply_restore(plan_restore(location, tmp_path / f"then-{number}", point=point))
            assert tree(tmp_path / f"then-{number}") == known[point]
            shutil.rmtree(tmp_path / f"then-{number}")

    push(homes, location, max_delete_share=1)

    apply_restore(plan_restore(location, tmp_path / "now"))
    assert tree(tmp_path / "now") == tree(homes)
    assert plain_keys(location) == {path.relative_to(homes).as_posix() for path in homes.rglob("*") if path.is_file()}
    assert verify(location, homes).state == "complete"


@pytest.mark.parametrize("seed", range(5))
def test_a_restore_killed_at_any_moment_leaves_no_half_home_and_the_next_one_converges(
    location: MirrorLocation, homes: Path, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - reproducible, not secret
    for number in range(10):
        (homes / "ana" / "work" / f"{number}.csv").write_text(f"{number}")
    push(homes, location)
    before = tree(homes)
    whole = {path: entry[-1] for path, entry in before.items()}
    takes = 1.0
    with Killer(location) as killer:
        for number in range(KILLS):
            shutil.rmtree(homes / "ana", ignore_errors=True)
            (homes / "bea" / "notes.ipynb").write_text("damaged")
            if number == 0:
                _, takes = killer.run("restore", homes)
            else:
                killer.run("restore", homes, kill_after=chance.uniform(0, takes))
            now = {path: entry[-1] for path, entry in tree(homes).items()}
            ana = {path: content for path, content in now.items() if path.startswith(b"/ana")}
            assert ana in ({}, {path: content for path, content in whole.items() if path.startswith(b"/ana")})
            assert now[b"/bea/notes.ipynb"] in (b"damaged", whole[b"/bea/notes.ipynb"])
            if number % 5 == 4:
                apply_restore(plan_restore(location, homes))
                assert tree(homes) == before
            for folder in homes.parent.glob(".riskhub-restore-*"):
                shutil.rmtree(folder)


def test_a_push_killed_right_after_its_point_was_made_keeps_its_point(
    location: MirrorLocation, homes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its announcement outlives it, as if it had not finished."""
    with monkeypatch.context() as patched:
        win = sys.modules["systems.mirror.push"].win_point

        def killed(*given: object) -> None:
            win(*given)
            raise SystemExit

        patched.setattr(sys.modules["systems.mirror.push"], "win_point", killed)
        with pytest.raises(SystemExit):
            push(homes, location)
    (point,) = [each.id for each in history(location)]
    before = tree(homes)
    (homes / "ana" / "notes.ipynb").write_text("edited")
    push(homes, location)
    push(homes, location)

    apply_restore(plan_restore(location, tmp_path / "then", point=point))
    assert tree(tmp_path / "then") == before


def test_a_first_push_that_was_killed_does_not_begin_again(
    location: MirrorLocation, homes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it had sent, and recorded in pages, is taken over; what changed since is not."""

    def killed(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(sys.modules["systems.mirror.push"], "win_point", killed)
        with pytest.raises(SystemExit):
            push(homes, location)
    assert history(location) == ()
    (homes / "bea" / "notes.ipynb").write_text("edited since")
    monkeypatch.setattr(healing, "_SKEW", timedelta(seconds=-5))  # the files are younger than a minute

    assert push(homes, location).uploaded == 1

    apply_restore(plan_restore(location, tmp_path / "restored"))
    assert tree(tmp_path / "restored") == tree(homes)
    assert verify(location, homes).state == "complete"
