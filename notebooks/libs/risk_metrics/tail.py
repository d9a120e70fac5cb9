"""Value at risk and expected shortfall of one day, from the distribution of past returns.

A loss is a positive number in the unit of the returns: a VaR of 0.02 says that a loss above 2 per cent is
expected on a share `1 - confidence` of days. Definitions: Jorion, *Value at Risk* (3rd ed., 2006), ch. 5;
McNeil, Frey, Embrechts, *Quantitative Risk Management* (QRM, 2nd ed., 2015), sections 2.3 and 9.2. Moments are the
sample's own (ddof=0), as in R's PerformanceAnalytics. Measures that follow the market's volatility are in
`risk_metrics.volatility`.

Every function takes simple daily returns, ascending days, and raises ValueError where fewer than 60 days are given,
a return is NaN or infinite, or the confidence is no number between 0.5 and 1.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pandas as pd

from risk_metrics.checks import check_confidence, check_window, history, varied

NORMAL = NormalDist()


def historical_var(returns: pd.Series, confidence: float) -> float:
    """The empirical quantile of losses, linear between observations (numpy's default, type 7)."""
    check_confidence(confidence)
    return -float(np.quantile(history(returns), 1 - confidence))


def historical_es(returns: pd.Series, confidence: float) -> float:
    """The mean loss on the days at or beyond the historical VaR."""
    check_confidence(confidence)
    return float(_mean_beyond(history(returns)[np.newaxis], confidence)[0])


def gaussian_var(returns: pd.Series, confidence: float) -> float:
    """`-(mu + sigma z)`, z the normal quantile of `1 - confidence`."""
    check_confidence(confidence)
    values = history(returns)
    return float(-values.mean() + values.std() * normal_var(confidence))


def gaussian_es(returns: pd.Series, confidence: float) -> float:
    """`-mu + sigma phi(z) / (1 - confidence)`, phi the normal density (QRM, example 2.14)."""
    check_confidence(confidence)
    values = history(returns)
    return float(-values.mean() + values.std() * normal_es(confidence))


def cornish_fisher_var(returns: pd.Series, confidence: float) -> float:
    """The Gaussian VaR with its quantile corrected for skewness and kurtosis ("modified VaR").

    `-(mu + sigma h(z))`, `h(z) = z + (z^2 - 1) S / 6 + (z^3 - 3z) K / 24 - (2z^3 - 5z) S^2 / 36`, S the skewness and
    K the excess kurtosis: Favre, Galeano, "Mean-modified value-at-risk optimization with hedge funds" (2002).

    Raises:
        ValueError: also where the returns are all the same, or of such a shape that `h` is not increasing up
            to z: it is no quantile function there (Maillard, "A user's guide to the Cornish Fisher expansion", 2012).
    """
    check_confidence(confidence)
    mean, deviation, skew, kurtosis = _moments(returns, confidence)
    z = NORMAL.inv_cdf(1 - confidence)
    h = z + (z**2 - 1) * skew / 6 + (z**3 - 3 * z) * kurtosis / 24 - (2 * z**3 - 5 * z) * skew**2 / 36
    return -(mean + deviation * h)


def cornish_fisher_es(returns: pd.Series, confidence: float) -> float:
    """The mean of the Cornish-Fisher VaR over all confidences from `confidence` to 1.

    `-mu + sigma phi(z) / (1 - confidence) * (1 + z S / 6 + (z^2 - 1) K / 24 + (1 - 2z^2) S^2 / 36)`: Maillard (2012).
    PerformanceAnalytics' "modified ES" (Boudt, Peterson, Croux, 2008) is another: the mean of an Edgeworth density.

    Raises:
        ValueError: as `cornish_fisher_var`.
    """
    check_confidence(confidence)
    mean, deviation, skew, kurtosis = _moments(returns, confidence)
    z = NORMAL.inv_cdf(1 - confidence)
    correction = 1 + z * skew / 6 + (z**2 - 1) * kurtosis / 24 + (1 - 2 * z**2) * skew**2 / 36
    return -mean + deviation * normal_es(confidence) * correction


def rolling_historical_var(returns: pd.Series, confidence: float, window: int) -> pd.Series:
    """The VaR known at each day's start: from the `window` days before it, never from the day itself.

    Returns:
        Index of `returns`; NaN on the first `window` days.
    """
    check_confidence(confidence)
    check_window(window, len(history(returns)))
    return -returns.rolling(window).quantile(1 - confidence).shift(1)


def rolling_historical_es(returns: pd.Series, confidence: float, window: int) -> pd.Series:
    """The expected shortfall known at each day's start; as `rolling_historical_var`."""
    check_confidence(confidence)
    values = history(returns)
    check_window(window, len(values))
    known = _mean_beyond(np.lib.stride_tricks.sliding_window_view(values, window), confidence)
    return pd.Series([*[np.nan] * window, *known[:-1]], index=returns.index, name=returns.name)


def normal_var(confidence: float) -> float:
    """Of a loss with mean 0 and standard deviation 1."""
    return -NORMAL.inv_cdf(1 - confidence)


def normal_es(confidence: float) -> float:
    """Of a loss with mean 0 and standard deviation 1."""
    return NORMAL.pdf(normal_var(confidence)) / (1 - confidence)


def _mean_beyond(windows: np.ndarray, confidence: float) -> np.ndarray:
    """The historical expected shortfall of each row."""
    quantiles = np.quantile(windows, 1 - confidence, axis=1, keepdims=True)
    return -np.mean(windows, axis=1, where=windows <= quantiles)


def _moments(returns: pd.Series, confidence: float) -> tuple[float, float, float, float]:
    """Mean, standard deviation, skewness and excess kurtosis, after a look whether the expansion holds for them."""
    values = varied(returns)
    mean, deviation = values.mean(), values.std()
    standard = (values - mean) / deviation
    skew, kurtosis = (standard**3).mean(), (standard**4).mean() - 3
    # the slope of h, from the quantile to two standard deviations beyond it: less than 1 % of the tail is further out
    quantile = NORMAL.inv_cdf(1 - confidence)
    z = np.linspace(quantile - 2, quantile, 100)
    slope = 1 + z * skew / 3 + (z**2 - 1) * kurtosis / 8 - (6 * z**2 - 5) * skew**2 / 36
    if slope.min() <= 0:
        raise ValueError(
            f"skewness {skew:.2f} and excess kurtosis {kurtosis:.2f} are outside what the Cornish-Fisher expansion "
            "holds for: take the historical measure"
        )
    return float(mean), float(deviation), float(skew), float(kurtosis)
