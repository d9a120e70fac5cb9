"""Value at risk and expected shortfall.

A loss is a positive number in the unit of the returns: a VaR of 0.02 says that a loss above 2 per cent is
expected on a share `1 - confidence` of days. Definitions: Jorion, *Value at Risk* (3rd ed., 2006), ch. 5;
McNeil, Frey, Embrechts, *Quantitative Risk Management* (2nd ed., 2015), sections 2.3 and 9.2.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pandas as pd

MINIMUM_DAYS = 60


def historical_var(returns: pd.Series, confidence: float) -> float:
    """The empirical quantile of losses, linear between observations (numpy's default, type 7)."""
    return -float(np.quantile(_checked(returns, confidence), 1 - confidence))


def historical_es(returns: pd.Series, confidence: float) -> float:
    """The mean loss on the days at or beyond the historical VaR."""
    values = _checked(returns, confidence)
    return -float(values[values <= np.quantile(values, 1 - confidence)].mean())


def gaussian_var(returns: pd.Series, confidence: float) -> float:
    """`-(mu + sigma z)`, z the normal quantile of `1 - confidence`."""
    mean, deviation = _moments(returns, confidence)
    return -(mean + deviation * NormalDist().inv_cdf(1 - confidence))


def gaussian_es(returns: pd.Series, confidence: float) -> float:
    """`-mu + sigma phi(z) / (1 - confidence)`, phi the normal density (QRM, example 2.14)."""
    mean, deviation = _moments(returns, confidence)
    density = NormalDist().pdf(NormalDist().inv_cdf(1 - confidence))
    return -mean + deviation * density / (1 - confidence)


def rolling_historical_var(returns: pd.Series, confidence: float, window: int) -> pd.Series:
    """The VaR known at each day's start: from the `window` days before it, never from the day itself."""
    _checked(returns, confidence)
    return -returns.rolling(window).quantile(1 - confidence).shift(1)


def _moments(returns: pd.Series, confidence: float) -> tuple[float, float]:
    values = _checked(returns, confidence)
    return float(values.mean()), float(values.std(ddof=1))


def _checked(returns: pd.Series, confidence: float) -> np.ndarray:
    """The values, after refusing what would give a number without a meaning.

    A confidence of `True` gives VaR = ES, and 0.05 for 0.95 a negative VaR, without any error.
    """
    if isinstance(confidence, bool) or not 0.5 < confidence < 1:
        raise ValueError(f"confidence is a number between 0.5 and 1, such as 0.99; it is {confidence!r}")
    values = np.asarray(returns, dtype=float)
    if len(values) < MINIMUM_DAYS:
        raise ValueError(f"{len(values)} days of returns; {MINIMUM_DAYS} are the least")
    if not np.isfinite(values).all():
        raise ValueError("the returns hold NaN or infinite values")
    return values
