"""The rate of stops follows the Hub's latency: up while it is calm, down while others would wait."""

from __future__ import annotations

from systems.hub.pace import Rate

USUAL = 0.02


def told(rate: Rate, *latencies: float, wanted: bool = True) -> float:
    for latency in latencies:
        rate.seen(latency, wanted=wanted)
    return rate.per_second


def test_it_grows_by_steps_while_the_hub_is_calm():
    rate = Rate(USUAL)
    began = rate.per_second
    assert told(rate, *[USUAL] * 5) == began + 5


def test_it_does_not_grow_while_nobody_wants_more():
    rate = Rate(USUAL)
    began = rate.per_second
    assert told(rate, *[USUAL] * 50, wanted=False) == began


def test_it_falls_by_shares_while_calls_queue_and_recovers():
    rate = Rate(USUAL)
    high = told(rate, *[USUAL] * 30)
    low = told(rate, *[0.3] * 20)
    assert low < high / 2
    assert told(rate, *[USUAL] * 30) > low


def test_one_slow_answer_is_no_queue():
    rate = Rate(USUAL)
    before = told(rate, *[USUAL] * 20)
    assert told(rate, 0.25) >= before


def test_an_answer_that_took_as_long_as_many_is_as_many():
    rate = Rate(USUAL)
    before = told(rate, *[USUAL] * 20)
    assert told(rate, 1.5) < before


def test_it_never_leaves_its_bounds():
    rate = Rate(USUAL)
    assert told(rate, *[USUAL] * 500) == Rate.highest
    assert told(rate, *[5.0] * 60) == Rate.lowest


def test_a_hub_that_is_slow_at_the_lowest_rate_too_is_slow_for_another_reason():
    rate = Rate(USUAL)
    assert told(rate, *[0.09] * 30) == Rate.lowest
    assert told(rate, *[0.09] * 100) > Rate.lowest


def test_a_hub_on_which_others_wait_long_is_spared_whatever_the_reason():
    rate = Rate(USUAL)
    assert told(rate, *[0.4] * 500) == Rate.lowest
