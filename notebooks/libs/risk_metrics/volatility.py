"""Value at risk and expected shortfall from today's volatility: exponentially weighted (EWMA) and GARCH(1,1).

Both describe the day after the last one of `returns`, with normal innovations. Losses are positive, in the unit of
the returns. Every function takes simple daily returns, ascending days, and raises ValueError where fewer than 60 days
are given, a return is NaN or infinite, the returns are all the same, or the confidence is no number between 0.5 and 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from risk_metrics.checks import check_confidence, check_window, varied
from risk_metrics.tail import normal_es, normal_var

if TYPE_CHECKING:
    from arch.univariate.base import ARCHModelResult

DECAY = 0.94  # RiskMetrics' lambda for daily data


def ewma_volatility(returns: pd.Series, decay: float = DECAY) -> pd.Series:
    """The standard deviation known at each day's start, a day and not a year; NaN on the first day.

    `sigma2[t] = decay sigma2[t-1] + (1 - decay) r2[t-1]`, from the first day's `r2` on, with a mean of zero:
    J.P. Morgan, *RiskMetrics, Technical Document* (4th ed., 1996), section 5.2.

    Raises:
        ValueError: also where the decay is not between 0 and 1.
    """
    return _ewma(returns, decay).shift(1)


def ewma_var(returns: pd.Series, confidence: float, decay: float = DECAY) -> float:
    """The normal quantile times tomorrow's EWMA volatility."""
    check_confidence(confidence)
    return float(normal_var(confidence) * _ewma(returns, decay).iloc[-1])


def ewma_es(returns: pd.Series, confidence: float, decay: float = DECAY) -> float:
    """The normal expected shortfall times tomorrow's EWMA volatility."""
    check_confidence(confidence)
    return float(normal_es(confidence) * _ewma(returns, decay).iloc[-1])


def rolling_ewma_var(returns: pd.Series, confidence: float, decay: float = DECAY) -> pd.Series:
    """The VaR known at each day's start: the normal quantile times `ewma_volatility`."""
    check_confidence(confidence)
    return normal_var(confidence) * ewma_volatility(returns, decay)


@dataclass(frozen=True)
class Garch:
    """`r[t] = mean + e[t]`, `sigma2[t] = omega + alpha e2[t-1] + beta sigma2[t-1]`, in the unit of the returns.

    Attributes:
        log_likelihood: of the fitted returns.
        volatility: standard deviation forecast for the day after the last one.
    """

    mean: float
    omega: float
    alpha: float
    beta: float
    log_likelihood: float
    volatility: float


def fit_garch(returns: pd.Series) -> Garch:
    """GARCH(1,1) with constant mean, by maximum likelihood: Bollerslev (1986); fitted by the `arch` library.

    Raises:
        ValueError: also where the fit does not converge.
    """
    result, scale = _fitted(returns, len(returns))
    variance = result.forecast(horizon=1).variance.iloc[-1, 0]
    return Garch(
        mean=float(result.params["mu"]) / scale,
        omega=float(result.params["omega"]) / scale**2,
        alpha=float(result.params["alpha[1]"]),
        beta=float(result.params["beta[1]"]),
        log_likelihood=float(result.loglikelihood) + len(returns) * math.log(scale),
        volatility=math.sqrt(variance) / scale,
    )


def garch_var(returns: pd.Series, confidence: float) -> float:
    """`-mean + sigma q` of tomorrow, q the normal quantile and sigma the forecast of `fit_garch`."""
    check_confidence(confidence)
    garch = fit_garch(returns)
    return -garch.mean + garch.volatility * normal_var(confidence)


def garch_es(returns: pd.Series, confidence: float) -> float:
    """`-mean + sigma phi(q) / (1 - confidence)` of tomorrow; as `garch_var`."""
    check_confidence(confidence)
    garch = fit_garch(returns)
    return -garch.mean + garch.volatility * normal_es(confidence)


def rolling_garch_var(returns: pd.Series, confidence: float, window: int) -> pd.Series:
    """The VaR known at each day's start, with the parameters fitted to the first `window` days and then held.

    Returns:
        Index of `returns`; NaN on the first `window` days.

    Raises:
        ValueError: also where the window is below 60 days or not below all days, or the fit does not converge.
    """
    check_confidence(confidence)
    check_window(window, len(returns) - 1)
    result, scale = _fitted(returns, window)
    known = result.forecast(horizon=1, start=window - 1)
    var = -known.mean["h.1"] + np.sqrt(known.variance["h.1"]) * normal_var(confidence)
    return (var / scale).reindex(returns.index).shift(1).rename(returns.name)


def _ewma(returns: pd.Series, decay: float) -> pd.Series:
    """The volatility known at each day's end, for the day after."""
    varied(returns)
    if not 0 < decay < 1:
        raise ValueError(f"decay is a number between 0 and 1, such as {DECAY}; it is {decay!r}")
    return (returns**2).ewm(alpha=1 - decay, adjust=False).mean() ** 0.5


def _fitted(returns: pd.Series, days: int) -> tuple[ARCHModelResult, float]:
    """GARCH(1,1) on the first `days` of `returns` times a power of ten, and that: the optimiser fails on fractions."""
    from arch import arch_model  # noqa: PLC0415 - takes 2 s, which reports without GARCH need not wait

    varied(returns.iloc[:days])
    varied(returns)
    result = arch_model(returns, rescale=True).fit(last_obs=days, disp="off", show_warning=False)
    if result.convergence_flag:
        raise ValueError(
            f"GARCH did not converge on {days} days of returns ({result.optimization_result.message}): "
            "look for a break in the series, or take more days"
        )
    return result, result.scale
