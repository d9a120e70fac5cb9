"""Backtests against published statistics, scipy's G-tests, Basel's table as the Risk API serves it, and models whose
answer is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from risk_metrics import (
    acerbi_szekely,
    christoffersen_independence,
    conditional_coverage,
    kupiec_pof,
    kupiec_tuff,
    rolling_historical_es,
    rolling_historical_var,
    traffic_light,
    var_exceptions,
)
from risk_platform_client import RiskPlatformAPI
from scipy import stats

Z_975 = stats.norm.ppf(0.975)
ES_975 = stats.norm.pdf(Z_975) / 0.025


@pytest.fixture(scope="module")
def published_exceptions() -> pd.Series:
    """57 exceptions in 1043 days: 4 the day after another, 53 after a calm day."""
    pairs, alone = [True, True, False], [True, False]
    days = [False] * (1043 - 4 * len(pairs) - 49 * len(alone)) + pairs * 4 + alone * 49
    return pd.Series(days)


@pytest.mark.parametrize(
    ("exceptions", "days", "confidence", "statistic", "p_value"),
    [(57, 1043, 0.95, 0.46147, 0.49694), (17, 1043, 0.99, 3.5118, 0.0609)],
)
def test_kupiec_gives_the_published_statistics(
    exceptions: int, days: int, confidence: float, statistic: float, p_value: float
) -> None:
    test = kupiec_pof(exceptions, days, confidence)
    assert test.statistic == pytest.approx(statistic, abs=5e-5 if confidence == 0.99 else 5e-6)
    assert test.p_value == pytest.approx(p_value, abs=5e-5 if confidence == 0.99 else 5e-6)


def test_kupiec_stands_at_its_ends() -> None:
    assert kupiec_pof(0, 250, 0.99).statistic == pytest.approx(-2 * 250 * np.log(0.99))
    assert kupiec_pof(250, 250, 0.99).p_value == pytest.approx(0, abs=1e-12)
    with pytest.raises(ValueError, match="251 exceptions in 250 days"):
        kupiec_pof(251, 250, 0.99)
    with pytest.raises(ValueError, match="confidence"):
        kupiec_pof(3, 250, confidence=True)


@settings(deadline=None)
@given(st.integers(1, 999), st.sampled_from([0.9, 0.95, 0.975, 0.99]))
def test_kupiec_is_a_g_test(exceptions: int, confidence: float) -> None:
    expected = [1000 * (1 - confidence), 1000 * confidence]
    theirs = stats.power_divergence([exceptions, 1000 - exceptions], expected, lambda_="log-likelihood")
    ours = kupiec_pof(exceptions, 1000, confidence)
    assert ours.statistic == pytest.approx(theirs.statistic, rel=1e-9, abs=1e-9)
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-6, abs=1e-12)


def test_time_until_first_failure_has_the_published_statistic() -> None:
    test = kupiec_tuff(58, 0.95)
    assert test.statistic == pytest.approx(1.7354, abs=5e-5)
    assert test.p_value == pytest.approx(0.18773, abs=5e-6)
    assert test.expected == pytest.approx(20)


def test_a_failure_on_the_expected_day_speaks_for_the_var_and_day_zero_is_refused() -> None:
    assert kupiec_tuff(20, 0.95).p_value == pytest.approx(1)
    assert kupiec_tuff(1, 0.95).statistic == pytest.approx(-2 * np.log(0.05))
    with pytest.raises(ValueError, match="the first exception on day 0"):
        kupiec_tuff(0, 0.95)
    with pytest.raises(ValueError, match="confidence"):
        kupiec_tuff(58, 0.05)


def test_independence_has_the_published_statistic(published_exceptions: pd.Series) -> None:
    test = christoffersen_independence(published_exceptions)
    assert (test.after_calm_calm, test.after_calm_exception) == (932, 53)
    assert (test.after_exception_calm, test.after_exception_exception) == (53, 4)
    assert test.statistic == pytest.approx(0.25866, abs=5e-6)
    assert test.p_value == pytest.approx(0.61104, abs=5e-6)


def test_conditional_coverage_has_the_published_statistic(published_exceptions: pd.Series) -> None:
    test = conditional_coverage(published_exceptions, 0.95)
    assert test.coverage == kupiec_pof(57, 1043, 0.95)
    assert test.statistic == pytest.approx(0.72013, abs=5e-6)
    assert test.p_value == pytest.approx(0.69763, abs=5e-6)


@settings(deadline=None)
@given(st.lists(st.booleans(), min_size=50, max_size=200))
def test_independence_is_a_g_test_of_the_transitions(days: list[bool]) -> None:
    test = christoffersen_independence(pd.Series(days))
    table = np.array(
        [
            [test.after_calm_calm, test.after_calm_exception],
            [test.after_exception_calm, test.after_exception_exception],
        ]
    )
    assert table.sum() == len(days) - 1
    if table.sum(axis=0).all() and table.sum(axis=1).all():
        theirs = stats.chi2_contingency(table, correction=False, lambda_="log-likelihood")
        assert test.statistic == pytest.approx(theirs.statistic, rel=1e-9, abs=1e-9)
        assert test.p_value == pytest.approx(theirs.pvalue, rel=1e-6, abs=1e-9)


def test_a_transition_is_from_the_day_before_to_the_day() -> None:
    test = christoffersen_independence(pd.Series([False, False, True]))
    assert (test.after_calm_calm, test.after_calm_exception, test.after_exception_calm) == (1, 1, 0)


def test_exactly_the_promised_share_gives_a_statistic_of_zero() -> None:
    for expected in range(1, 100):
        assert kupiec_pof(expected, 20 * expected, 0.95).statistic == pytest.approx(0, abs=1e-9)


def test_exceptions_in_one_run_are_not_independent() -> None:
    assert christoffersen_independence(pd.Series([False] * 240 + [True] * 10)).p_value < 1e-9
    assert christoffersen_independence(pd.Series([False] * 250)).p_value == 1
    assert christoffersen_independence(pd.Series([True] * 250)).p_value == 1


@pytest.mark.parametrize(
    ("days", "cause"), [([0, 1, 0], "True or False, by day; these are int64"), ([True], "1 days of exceptions")]
)
def test_what_are_no_exceptions_is_refused(days: list[object], cause: str) -> None:
    with pytest.raises(ValueError, match=cause):
        christoffersen_independence(pd.Series(days))
    with pytest.raises(ValueError, match=cause):
        conditional_coverage(pd.Series(days), 0.95)


@pytest.mark.parametrize(
    ("exceptions", "percent"),
    list(enumerate([8.11, 28.58, 54.32, 75.81, 89.22, 95.88, 98.63, 99.60, 99.89, 99.97, 99.99])),
)
def test_traffic_light_has_the_published_probabilities(exceptions: int, percent: float) -> None:
    light = traffic_light(exceptions)
    assert 100 * light.cumulative == pytest.approx(percent, abs=0.005)
    assert light.cumulative == pytest.approx(stats.binom.cdf(exceptions, 250, 0.01))


def test_traffic_light_has_the_multipliers_of_the_framework() -> None:
    lights = [traffic_light(exceptions) for exceptions in range(251)]
    assert [light.zone for light in lights[:12]] == ["green"] * 5 + ["yellow"] * 5 + ["red"] * 2
    assert [light.multiplier for light in lights[:11]] == [1.5] * 5 + [1.70, 1.76, 1.83, 1.88, 1.92, 2.00]
    assert {light.multiplier for light in lights[10:]} == {2.00}
    assert all(light.cumulative <= 1 for light in lights)


def test_traffic_light_is_the_one_that_the_risk_platform_serves(risk_api_url: str, token: str) -> None:
    served = RiskPlatformAPI(risk_api_url, token).regulatory_benchmarks()["traffic_light"]
    assert len(served) == 11
    for row in served:
        light = traffic_light(row["exceptions"])
        assert (light.zone, light.multiplier) == (row["zone"], row["multiplier"])


@pytest.mark.parametrize("exceptions", [-1, 251])
def test_more_exceptions_than_days_have_no_light(exceptions: int) -> None:
    with pytest.raises(ValueError, match=f"{exceptions} exceptions in 250 days"):
        traffic_light(exceptions)


def test_an_exception_is_a_loss_above_the_var_of_that_day() -> None:
    returns = pd.Series([-0.9, -0.02, -0.021, 0.05, -0.03])
    var = pd.Series([np.nan, 0.02, 0.02, 0.02, 0.04])
    assert var_exceptions(returns, var).to_dict() == {1: False, 2: True, 3: False, 4: False}


def test_a_var_with_holes_or_of_other_days_is_refused() -> None:
    returns = pd.Series([0.01, -0.02, 0.01])
    with pytest.raises(ValueError, match="different days"):
        var_exceptions(returns, pd.Series([0.02, 0.02]))
    with pytest.raises(ValueError, match="no day has a VaR"):
        var_exceptions(returns, pd.Series([np.nan] * 3))
    with pytest.raises(ValueError, match="VaR hold NaN"):
        var_exceptions(returns, pd.Series([0.02, np.nan, 0.02]))
    with pytest.raises(ValueError, match="returns hold NaN"):
        var_exceptions(pd.Series([0.01, np.nan, 0.01]), pd.Series([np.nan, 0.02, 0.02]))


def normal_days(days: int, deviation: float, seed: int) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Normal returns with `deviation`, and VaR and expected shortfall at 97.5 % as if it were 1."""
    returns = pd.Series(np.random.default_rng(seed).normal(0, deviation, days))
    return returns, pd.Series(Z_975, returns.index), pd.Series(ES_975, returns.index)


def test_shortfall_test_has_the_published_critical_value() -> None:
    """Acerbi and Szekely: -0.70 at 5 % for 250 days at 97.5 %, much the same for all but the fattest tails."""
    test = acerbi_szekely(*normal_days(250, 1.0, seed=1), 0.975)
    assert test.critical == pytest.approx(-0.70, abs=0.03)


def test_shortfall_test_adds_up_the_losses_beyond() -> None:
    returns, var, es = normal_days(250, 0.0, seed=1)
    returns.iloc[[10, 20]] = [-2.5, -3.0]
    test = acerbi_szekely(returns, var, es, 0.975)
    assert (test.exceptions, test.days) == (2, 250)
    assert test.statistic == pytest.approx(1 - (2.5 + 3.0) / ES_975 / 6.25)


def test_shortfall_test_accepts_a_right_model_about_as_often_as_it_should() -> None:
    rejected = sum(acerbi_szekely(*normal_days(250, 1.0, seed), 0.975).p_value < 0.05 for seed in range(100))
    assert 1 <= rejected <= 11


def test_shortfall_test_sees_a_volatility_that_doubled() -> None:
    test = acerbi_szekely(*normal_days(250, 2.0, seed=1), 0.975)
    assert test.statistic < test.critical
    assert test.p_value < 0.001


def test_shortfall_test_says_the_same_twice_and_knows_no_unit(sp500: pd.Series) -> None:
    var, es = rolling_historical_var(sp500, 0.975, 500), rolling_historical_es(sp500, 0.975, 500)
    first = acerbi_szekely(sp500, var, es, 0.975)
    assert acerbi_szekely(sp500, var, es, 0.975) == first
    assert acerbi_szekely(sp500 / 100, var / 100, es / 100, 0.975).p_value == pytest.approx(first.p_value, abs=2e-4)
    assert first.days == 4530
    assert first.exceptions == var_exceptions(sp500, var).sum()


def test_a_shortfall_that_does_not_fit_its_var_is_refused() -> None:
    returns, var, es = normal_days(250, 1.0, seed=1)
    for wrong, cause in [
        (es * 0.5, "below its VaR"),
        (es * -1, "not above zero"),
        (es.where(es.index != 7), "expected shortfalls hold NaN"),
        (es.iloc[1:], "different days"),
    ]:
        with pytest.raises(ValueError, match=cause):
            acerbi_szekely(returns, var, wrong, 0.975)
    with pytest.raises(ValueError, match="not above zero"):
        acerbi_szekely(returns, var - 5, es * 0, 0.975)
    with pytest.raises(ValueError, match="confidence"):
        acerbi_szekely(returns, var, es, 0.025)
