"""What a measure is not computed from: such input would give a number without a meaning, and no error."""

from __future__ import annotations

import math
from numbers import Real

import numpy as np
import pandas as pd

MINIMUM_DAYS = 60


def check_confidence(confidence: float) -> None:
    """Refuse `True` (it gives VaR = ES), 0.05 for 0.95 (a negative VaR), 95 for 0.95 and what is no number."""
    if not isinstance(confidence, Real) or not 0.5 < confidence < 1:
        raise ValueError(f"confidence is a number between 0.5 and 1, such as 0.99; it is {confidence!r}")


def finite(numbers: pd.Series | pd.DataFrame, name: str = "returns") -> np.ndarray:
    """The values as floats."""
    values = np.asarray(numbers, dtype=float)
    if not np.isfinite(values).all():
        raise ValueError(f"the {name} hold NaN or infinite values")
    return values


def history(returns: pd.Series | pd.DataFrame) -> np.ndarray:
    """The values of `returns`, days first: finite, and `MINIMUM_DAYS` or more."""
    if len(returns) < MINIMUM_DAYS:
        raise ValueError(f"{len(returns)} days of returns; {MINIMUM_DAYS} are the least")
    return finite(returns)


def varied(returns: pd.Series) -> np.ndarray:
    """As `history`, of returns that are not all the same: those have no shape and no dynamics."""
    values = history(returns)
    if np.ptp(values) == 0:
        raise ValueError(f"the returns are all {values[0]:g}: a stale price, not a history")
    return values


def check_window(window: int, days: int) -> None:
    """Refuse a rolling window that is too short for a measure, or longer than the history of `days`."""
    if not MINIMUM_DAYS <= window <= days:
        raise ValueError(
            f"a window of {window} days; it is {MINIMUM_DAYS} or more, and at most the {days} of the returns"
        )


def aligned_weights(weights: pd.Series, instruments: pd.Index, what: str = "returns") -> pd.Series:
    """The weights in the order of `instruments`."""
    if not (weights.index.is_unique and instruments.is_unique):
        raise ValueError(f"weights or {what} name an instrument twice")
    if set(instruments) != set(weights.index):
        raise ValueError(f"weights and {what} name different instruments")
    finite(weights, "weights")
    if not math.isclose(weights.sum(), 1, abs_tol=1e-9):
        raise ValueError(f"weights sum to {weights.sum():.6f}, not to one")
    return weights[instruments]
