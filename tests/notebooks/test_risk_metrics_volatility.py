"""EWMA and GARCH against published figures, the `arch` library's own filter, and what they must not know."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from arch import arch_model
from arch.univariate import EWMAVariance
from risk_metrics import (
    ewma_es,
    ewma_var,
    ewma_volatility,
    fit_garch,
    garch_es,
    garch_var,
    kupiec_pof,
    rolling_ewma_var,
    rolling_garch_var,
    rolling_historical_var,
    var_exceptions,
)


def test_garch_has_the_published_parameters(sp500: pd.Series) -> None:
    garch = fit_garch(sp500)
    assert garch.mean == pytest.approx(0.056353, abs=5e-7)
    assert garch.omega == pytest.approx(0.017507, abs=5e-7)
    assert garch.alpha == pytest.approx(0.10215, abs=5e-6)
    assert garch.beta == pytest.approx(0.885206, abs=5e-7)
    assert garch.log_likelihood == pytest.approx(-6936.718, abs=5e-4)


def test_garch_is_the_same_in_fractions_and_in_per_cent(sp500: pd.Series) -> None:
    fractions, per_cent = fit_garch(sp500 / 100), fit_garch(sp500)
    expected = asdict(per_cent) | {
        "mean": per_cent.mean / 100,
        "omega": per_cent.omega / 1e4,
        "volatility": per_cent.volatility / 100,
        "log_likelihood": per_cent.log_likelihood + len(sp500) * np.log(100),
    }
    assert asdict(fractions) == pytest.approx(expected, rel=1e-9)
    assert garch_var(sp500 / 100, 0.99) == pytest.approx(garch_var(sp500, 0.99) / 100, rel=1e-9)


def test_garch_var_and_shortfall_are_the_next_step_of_the_recursion(sp500: pd.Series) -> None:
    garch, model = fit_garch(sp500), arch_model(sp500)
    filtered = model.fix([garch.mean, garch.omega, garch.alpha, garch.beta])
    last, residual = filtered.conditional_volatility.iloc[-1], sp500.iloc[-1] - garch.mean
    volatility = np.sqrt(garch.omega + garch.alpha * residual**2 + garch.beta * last**2)
    assert garch.volatility == pytest.approx(volatility, rel=1e-9)
    assert garch_var(sp500, 0.99) == pytest.approx(2.3263479 * volatility - garch.mean, rel=1e-7)
    assert garch_es(sp500, 0.975) == pytest.approx(2.3378028 * volatility - garch.mean, rel=1e-7)


def test_garch_that_does_not_converge_is_refused() -> None:
    exploding = np.random.default_rng(1).normal(0, 1, 300) * np.exp(np.linspace(-20, 20, 300))
    with pytest.raises(ValueError, match="GARCH did not converge on 300 days"):
        fit_garch(pd.Series(exploding))


def test_rolling_garch_uses_the_first_window_s_parameters_and_no_later_day(sp500: pd.Series) -> None:
    window = 1000
    rolling = rolling_garch_var(sp500, 0.99, window)
    assert rolling.index.equals(sp500.index)
    assert rolling.isna().sum() == window
    assert rolling.iloc[window] == pytest.approx(garch_var(sp500.iloc[:window], 0.99), rel=1e-6)
    crashed = sp500.iloc[:1500].copy()
    crashed.iloc[-1] = -50.0
    assert rolling_garch_var(crashed, 0.99, window).to_numpy() == pytest.approx(
        rolling.iloc[:1500].to_numpy(), nan_ok=True, rel=1e-9
    )


@pytest.mark.parametrize("window", [59, 5030])
def test_rolling_garch_needs_days_to_fit_and_days_to_tell(sp500: pd.Series, window: int) -> None:
    with pytest.raises(ValueError, match=f"a window of {window} days"):
        rolling_garch_var(sp500, 0.99, window)


def test_ewma_is_the_filter_of_arch(sp500: pd.Series) -> None:
    returns, variance = sp500.to_numpy(), np.empty(len(sp500))
    unbounded = np.tile([0.0, np.inf], (len(returns), 1))
    EWMAVariance(0.94).compute_variance(np.array([]), returns, variance, returns[0] ** 2, unbounded)
    ours = ewma_volatility(sp500)
    assert np.isnan(ours.iloc[0])
    assert ours.iloc[1:].to_numpy() == pytest.approx(np.sqrt(variance[1:]), rel=1e-12)


def test_rolling_ewma_var_is_breached_as_often_as_published(sp500: pd.Series) -> None:
    exceptions = var_exceptions(sp500, rolling_ewma_var(sp500, 0.99)).iloc[249:]
    assert (exceptions.sum(), len(exceptions)) == (95, 4780)
    assert kupiec_pof(95, 4780, 0.99).statistic == pytest.approx(36.57, abs=0.005)


def test_rolling_historical_var_is_breached_as_often_as_published(sp500: pd.Series) -> None:
    exceptions = var_exceptions(sp500, rolling_historical_var(sp500, 0.99, 250))
    assert (exceptions.sum(), len(exceptions)) == (81, 4780)
    assert kupiec_pof(81, 4780, 0.99).statistic == pytest.approx(19.28, abs=0.005)


def test_ewma_var_and_shortfall_are_of_the_day_after_the_last(sp500: pd.Series) -> None:
    tomorrow = pd.concat([sp500, pd.Series([-50.0])], ignore_index=True)
    volatility = ewma_volatility(tomorrow).iloc[-1]
    assert ewma_var(sp500, 0.95) == pytest.approx(1.6448536 * volatility, rel=1e-7)
    assert ewma_es(sp500, 0.975) == pytest.approx(2.3378028 * volatility, rel=1e-7)
    assert rolling_ewma_var(tomorrow, 0.95).iloc[-1] == ewma_var(sp500, 0.95)


@pytest.mark.parametrize("decay", [0.0, 1.0, 94, float("nan")])
def test_a_decay_without_a_meaning_is_refused(sp500: pd.Series, decay: float) -> None:
    with pytest.raises(ValueError, match="decay is a number between 0 and 1"):
        ewma_var(sp500, 0.99, decay)
