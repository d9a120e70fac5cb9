"""The measures against published figures, and against what must not be computed at all."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from risk_metrics import (
    cornish_fisher_es,
    cornish_fisher_var,
    drawdown,
    drawdown_episodes,
    ewma_es,
    ewma_var,
    garch_es,
    garch_var,
    gaussian_es,
    gaussian_var,
    historical_es,
    historical_var,
    portfolio_returns,
    rolling_historical_es,
    rolling_historical_var,
    rolling_volatility,
    simple_returns,
)
from scipy import integrate, optimize, stats

VAR = [historical_var, gaussian_var, cornish_fisher_var, ewma_var, garch_var]
ES = [historical_es, gaussian_es, cornish_fisher_es, ewma_es, garch_es]
OF_THE_DISTRIBUTION = [*VAR[:3], *ES[:3]]

Measure = Callable[[pd.Series, float], float]


@st.composite
def samples(draw: st.DrawFn) -> pd.Series:
    """Returns as markets have them: a mean near zero, tails fatter than the normal's, leaning to either side."""
    days, order = draw(st.integers(60, 300)), draw(st.integers(0, 2**32 - 1))
    scale, drift = draw(st.floats(0.002, 0.04)), draw(st.floats(-0.002, 0.002))
    fatness, lean = draw(st.floats(0.3, 1)), draw(st.floats(-0.3, 0.3))
    scores = stats.norm.ppf((np.arange(days) + 0.5) / days)
    return pd.Series(np.random.default_rng(order).permutation(drift + scale * np.sinh(fatness * (scores + lean))))


def with_moments(mean: float, deviation: float, skew: float, kurtosis: float, days: int) -> pd.Series:
    """A sample of so many days with exactly these moments (ddof=0): a cubic of normal scores (Fleishman, 1978)."""
    scores = stats.norm.ppf((np.arange(days) + 0.5) / days)

    def sample(coefficients: np.ndarray) -> np.ndarray:
        return np.polynomial.polynomial.polyval(scores, coefficients)

    def miss(coefficients: np.ndarray) -> list[float]:
        found = sample(coefficients)
        return [found.mean(), found.std() - 1, stats.skew(found) - skew, stats.kurtosis(found) - kurtosis]

    return pd.Series(mean + deviation * sample(optimize.root(miss, [0, 1, 0, 0], tol=1e-14).x))


def test_the_series_has_its_published_moments(sp500: pd.Series) -> None:
    assert len(sp500) == 5030
    assert sp500.std() == pytest.approx(1.203074, abs=5e-7)


@pytest.mark.parametrize(("confidence", "published"), [(0.95, 1.86433), (0.975, 2.47240), (0.99, 3.30594)])
def test_historical_var_is_the_published_one(sp500: pd.Series, confidence: float, published: float) -> None:
    assert historical_var(sp500, confidence) == pytest.approx(published, abs=5e-6)


@pytest.fixture(scope="module")
def convertible_arbitrage() -> pd.Series:
    """Moments of the EDHEC index Convertible Arbitrage, January 1997 to April 2005: its first 100 months."""
    return with_moments(0.007547, 0.01196460158133149, -0.8925105886315028, 1.3048400638649618, days=100)


@pytest.mark.parametrize(
    ("measure", "published"), [(gaussian_var, 0.012133), (cornish_fisher_var, 0.014674), (gaussian_es, 0.017133)]
)
def test_measures_of_moments_are_those_published_for_edhec(
    convertible_arbitrage: pd.Series, measure: Measure, published: float
) -> None:
    assert measure(convertible_arbitrage, 0.95) == pytest.approx(published, abs=5e-7)


@pytest.mark.parametrize(("measure", "published"), [(historical_var, 0.014095), (historical_es, 0.024080)])
def test_historical_measures_are_those_published_for_edhec(measure: Measure, published: float) -> None:
    worst_of_100_months = [-0.0319, -0.0316, -0.0214, -0.0196, -0.0159, -0.0140]
    returns = pd.Series([*worst_of_100_months, *[0.01] * 94])
    assert measure(returns, 0.95) == pytest.approx(published, abs=5e-7)


def scipys_quantile(returns: pd.Series, confidence: float) -> float:
    """Type 7 of Hyndman and Fan, as scipy counts it."""
    return float(stats.mstats.mquantiles(returns, [1 - confidence], alphap=1, betap=1)[0])


@pytest.mark.parametrize(
    ("measure", "theirs"),
    [
        (historical_var, lambda returns, confidence: -scipys_quantile(returns, confidence)),
        (historical_es, lambda returns, level: -stats.tmean(returns, (None, scipys_quantile(returns, level)))),
        (gaussian_var, lambda returns, confidence: -stats.norm(*stats.norm.fit(returns)).ppf(1 - confidence)),
    ],
)
@pytest.mark.parametrize("confidence", [0.95, 0.99])
def test_measures_agree_with_scipy(stocks: pd.DataFrame, measure: Measure, theirs: Measure, confidence: float) -> None:
    for name in stocks:
        assert measure(stocks[name], confidence) == pytest.approx(theirs(stocks[name], confidence), rel=1e-9)


@pytest.mark.parametrize(("var", "es"), list(zip(VAR[:3], ES[:3], strict=True))[1:])
def test_expected_shortfall_is_the_mean_of_the_var_beyond(
    convertible_arbitrage: pd.Series, var: Measure, es: Measure
) -> None:
    beyond, _ = integrate.quad(lambda level: var(convertible_arbitrage, level), 0.95, 1 - 1e-13)
    assert es(convertible_arbitrage, 0.95) == pytest.approx(beyond / 0.05, rel=1e-7)


@settings(deadline=None)
@given(samples(), st.sampled_from([0.9, 0.95, 0.975, 0.99]))
def test_expected_shortfall_is_never_below_the_var(returns: pd.Series, confidence: float) -> None:
    for var, es in zip(VAR[:4], ES[:4], strict=True):
        assert es(returns, confidence) >= var(returns, confidence)


@settings(deadline=None)
@given(samples(), st.floats(0.01, 100))
def test_measures_scale_with_the_position(returns: pd.Series, factor: float) -> None:
    for measure in [*OF_THE_DISTRIBUTION, ewma_var, ewma_es]:
        assert measure(factor * returns, 0.95) == pytest.approx(factor * measure(returns, 0.95), rel=1e-6)


@settings(deadline=None)
@given(samples(), st.floats(-0.01, 0.01))
def test_what_is_earned_for_certain_is_taken_off_the_loss(returns: pd.Series, earned: float) -> None:
    for measure in OF_THE_DISTRIBUTION:
        assert measure(returns + earned, 0.95) == pytest.approx(measure(returns, 0.95) - earned, abs=1e-9)


@settings(deadline=None)
@given(samples())
def test_a_higher_confidence_never_has_a_lower_var(returns: pd.Series) -> None:
    for var in VAR[:4]:
        assert var(returns, 0.95) <= var(returns, 0.99)


def test_a_shape_that_cornish_fisher_cannot_follow_is_refused() -> None:
    gains_of_a_lottery = pd.Series([0.5, *np.linspace(-0.01, 0.01, 99)])
    for measure in (cornish_fisher_var, cornish_fisher_es):
        with pytest.raises(ValueError, match=r"skewness 9\.\d+ and excess kurtosis 9\d\.\d+ .* take the historical"):
            measure(gains_of_a_lottery, 0.95)


@pytest.mark.parametrize("measure", [cornish_fisher_var, ewma_var, garch_var])
def test_a_stale_price_has_no_shape_and_no_volatility(measure: Measure) -> None:
    with pytest.raises(ValueError, match="all 0: a stale price"):
        measure(pd.Series([0.0] * 100), 0.99)


def test_rolling_shortfall_is_that_of_the_days_before(sp500: pd.Series) -> None:
    rolling = rolling_historical_es(sp500, 0.975, 250)
    assert rolling.iloc[:250].isna().all()
    assert rolling.index.equals(sp500.index)
    for day in (250, 1000, len(sp500) - 1):
        assert rolling.iloc[day] == pytest.approx(historical_es(sp500.iloc[day - 250 : day], 0.975))


@pytest.mark.parametrize("window", [59, 5031])
def test_a_window_too_short_or_too_long_is_refused(sp500: pd.Series, window: int) -> None:
    for rolling in (rolling_historical_var, rolling_historical_es):
        with pytest.raises(ValueError, match=f"a window of {window} days"):
            rolling(sp500, 0.99, window)


@pytest.mark.parametrize("rolling", [rolling_historical_var, rolling_historical_es])
def test_a_rolling_measure_does_not_know_the_day_it_is_for(
    sp500: pd.Series, rolling: Callable[[pd.Series, float, int], pd.Series]
) -> None:
    crashed = sp500.copy()
    crashed.iloc[-1] = -50.0
    assert rolling(crashed, 0.99, 250).iloc[-1] == rolling(sp500, 0.99, 250).iloc[-1]


def test_gaussian_measures_are_the_closed_form_of_a_normal_sample() -> None:
    sample = pd.Series(np.random.default_rng(7).normal(0.001, 0.02, 1_000_000))
    assert gaussian_var(sample, 0.99) == pytest.approx(0.02 * 2.326348 - 0.001, rel=2e-3)
    assert gaussian_es(sample, 0.975) == pytest.approx(0.02 * 2.337803 - 0.001, rel=2e-3)
    assert historical_es(sample, 0.975) == pytest.approx(gaussian_es(sample, 0.975), rel=1e-2)


def test_expected_shortfall_is_the_mean_beyond_the_quantile() -> None:
    returns = pd.Series(-np.arange(100) / 1000)
    assert historical_var(returns, 0.95) == pytest.approx(0.09405)
    assert historical_es(returns, 0.95) == pytest.approx(np.mean([0.095, 0.096, 0.097, 0.098, 0.099]))


@pytest.mark.parametrize("measure", [*VAR, *ES])
@pytest.mark.parametrize("confidence", [True, 0.05, 1.0, 95, float("nan"), "0.99", None])
def test_a_confidence_without_a_meaning_is_refused(sp500: pd.Series, measure: Measure, confidence: float) -> None:
    with pytest.raises(ValueError, match="confidence is a number between"):
        measure(sp500, confidence)


@pytest.mark.parametrize("measure", [*VAR, *ES])
def test_too_short_a_history_is_refused(sp500: pd.Series, measure: Measure) -> None:
    with pytest.raises(ValueError, match="18 days of returns"):
        measure(sp500.tail(18), 0.99)


@pytest.mark.parametrize("measure", [*VAR, *ES])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_returns_that_are_no_numbers_are_refused(sp500: pd.Series, measure: Measure, value: float) -> None:
    with pytest.raises(ValueError, match="returns hold NaN or infinite"):
        measure(pd.concat([sp500, pd.Series([value])]), 0.99)


@pytest.mark.parametrize("price", [float("nan"), 0.0, -1.0])
def test_a_missing_or_impossible_price_is_named(price: float) -> None:
    prices = pd.DataFrame({"KO": [60.0, 61.0], "XOM": [100.0, price]})
    with pytest.raises(ValueError, match="XOM"):
        simple_returns(prices)


def test_drawdown_counts_from_the_start_and_ends_at_a_new_high() -> None:
    assert list(drawdown(pd.Series([-0.1, 0.0, 0.5])).round(10)) == [-0.1, -0.1, 0.0]


def step_by_step(returns: pd.Series) -> tuple[list[float], list[dict[str, object]]]:
    """Drawdowns and their episodes, one day after the other."""
    value = high = 1.0
    below: list[float] = []
    episodes: list[dict[str, object]] = []
    for day, change in returns.items():
        value *= 1 + change
        was_below, high = bool(below and below[-1] < 0), max(high, value)
        below.append(value / high - 1)
        if below[-1] < 0 and not was_below:
            episodes.append({"first": day, "depth": 0.0, "recovered": None, "days": 0})
        if below[-1] < 0:
            episodes[-1]["days"] += 1
            if -below[-1] > episodes[-1]["depth"]:
                episodes[-1] |= {"depth": -below[-1], "trough": day}
        elif was_below:
            episodes[-1]["recovered"] = day
    return below, episodes


def test_drawdowns_and_their_episodes_are_those_found_step_by_step(stocks: pd.DataFrame) -> None:
    for name in stocks:
        below, expected = step_by_step(stocks[name])
        assert drawdown(stocks[name]).to_numpy() == pytest.approx(np.array(below), abs=1e-12)
        ours = drawdown_episodes(stocks[name])
        by_first = {each["first"]: each for each in expected}
        assert len(ours) == len(by_first) > 1 and ours["depth"].is_monotonic_decreasing
        for row in ours.itertuples():
            theirs = by_first[row.first]
            assert row.depth == pytest.approx(theirs["depth"], abs=1e-12)
            recovered = None if pd.isna(row.recovered) else row.recovered
            assert (row.trough, recovered, row.days) == (theirs["trough"], theirs["recovered"], theirs["days"])


def test_an_episode_ends_on_the_day_of_the_old_high_or_not_at_all() -> None:
    days = pd.date_range("2022-01-03", periods=6)
    episodes = drawdown_episodes(pd.Series([-0.2, 0.25, 0.1, -0.5, 0.0, 0.1], index=days))
    assert list(episodes["depth"]) == pytest.approx([0.5, 0.2])
    assert list(episodes["first"]) == [days[3], days[0]]
    assert list(episodes["days"]) == [3, 1]
    assert list(episodes["recovered"]) == [pd.NaT, days[1]]
    assert drawdown_episodes(pd.Series([0.1, 0.0], index=days[:2])).empty


@pytest.mark.parametrize(("value", "cause"), [(float("nan"), "NaN or infinite"), (-1.5, "more than everything")])
def test_a_drawdown_of_impossible_returns_is_refused(value: float, cause: str) -> None:
    with pytest.raises(ValueError, match=cause):
        drawdown(pd.Series([0.1, value]))


def test_volatility_is_told_a_year() -> None:
    returns = pd.Series([0.01, -0.01] * 20)
    assert rolling_volatility(returns, 40).iloc[-1] == pytest.approx(0.01 * np.sqrt(40 / 39) * np.sqrt(252))


def test_a_portfolio_needs_weights_of_its_own_instruments_that_sum_to_one() -> None:
    returns = pd.DataFrame({"KO": [0.01], "XOM": [0.03]})
    assert portfolio_returns(returns, pd.Series({"XOM": 0.25, "KO": 0.75})).iloc[0] == pytest.approx(0.015)
    with pytest.raises(ValueError, match="different instruments"):
        portfolio_returns(returns, pd.Series({"KO": 1.0}))
    with pytest.raises(ValueError, match=r"sum to 1\.1"):
        portfolio_returns(returns, pd.Series({"XOM": 0.35, "KO": 0.75}))
    with pytest.raises(ValueError, match="weights hold NaN"):
        portfolio_returns(returns, pd.Series({"XOM": float("nan"), "KO": 1.0}))
    with pytest.raises(ValueError, match="instrument twice"):
        portfolio_returns(returns, pd.Series([0.5, 0.25, 0.25], index=["XOM", "KO", "KO"]))
