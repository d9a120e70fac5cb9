"""Stress: history that comes again, and factors that jump."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from risk_metrics import (
    factor_exposures,
    factor_shock,
    historical_stress,
    portfolio_returns,
    simple_returns,
    worst_window,
)
from risk_platform_client import RiskPlatformAPI


@pytest.fixture(scope="module")
def factors(risk_api_url: str, token: str, stocks: pd.DataFrame) -> pd.DataFrame:
    """Daily returns of five factor funds, on the days of the stocks that they know."""
    prices = RiskPlatformAPI(risk_api_url, token).market_data("factor-etfs")
    return simple_returns(prices).loc[lambda frame: frame.index.isin(stocks.index)]


def test_a_window_costs_what_its_prices_say(
    risk_api_url: str, token: str, stocks: pd.DataFrame, weights: pd.Series
) -> None:
    """From the close before Lehman's fall to the low of March 2009."""
    prices = RiskPlatformAPI(risk_api_url, token).prices(stocks.columns, "2008-09-12", "2009-03-09")
    change = prices.iloc[-1] / prices.iloc[0] - 1
    stress = historical_stress(stocks, weights, "2008-09-13", "2009-03-09")
    assert (stress.start, stress.end) == (pd.Timestamp("2008-09-15"), pd.Timestamp("2009-03-09"))
    assert stress.by_instrument.to_dict() == pytest.approx((-weights * change).to_dict())
    assert stress.loss == pytest.approx(stress.by_instrument.sum())
    assert stress.loss > 0.2


def test_the_worst_day_is_the_lowest_return(stocks: pd.DataFrame, weights: pd.Series) -> None:
    portfolio = portfolio_returns(stocks, weights)
    worst = worst_window(stocks, weights, 1)
    assert worst.start == worst.end == portfolio.idxmin()
    assert worst.loss == pytest.approx(-portfolio.min())


def test_no_window_of_that_length_is_worse(stocks: pd.DataFrame, weights: pd.Series) -> None:
    recent = stocks.loc["2019":"2021"]
    worst = worst_window(recent, weights, 20)
    assert len(recent.loc[worst.start : worst.end]) == 20
    others = [
        historical_stress(recent, weights, recent.index[day], recent.index[day + 19]).loss
        for day in range(len(recent) - 19)
    ]
    assert worst.loss == pytest.approx(max(others))
    assert worst.start > pd.Timestamp("2020-02-19")


def test_a_window_that_is_not_in_the_history_is_refused(stocks: pd.DataFrame, weights: pd.Series) -> None:
    for start, end, cause in [
        ("1987-10-19", "1987-10-19", "1987-10-19 to 1987-10-19 is not within the returns, 2006-01-04 to 2022-12-28"),
        ("2022-12-01", "2023-01-31", "not within"),
        ("2022-12-24", "2022-12-26", "no day of returns from 2022-12-24"),
        ("2020-03-23", "2020-02-19", "no day of returns"),
    ]:
        with pytest.raises(ValueError, match=cause):
            historical_stress(stocks, weights, start, end)
    with pytest.raises(ValueError, match="a window of 0 days"):
        worst_window(stocks, weights, 0)
    with pytest.raises(ValueError, match="a window of 61 days in 60 days"):
        worst_window(stocks.tail(60), weights, 61)


def test_stress_needs_whole_returns_and_whole_weights(stocks: pd.DataFrame, weights: pd.Series) -> None:
    holed = stocks.copy()
    holed.loc["2020-03-16", "KO"] = np.nan
    with pytest.raises(ValueError, match="NaN or infinite"):
        historical_stress(holed, weights, "2020-02-19", "2020-03-23")
    with pytest.raises(ValueError, match="NaN or infinite"):
        worst_window(holed, weights, 20)
    with pytest.raises(ValueError, match="sum to"):
        historical_stress(stocks, weights * 2, "2020-02-19", "2020-03-23")


def test_exposures_are_those_of_statsmodels(stocks: pd.DataFrame, factors: pd.DataFrame) -> None:
    returns = stocks.loc[factors.index]
    exposures = factor_exposures(returns, factors)
    assert list(exposures.index) == list(stocks.columns)
    for name in returns:
        theirs = sm.OLS(returns[name], sm.add_constant(factors)).fit().params
        assert exposures.loc[name].to_dict() == pytest.approx(theirs[factors.columns].to_dict(), rel=1e-8)


def test_a_shock_costs_weight_times_exposure_times_shock() -> None:
    exposures = pd.DataFrame({"market": [1.2, 0.5], "oil": [0.0, 0.8]}, index=["AAPL", "XOM"])
    losses = factor_shock(exposures, pd.Series({"XOM": 0.4, "AAPL": 0.6}), pd.Series({"oil": -0.3, "market": -0.1}))
    assert losses.to_dict() == pytest.approx({"AAPL": 0.6 * 0.12, "XOM": 0.4 * (0.05 + 0.24)})


def test_factors_that_cannot_be_told_apart_are_refused(stocks: pd.DataFrame, factors: pd.DataFrame) -> None:
    returns = stocks.loc[factors.index]
    doubled = factors.assign(twice=2 * factors.iloc[:, 0])
    with pytest.raises(ValueError, match="twice are collinear"):
        factor_exposures(returns, doubled)
    with pytest.raises(ValueError, match="different days"):
        factor_exposures(returns.iloc[1:], factors)
    with pytest.raises(ValueError, match="factors hold NaN"):
        factor_exposures(returns, factors.assign(hole=np.nan))
    with pytest.raises(ValueError, match="18 days of returns"):
        factor_exposures(returns.tail(18), factors.tail(18))


def test_a_shock_of_unknown_or_missing_factors_is_refused() -> None:
    exposures = pd.DataFrame({"market": [1.2], "oil": [0.1]}, index=["AAPL"])
    whole = pd.Series({"AAPL": 1.0})
    with pytest.raises(ValueError, match=r"shocks are of \['market'\], the exposures of \['market', 'oil'\]"):
        factor_shock(exposures, whole, pd.Series({"market": -0.1}))
    with pytest.raises(ValueError, match="shocks hold NaN"):
        factor_shock(exposures, whole, pd.Series({"market": -0.1, "oil": np.nan}))
    with pytest.raises(ValueError, match="weights and exposures name different"):
        factor_shock(exposures, pd.Series({"MSFT": 1.0}), pd.Series({"market": -0.1, "oil": 0.0}))
