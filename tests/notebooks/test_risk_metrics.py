"""The measures against published figures, and against what must not be computed at all."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from risk_metrics import (
    drawdown,
    gaussian_es,
    gaussian_var,
    historical_es,
    historical_var,
    kupiec_pof,
    portfolio_returns,
    rolling_historical_var,
    rolling_volatility,
    simple_returns,
)
from risk_platform_client import RiskPlatformAPI


@pytest.fixture(scope="module")
def sp500(risk_api_url: str) -> pd.Series:
    """The S&P 500's simple daily returns in per cent, 1999-2018: the series of the arch documentation."""
    closes = RiskPlatformAPI(risk_api_url, "token-of-a-data-scientist").market_data("sp500")[["adjusted_close"]]
    return 100 * simple_returns(closes)["adjusted_close"]


def test_the_series_has_its_published_moments(sp500: pd.Series) -> None:
    assert len(sp500) == 5030
    assert sp500.std() == pytest.approx(1.203074, abs=5e-7)


@pytest.mark.parametrize(("confidence", "published"), [(0.95, 1.86433), (0.975, 2.47240), (0.99, 3.30594)])
def test_historical_var_is_the_published_one(sp500: pd.Series, confidence: float, published: float) -> None:
    assert historical_var(sp500, confidence) == pytest.approx(published, abs=5e-6)


def test_rolling_var_is_breached_as_often_as_published(sp500: pd.Series) -> None:
    var = rolling_historical_var(sp500, 0.99, 250).dropna()
    breaches = int((sp500.loc[var.index] < -var).sum())
    assert (breaches, len(var)) == (81, 4780)
    assert kupiec_pof(breaches, len(var), 0.99).statistic == pytest.approx(19.28, abs=0.005)


def test_rolling_var_does_not_know_the_day_it_is_for(sp500: pd.Series) -> None:
    crashed = sp500.copy()
    crashed.iloc[-1] = -50.0
    last = rolling_historical_var(sp500, 0.99, 250).iloc[-1]
    assert rolling_historical_var(crashed, 0.99, 250).iloc[-1] == last


@pytest.mark.parametrize(
    ("exceptions", "days", "confidence", "statistic", "p_value"),
    [(57, 1043, 0.95, 0.46147, 0.49694), (17, 1043, 0.99, 3.5118, 0.0609)],
)
def test_kupiec_gives_the_published_statistics(
    exceptions: int, days: int, confidence: float, statistic: float, p_value: float
) -> None:
    test = kupiec_pof(exceptions, days, confidence)
    assert test.statistic == pytest.approx(statistic, abs=5e-5)
    assert test.p_value == pytest.approx(p_value, abs=5e-5)


def test_kupiec_stands_at_its_ends() -> None:
    assert kupiec_pof(0, 250, 0.99).statistic == pytest.approx(-2 * 250 * np.log(0.99))
    assert kupiec_pof(250, 250, 0.99).p_value == pytest.approx(0, abs=1e-12)
    with pytest.raises(ValueError, match="251 exceptions in 250 days"):
        kupiec_pof(251, 250, 0.99)


def test_gaussian_measures_are_the_closed_form_of_a_normal_sample() -> None:
    sample = pd.Series(np.random.default_rng(7).normal(0.001, 0.02, 1_000_000))
    assert gaussian_var(sample, 0.99) == pytest.approx(0.02 * 2.326348 - 0.001, rel=2e-3)
    assert gaussian_es(sample, 0.975) == pytest.approx(0.02 * 2.337803 - 0.001, rel=2e-3)
    assert historical_es(sample, 0.975) == pytest.approx(gaussian_es(sample, 0.975), rel=1e-2)


def test_expected_shortfall_is_the_mean_beyond_the_quantile() -> None:
    returns = pd.Series(-np.arange(100) / 1000)
    assert historical_var(returns, 0.95) == pytest.approx(0.09405)
    assert historical_es(returns, 0.95) == pytest.approx(np.mean([0.095, 0.096, 0.097, 0.098, 0.099]))


@pytest.mark.parametrize("confidence", [True, 0.05, 1.0, float("nan")])
def test_a_confidence_without_a_meaning_is_refused(sp500: pd.Series, confidence: float) -> None:
    with pytest.raises(ValueError, match="confidence"):
        historical_var(sp500, confidence)


def test_too_short_a_history_is_refused(sp500: pd.Series) -> None:
    with pytest.raises(ValueError, match="18 days of returns"):
        historical_var(sp500.tail(18), 0.99)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_returns_that_are_no_numbers_are_refused(sp500: pd.Series, value: float) -> None:
    with pytest.raises(ValueError, match="NaN or infinite"):
        gaussian_var(pd.concat([sp500, pd.Series([value])]), 0.99)


@pytest.mark.parametrize("price", [float("nan"), 0.0, -1.0])
def test_a_missing_or_impossible_price_is_named(price: float) -> None:
    prices = pd.DataFrame({"KO": [60.0, 61.0], "XOM": [100.0, price]})
    with pytest.raises(ValueError, match="XOM"):
        simple_returns(prices)


def test_drawdown_counts_from_the_start_and_ends_at_a_new_high() -> None:
    assert list(drawdown(pd.Series([-0.1, 0.0, 0.5])).round(10)) == [-0.1, -0.1, 0.0]


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
