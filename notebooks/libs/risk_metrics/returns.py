"""Returns and what is read from them directly: volatility and drawdowns."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from risk_metrics.checks import aligned_weights, finite

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
    return (returns @ aligned_weights(weights, returns.columns)).rename("portfolio")


def rolling_volatility(returns: pd.Series, window: int = 21) -> pd.Series:
    """Annualised standard deviation (ddof=1) over the last `window` days, as a fraction."""
    return returns.rolling(window).std(ddof=1) * math.sqrt(TRADING_DAYS)


def drawdown(returns: pd.Series) -> pd.Series:
    """Distance below the highest value so far, as a fraction from -1 to 0; the start counts as a high.

    Raises:
        ValueError: a return is NaN, infinite or below -1.
    """
    if (finite(returns) < -1).any():
        raise ValueError("the returns hold a loss of more than everything: they are fractions, -0.02 for a loss of 2 %")
    wealth = (1 + returns).cumprod()
    return wealth / wealth.cummax().clip(lower=1.0) - 1


def drawdown_episodes(returns: pd.Series) -> pd.DataFrame:
    """Each stay below a high, the deepest first.

    Returns:
        One row an episode: depth (a positive fraction), first and trough (labels of `returns`: the first day below
        the high, the lowest day), recovered (the day the high was reached again; missing while it is not) and
        days (from `first` to the day before `recovered`, or to the end of `returns`).

    Raises:
        ValueError: as `drawdown`.
    """
    below = drawdown(returns)
    under = below.to_numpy() < 0
    turns = np.flatnonzero(np.diff(under, prepend=False, append=False))
    rows = []
    for start, end in turns.reshape(-1, 2):
        episode = below.iloc[start:end]
        recovered = below.index[end] if end < len(below) else None
        rows.append((-episode.min(), episode.index[0], episode.idxmin(), recovered, end - start))
    episodes = pd.DataFrame(rows, columns=["depth", "first", "trough", "recovered", "days"])
    return episodes.sort_values("depth", ascending=False, kind="stable", ignore_index=True)
