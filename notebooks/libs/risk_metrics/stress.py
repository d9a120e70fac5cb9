"""What today's portfolio would lose if something happened again, or if the market's factors jumped.

Losses are positive fractions of the portfolio's value, by instrument; their sum is the portfolio's. Basel Committee,
*Stress testing principles* (2018), asks for both kinds: historical and hypothetical scenarios.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from risk_metrics.checks import aligned_weights, finite, history


@dataclass(frozen=True, eq=False)
class HistoricalStress:
    """Today's positions held unchanged through the days from `start` to `end`, both included.

    Attributes:
        loss: of the portfolio, a positive fraction of its value; negative for a gain.
        by_instrument: the same, by instrument; sums to `loss`.
    """

    start: pd.Timestamp
    end: pd.Timestamp
    loss: float
    by_instrument: pd.Series


def historical_stress(
    returns: pd.DataFrame, weights: pd.Series, start: pd.Timestamp | str, end: pd.Timestamp | str
) -> HistoricalStress:
    """The loss if the days from `start` to `end` came again: `-w_i (prod(1 + r_i) - 1)` of each instrument.

    Args:
        returns: days x instruments, simple returns, ascending days.
        weights: shares of the portfolio's value now, by instrument; they sum to one.
        start: first day whose return counts; `end` is the last. Either may be a day without trading.

    Raises:
        ValueError: `start` or `end` lies outside the returns, no day between them, a return is NaN or infinite, or
            the weights are not the instruments' or do not sum to one.
    """
    ordered = aligned_weights(weights, returns.columns)
    first, last = pd.Timestamp(start), pd.Timestamp(end)
    if first < returns.index[0] or last > returns.index[-1]:
        raise ValueError(
            f"{first:%Y-%m-%d} to {last:%Y-%m-%d} is not within the returns, "
            f"{returns.index[0]:%Y-%m-%d} to {returns.index[-1]:%Y-%m-%d}"
        )
    window = returns.loc[first:last]
    if window.empty:
        raise ValueError(f"no day of returns from {first:%Y-%m-%d} to {last:%Y-%m-%d}")
    change = pd.Series(np.prod(1 + finite(window), axis=0) - 1, index=returns.columns)
    by_instrument = (-ordered * change).rename("loss")
    return HistoricalStress(window.index[0], window.index[-1], float(by_instrument.sum()), by_instrument)


def worst_window(returns: pd.DataFrame, weights: pd.Series, days: int) -> HistoricalStress:
    """The `days` in a row in which today's portfolio would have lost most; the earliest of equals.

    Raises:
        ValueError: `days` is below 1 or above what there is, and as `historical_stress`.
    """
    if not 1 <= days <= len(returns):
        raise ValueError(f"a window of {days} days in {len(returns)} days of returns")
    ordered = aligned_weights(weights, returns.columns)
    growth = np.ones((len(returns) - days + 1, len(returns.columns)))
    values = 1 + finite(returns)
    for day in range(days):
        growth *= values[day : day + len(growth)]
    start = int(np.argmin((growth - 1) @ ordered.to_numpy()))
    return historical_stress(returns, weights, returns.index[start], returns.index[start + days - 1])


def factor_exposures(returns: pd.DataFrame, factors: pd.DataFrame) -> pd.DataFrame:
    """Ordinary least squares of each instrument's returns on all factors at once, with a constant.

    Args:
        returns: days x instruments, 60 days or more.
        factors: the same days x factors, in units of change that the shocks will have too.

    Returns:
        Instruments x factors: the return for one unit of the factor.

    Raises:
        ValueError: the days differ, a value is NaN or infinite, too few days, or the factors are collinear.
    """
    if not returns.index.equals(factors.index):
        raise ValueError("returns and factors are of different days")
    regressors = np.column_stack([np.ones(len(factors)), finite(factors, "factors")])
    coefficients, _, rank, _ = np.linalg.lstsq(regressors, history(returns), rcond=None)
    if rank < regressors.shape[1]:
        raise ValueError(f"the factors {', '.join(map(str, factors.columns))} are collinear: leave one out")
    return pd.DataFrame(coefficients[1:].T, index=returns.columns, columns=factors.columns)


def factor_shock(exposures: pd.DataFrame, weights: pd.Series, shocks: pd.Series) -> pd.Series:
    """The loss of each instrument when the factors jump by `shocks`: `-w_i sum_k beta_ik shock_k`.

    Args:
        exposures: instruments x factors, from `factor_exposures`.
        weights: shares of the portfolio's value now, by instrument; they sum to one.
        shocks: by factor, one for each of the exposures' (0 for a factor that stays).

    Raises:
        ValueError: the shocks name other factors, something is NaN or infinite, or the weights are not the
            instruments' or do not sum to one.
    """
    ordered = aligned_weights(weights, exposures.index, "exposures")
    if set(shocks.index) != set(exposures.columns) or not shocks.index.is_unique:
        raise ValueError(f"the shocks are of {list(shocks.index)}, the exposures of {list(exposures.columns)}")
    finite(shocks, "shocks")
    finite(exposures, "exposures")
    return (-ordered * (exposures @ shocks[exposures.columns])).rename("loss")
