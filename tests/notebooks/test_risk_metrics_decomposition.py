"""Components of VaR and expected shortfall: the published figure, Euler's sum, and the slope they are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from risk_metrics import (
    component_var,
    gaussian_var,
    historical_component_es,
    historical_es,
    marginal_var,
    portfolio_returns,
)

Moments = tuple[pd.Series, pd.DataFrame]


@pytest.fixture(scope="module")
def moments(stocks: pd.DataFrame) -> Moments:
    return stocks.mean(), stocks.cov(ddof=0)


def test_components_sum_to_the_var_published_for_edhec() -> None:
    """Mean and covariance (ddof=1) of the first 100 months of Convertible Arbitrage, CTA Global, Distressed."""
    names = ["CA", "CTAG", "DIS"]
    mean = pd.Series([0.007547, 0.006266, 0.009919], names)
    upper = [0.00014459766767676769, -1.6045961616161587e-05, 0.00010899596666666677]
    middle = [-1.6045961616161587e-05, 0.0007427507515151515, -5.815682222222226e-05]
    lower = [0.00010899596666666677, -5.815682222222226e-05, 0.00026807711010101015]
    covariance = pd.DataFrame([upper, middle, lower], names, names)
    components = component_var(pd.Series([0.3, 0.4, 0.3], names), mean, covariance, 0.95)
    assert components.sum() == pytest.approx(0.012916, abs=5e-7)


@settings(deadline=None)
@given(st.lists(st.floats(-0.5, 1), min_size=5, max_size=5), st.sampled_from([0.95, 0.99]))
def test_components_sum_to_the_gaussian_var(
    stocks: pd.DataFrame, moments: Moments, held: list[float], confidence: float
) -> None:
    weights = pd.Series([*held, 1 - sum(held)], stocks.columns)
    components = component_var(weights, *moments, confidence)
    assert components.sum() == pytest.approx(gaussian_var(portfolio_returns(stocks, weights), confidence), rel=1e-9)


@settings(deadline=None)
@given(st.lists(st.floats(-0.5, 1), min_size=5, max_size=5), st.sampled_from([0.95, 0.99]))
def test_components_sum_to_the_historical_shortfall(stocks: pd.DataFrame, held: list[float], confidence: float) -> None:
    weights = pd.Series([*held, 1 - sum(held)], stocks.columns)
    components = historical_component_es(stocks, weights, confidence)
    assert components.sum() == pytest.approx(historical_es(portfolio_returns(stocks, weights), confidence), rel=1e-9)


def test_the_day_of_the_var_itself_is_a_tail_day(stocks: pd.DataFrame, weights: pd.Series) -> None:
    """The 25 % quantile of 101 days is the 26th lowest return, not a value between two."""
    days = stocks.tail(101)
    components = historical_component_es(days, weights, 0.75)
    assert components.sum() == pytest.approx(-portfolio_returns(days, weights).nsmallest(26).mean())


def test_marginal_var_is_the_slope_of_the_var(stocks: pd.DataFrame, weights: pd.Series, moments: Moments) -> None:
    """One dollar in a thousand moved from one stock to another changes the VaR by the difference of the slopes."""
    marginal = marginal_var(weights, *moments, 0.99)
    step = 1e-4 * ((weights.index == "BAC").astype(float) - (weights.index == "KO"))
    higher, lower = (gaussian_var(portfolio_returns(stocks, weights + sign * step), 0.99) for sign in (1, -1))
    assert (higher - lower) / 2e-4 == pytest.approx(marginal["BAC"] - marginal["KO"], rel=1e-5)


def test_components_come_by_name_whatever_the_order(stocks: pd.DataFrame, weights: pd.Series, moments: Moments) -> None:
    mean, covariance = moments
    components = component_var(weights, mean, covariance, 0.99)
    turned = component_var(weights[::-1], mean[::-1], covariance.iloc[::-1], 0.99)
    assert list(components.index) == list(stocks.columns)
    assert components.to_dict() == pytest.approx(turned.to_dict())
    alone = pd.Series({"KO": 1.0}).reindex(weights.index, fill_value=0)
    assert component_var(alone, mean, covariance, 0.99)["KO"] == pytest.approx(gaussian_var(stocks["KO"], 0.99))


def test_a_hedge_has_a_negative_component() -> None:
    names = ["stock", "put"]
    covariance = pd.DataFrame([[0.0004, -0.0003], [-0.0003, 0.0004]], names, names)
    components = component_var(pd.Series([0.9, 0.1], names), pd.Series(0.0, names), covariance, 0.99)
    assert components["put"] < 0 < components["stock"]


def test_moments_that_do_not_fit_are_refused(weights: pd.Series, moments: Moments) -> None:
    mean, covariance = moments
    skewed = covariance.copy()
    skewed.loc["KO", "XOM"] = 0.0
    missing = covariance.copy()
    missing.loc["KO", "KO"] = np.nan
    for wrong, cause in [
        ((weights * 1.1, mean, covariance), r"weights sum to 1\.1"),
        ((weights.drop("KO"), mean, covariance), "weights and covariance name different instruments"),
        ((weights, mean.drop("KO"), covariance), "mean and covariance name different instruments"),
        ((weights, mean, skewed), "covariance is not symmetric"),
        ((weights, mean, missing), "covariances hold NaN"),
        ((weights, mean * np.nan, covariance), "means hold NaN"),
        ((weights, mean, covariance * 0), "variance is 0"),
    ]:
        with pytest.raises(ValueError, match=cause):
            marginal_var(*wrong, 0.99)
    with pytest.raises(ValueError, match="confidence"):
        component_var(weights, mean, covariance, confidence=True)


def test_too_short_a_history_has_no_components(stocks: pd.DataFrame, weights: pd.Series) -> None:
    with pytest.raises(ValueError, match="18 days of returns"):
        historical_component_es(stocks.tail(18), weights, 0.975)
    with pytest.raises(ValueError, match="confidence"):
        historical_component_es(stocks, weights, 0.025)
