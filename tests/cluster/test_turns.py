"""A Lease on a real API server: one holder, whoever was killed loses it, and nobody takes away what is another's."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from domain.deployment import ObjectKey
from domain.errors import Refused
from systems.cluster.connection import cluster_of, connect
from systems.cluster.turns import LASTS, Turn

KEY = ObjectKey("coordination.k8s.io/v1", "Lease", "jupyterhub-drill", "test-of-turns")


def a_turn(cluster) -> Turn:
    return Turn(connect(cluster_of(cluster.environment)), KEY)


@pytest.fixture
def held(cluster) -> Iterator[Turn]:
    turn = a_turn(cluster)
    turn.take()
    yield turn
    turn.give_back()


def test_a_live_holder_is_seen_by_its_renewal_and_refuses_another(cluster, held):
    began = time.monotonic()
    with pytest.raises(Refused, match=r"test-of-turns is held by .*Next: wait for it to end"):
        a_turn(cluster).take()
    assert time.monotonic() - began < LASTS.total_seconds(), "its first renewal told"
    held.require()


def test_a_turn_that_is_given_back_is_had_at_once(cluster):
    for _ in range(2):
        turn = a_turn(cluster)
        began = time.monotonic()
        turn.take()
        assert time.monotonic() - began < 5
        turn.give_back()
    with pytest.raises(Refused, match="held by nobody"):
        turn.require()


def test_of_two_at_once_one_has_it(cluster):
    def is_taken(turn: Turn) -> bool:
        try:
            turn.take()
        except Refused:
            return False
        return True

    turns = [a_turn(cluster) for _ in range(4)]
    with ThreadPoolExecutor(len(turns)) as pool:
        taken = list(pool.map(is_taken, turns))
    assert taken.count(True) == 1
    turns[taken.index(True)].give_back()


def test_who_stands_still_loses_it_and_leaves_the_next_ones_alone(cluster):
    stood_still, following = a_turn(cluster), a_turn(cluster)
    stood_still.take()
    stood_still._over.set()  # as a machine that froze: it renews no more
    following.take()
    with pytest.raises(Refused, match="test-of-turns is held by"):
        stood_still.require()
    stood_still.give_back()
    following.require()
    following.give_back()
