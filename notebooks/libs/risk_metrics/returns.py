"""Returns and what is read from them directly: volatility and drawdown."""

from __future__ import annotations

import math

import pandas as pd

TRADING_DAYS = 252  # a year, by convention


def simple_returns(prices: pd.DataFrame) -> pd.DataFrame:
    """Day-to-day changes as fractions; one row fewer than `prices`.

    Raises:
        ValueError: a price is missing, or not above zero; filling it in is a decision for a person.
    """
    if prices.isna().any(axis=None) or (prices <= 0).any(axis=None):
        worst = prices.columns[(prices.isna() | (prices <= 0)).any()]
        raise ValueError(f"missing or non-positive prices: {', '.join(map(str, worst))}")
    return prices.pct_change().iloc[1:]


def portfolio_returns(returns: pd.DataFrame, weights: pd.Series) -> pd.Series:
    """What a portfolio with today's `weights` would have returned each day (historical simulation).

    Raises:
        ValueError: the weights name other instruments than the returns, or do not sum to one.
    """
    if set(returns.columns) != set(weights.index):
        raise ValueError("weights and returns name different instruments")
    if not math.isclose(weights.sum(), 1, abs_tol=1e-9):
        raise ValueError(f"weights sum to {weights.sum():.6f}, not to one")
    return (returns[weights.index] @ weights).rename("portfolio")


def rolling_volatility(returns: pd.Series, window: int = 21) -> pd.Series:
    """Annualised standard deviation (ddof=1) over the last `window` days, as a fraction."""
    return returns.rolling(window).std(ddof=1) * math.sqrt(TRADING_DAYS)


def drawdown(returns: pd.Series) -> pd.Series:
    """Distance below the highest value so far, as a fraction from -1 to 0; the start counts as a high."""
    wealth = (1 + returns).cumprod()
    return wealth / wealth.cummax().clip(lower=1.0) - 1
