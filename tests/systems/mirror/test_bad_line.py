"""A store that errs, stalls and hangs up: a push or restore gets through, or ends with all that was there before."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.errors import Refused, RiskhubError, Unreachable
from environments.settings import ObjectStoreSettings
from systems.mirror import MirrorLocation, apply_restore, history, plan_restore, push, verify
from tests.systems.mirror.bad_line import BadLine, Fault, bad_line
from tests.systems.mirror.trees import tree

FAULTS: tuple[Fault, ...] = ("500", "503", "lost answer", "cut", "cut body", "slow body")


@pytest.fixture(scope="module")
def line(store: ObjectStoreSettings) -> Iterator[BadLine]:
    with bad_line(str(store.endpoint_url)) as made:
        yield made


@pytest.fixture
def far(line: BadLine, location: MirrorLocation) -> Iterator[MirrorLocation]:
    """The mirror, reached by the bad line."""
    line.choose = lambda method, path: None
    line.seen.clear()
    yield MirrorLocation(location.store.model_copy(update={"endpoint_url": line.url}), location.prefix)
    line.choose = lambda method, path: None


def more_files(homes: Path, count: int = 40) -> None:
    for number in range(count):
        (homes / "ana" / f"{number}.csv").write_text(f"{number}\n" * 200)


def now_and_then(line: BadLine, seed: int, fault: Fault, share: float = 0.08) -> None:
    """That fault for some of the requests; never for two of the same in a row."""
    chance, lock, last = random.Random(seed), threading.Lock(), [("", "")]  # noqa: S311

    def choose(method: str, path: str) -> Fault | None:
        with lock:
            if (method, path) == last[0] or chance.random() > share:
                return None
            last[0] = (method, path)
            return fault

    line.choose = choose


@pytest.mark.parametrize("fault", FAULTS)
def test_a_push_gets_through_a_store_that_fails_now_and_then(  # noqa: PLR0917 - pytest names them
    far: MirrorLocation, location: MirrorLocation, line: BadLine, homes: Path, tmp_path: Path, fault: Fault
) -> None:
    more_files(homes)
    now_and_then(line, 1, fault)
    result = push(homes, far)
    line.choose = lambda method, path: None

    assert result.state == "complete"
    apply_restore(plan_restore(location, tmp_path / "restored"))
    assert tree(tmp_path / "restored") == tree(homes)
    assert verify(location, homes).state == "complete"


@pytest.mark.parametrize("fault", FAULTS)
def test_a_restore_gets_through_a_store_that_fails_now_and_then_or_touches_nothing(
    far: MirrorLocation, line: BadLine, homes: Path, tmp_path: Path, fault: Fault
) -> None:
    more_files(homes)
    push(homes, far)
    now_and_then(line, 2, fault)
    try:
        apply_restore(plan_restore(far, tmp_path / "restored"))
    except Unreachable:
        assert not (tmp_path / "restored").exists()
        line.choose = lambda method, path: None
        apply_restore(plan_restore(far, tmp_path / "restored"))
    assert tree(tmp_path / "restored") == tree(homes)
    assert not list(tmp_path.glob(".riskhub-restore-*"))


def test_a_store_that_is_busy_for_good_is_unreachable_and_the_point_before_stays(
    far: MirrorLocation, location: MirrorLocation, line: BadLine, homes: Path, tmp_path: Path
) -> None:
    push(homes, far)
    before = tree(homes)
    more_files(homes, 3)
    line.choose = lambda method, path: "503" if method == "PUT" else None

    with pytest.raises(Unreachable, match="run again"):
        push(homes, far)

    assert len(history(location)) == 1
    apply_restore(plan_restore(location, tmp_path / "restored"))
    assert tree(tmp_path / "restored") == before


@pytest.mark.parametrize("after", [3, 20, 45])
def test_credentials_that_expire_midway_end_the_push_and_the_next_one_converges(  # noqa: PLR0917
    far: MirrorLocation, location: MirrorLocation, line: BadLine, homes: Path, tmp_path: Path, after: int
) -> None:
    push(homes, far)
    more_files(homes)
    (homes / "bea" / "notes.ipynb").unlink()
    line.seen.clear()
    line.choose = lambda method, path: "expired" if len(line.seen) > after else None

    with pytest.raises(Refused, match="expired"):
        push(homes, far)
    line.choose = lambda method, path: None

    assert len(history(location)) == 1
    assert push(homes, location).state == "complete"
    apply_restore(plan_restore(location, tmp_path / "restored"))
    assert tree(tmp_path / "restored") == tree(homes)
    assert verify(location, homes).state == "complete"


def test_a_point_whose_answer_was_lost_is_won_all_the_same(
    far: MirrorLocation, location: MirrorLocation, line: BadLine, homes: Path
) -> None:
    lost: list[str] = []

    def choose(method: str, path: str) -> Fault | None:
        if method == "PUT" and "/points/" in path and not lost:
            lost.append(path)
            return "lost answer"
        return None

    line.choose = choose
    point = push(homes, far).point
    assert lost
    assert [each.id for each in history(location)] == [point]


def test_a_store_that_goes_away_midway_ends_the_push_at_once(far: MirrorLocation, line: BadLine, homes: Path) -> None:
    more_files(homes, 2000)
    line.choose = lambda method, path: "expired" if method == "PUT" and ".csv" in path else None
    with pytest.raises(RiskhubError):
        push(homes, far)
    assert sum(method == "PUT" for method, _ in line.seen) < 500
