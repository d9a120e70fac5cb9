"""Whose risk it is: the share of each instrument in the portfolio's VaR and expected shortfall.

Both measures are homogeneous in the weights, so the components `w_i dVaR/dw_i` sum to the whole (Euler): Tasche,
"Risk contributions and performance measurement" (1999); Jorion, *Value at Risk* (3rd ed., 2006), ch. 7.
Weights are shares of the portfolio's value, by instrument; losses are positive fractions of that value.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from risk_metrics.checks import aligned_weights, check_confidence, finite, history
from risk_metrics.tail import normal_var


def marginal_var(weights: pd.Series, mean: pd.Series, covariance: pd.DataFrame, confidence: float) -> pd.Series:
    """How fast the Gaussian VaR grows with each weight: `-mu_i + q (Sigma w)_i / sigma`, sigma the portfolio's.

    Args:
        weights: by instrument; they sum to one.
        mean: of the returns of one day, by instrument; all zeros leaves it out.
        covariance: of the same returns, instruments x instruments, e.g. `returns.cov()`.

    Returns:
        By instrument, in the order of the covariance.

    Raises:
        ValueError: the three name different instruments, the weights do not sum to one, something is NaN or infinite,
            the covariance is not symmetric, the portfolio has no variance, or the confidence is not in 0.5 to 1.
    """
    check_confidence(confidence)
    instruments = covariance.columns
    if set(covariance.index) != set(instruments) or set(mean.index) != set(instruments):
        raise ValueError("mean and covariance name different instruments")
    ordered = aligned_weights(weights, instruments, "covariance")
    matrix = covariance.loc[instruments]
    values = finite(matrix, "covariances")
    if not np.allclose(values, values.T, rtol=1e-9, atol=0):
        raise ValueError("the covariance is not symmetric")
    finite(mean, "means")
    with_portfolio = matrix @ ordered
    variance = float(ordered @ with_portfolio)
    if variance <= 0:
        raise ValueError(f"the portfolio's variance is {variance:g}: it has no Gaussian VaR to share out")
    return (-mean[instruments] + normal_var(confidence) * with_portfolio / math.sqrt(variance)).rename("marginal_var")


def component_var(weights: pd.Series, mean: pd.Series, covariance: pd.DataFrame, confidence: float) -> pd.Series:
    """What each instrument adds to the Gaussian VaR, `w_i` times its `marginal_var`; they sum to that VaR.

    Args, returns and raises as `marginal_var`.

    Example:
        >>> component_var(positions["weight"], returns.mean(), returns.cov(), 0.99)
    """
    marginal = marginal_var(weights, mean, covariance, confidence)
    return (weights[marginal.index] * marginal).rename("component_var")


def historical_component_es(returns: pd.DataFrame, weights: pd.Series, confidence: float) -> pd.Series:
    """What each instrument adds to the historical expected shortfall: its mean loss on the portfolio's tail days.

    Args:
        returns: days x instruments, 60 days or more.
        weights: by instrument; they sum to one.

    Returns:
        By instrument, in the order of the returns' columns; they sum to the `historical_es` of the portfolio.

    Raises:
        ValueError: as `historical_es` and `portfolio_returns`.
    """
    check_confidence(confidence)
    ordered = aligned_weights(weights, returns.columns)
    portfolio = history(returns) @ ordered.to_numpy()
    tail = portfolio <= np.quantile(portfolio, 1 - confidence)
    return (-ordered * returns[tail].mean()).rename("component_es")
