"""Do a value at risk and an expected shortfall hold what they promise?

An exception is a day whose loss is larger than the VaR. Of the VaR's tests, Kupiec's asks whether there were as many as
promised, Christoffersen's whether they came independently of each other, and conditional coverage asks both. Basel's
traffic light turns their number into capital. Acerbi and Szekely's test asks the same of the expected shortfall.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from risk_metrics.checks import check_confidence, finite

SIMULATIONS = 10_000
REGULATORY_DAYS = 250
REGULATORY_CONFIDENCE = 0.99
MULTIPLIERS = {5: 1.70, 6: 1.76, 7: 1.83, 8: 1.88, 9: 1.92}


def var_exceptions(returns: pd.Series, var: pd.Series) -> pd.Series:
    """Whether each day's loss was larger than the VaR known at its start.

    Args:
        returns: ascending days.
        var: a positive loss by day, of the same days; NaN on the first days, where none was known yet.

    Returns:
        True or False, by day, from the first day with a VaR on.

    Raises:
        ValueError: the days differ, no day has a VaR, or a value is NaN after the first VaR.
    """
    if not returns.index.equals(var.index):
        raise ValueError("returns and VaR are of different days")
    known = var.loc[var.first_valid_index() :] if var.notna().any() else var.iloc[:0]
    if known.empty:
        raise ValueError("no day has a VaR")
    finite(known, "VaR")
    finite(returns.loc[known.index])
    return (returns.loc[known.index] < -known).rename("exception")


@dataclass(frozen=True)
class KupiecTest:
    """`statistic` is chi-squared with one degree of freedom; a small `p_value` speaks against the VaR."""

    exceptions: int
    days: int
    expected: float
    statistic: float
    p_value: float


def kupiec_pof(exceptions: int, days: int, confidence: float) -> KupiecTest:
    """Kupiec, "Techniques for verifying the accuracy of risk measurement models" (1995), LR_POF.

    Args:
        exceptions: days on which the loss was larger than the VaR.
        days: all days looked at.
        confidence: of the VaR, e.g. 0.99.

    Raises:
        ValueError: more exceptions than days, no day, or a confidence that is not between 0.5 and 1.
    """
    check_confidence(confidence)
    if not 0 <= exceptions <= days or days == 0:
        raise ValueError(f"{exceptions} exceptions in {days} days")
    p = 1 - confidence
    statistic = _ratio(_log_likelihood(p, exceptions, days), _log_likelihood(exceptions / days, exceptions, days))
    return KupiecTest(exceptions, days, p * days, statistic, _one_degree(statistic))


@dataclass(frozen=True)
class TimeUntilFirstFailure:
    """`statistic` is chi-squared with one degree of freedom; a small `p_value` speaks against the VaR."""

    day: int
    expected: float
    statistic: float
    p_value: float


def kupiec_tuff(day: int, confidence: float) -> TimeUntilFirstFailure:
    """Kupiec (1995), LR_TUFF: the first exception came on the `day`-th day, counted from 1.

    Raises:
        ValueError: a day before the first, or a confidence that is not between 0.5 and 1.
    """
    check_confidence(confidence)
    if day < 1:
        raise ValueError(f"the first exception on day {day}; the first day is 1")
    p = 1 - confidence
    statistic = _ratio(_log_likelihood(p, 1, day), _log_likelihood(1 / day, 1, day))
    return TimeUntilFirstFailure(day, 1 / p, statistic, _one_degree(statistic))


@dataclass(frozen=True)
class IndependenceTest:
    """Days by what they and the day before were: `after_calm_exception` is an exception after a day without one.

    `statistic` is chi-squared with one degree of freedom; a small `p_value` says that exceptions come in clusters (or
    avoid each other).
    """

    after_calm_calm: int
    after_calm_exception: int
    after_exception_calm: int
    after_exception_exception: int
    statistic: float
    p_value: float


def christoffersen_independence(exceptions: pd.Series) -> IndependenceTest:
    """Christoffersen, "Evaluating interval forecasts" (1998), LR_ind, against a first-order Markov chain.

    Args:
        exceptions: True or False, by day, ascending, without gaps; from `var_exceptions`.

    Raises:
        ValueError: fewer than two days, or values that are not True or False.
    """
    hits = _hits(exceptions)
    before, after = hits[:-1], hits[1:]
    calm_calm, calm_hit = int((~before & ~after).sum()), int((~before & after).sum())
    hit_calm, hit_hit = int((before & ~after).sum()), int((before & after).sum())
    after_calm, after_hit = calm_calm + calm_hit, hit_calm + hit_hit
    days, seen = len(after), calm_hit + hit_hit
    statistic = _ratio(
        _log_likelihood(seen / days, seen, days),
        _log_likelihood(calm_hit / after_calm if after_calm else 0, calm_hit, after_calm)
        + _log_likelihood(hit_hit / after_hit if after_hit else 0, hit_hit, after_hit),
    )
    return IndependenceTest(calm_calm, calm_hit, hit_calm, hit_hit, statistic, _one_degree(statistic))


@dataclass(frozen=True)
class ConditionalCoverageTest:
    """`statistic`, the sum of both tests', is chi-squared with two degrees of freedom."""

    coverage: KupiecTest
    independence: IndependenceTest
    statistic: float
    p_value: float


def conditional_coverage(exceptions: pd.Series, confidence: float) -> ConditionalCoverageTest:
    """Christoffersen (1998), LR_cc: as many exceptions as promised, and independent ones.

    Coverage is looked at over all days, as in `kupiec_pof`; independence over all but the first.

    Raises:
        ValueError: as `kupiec_pof` and `christoffersen_independence`.
    """
    coverage = kupiec_pof(int(_hits(exceptions).sum()), len(exceptions), confidence)
    independence = christoffersen_independence(exceptions)
    statistic = coverage.statistic + independence.statistic
    return ConditionalCoverageTest(coverage, independence, statistic, math.exp(-statistic / 2))


@dataclass(frozen=True)
class TrafficLight:
    """`zone` is green, yellow (MAR32: amber) or red; `multiplier` is what MAR33 multiplies the capital charge by.

    Attributes:
        cumulative: probability of at most so many exceptions, if the VaR is right.
    """

    exceptions: int
    zone: str
    multiplier: float
    cumulative: float


def traffic_light(exceptions: int) -> TrafficLight:
    """Basel Framework, MAR32.9 table 1: exceptions of a 99 % VaR in 250 days, and the multiplier of MAR33.44.

    A zone begins where at most so many exceptions have a probability of 95 % (yellow) and of 99.99 % (red).

    Raises:
        ValueError: fewer than 0 exceptions, or more than 250.
    """
    if not 0 <= exceptions <= REGULATORY_DAYS:
        raise ValueError(f"{exceptions} exceptions in {REGULATORY_DAYS} days")
    p = 1 - REGULATORY_CONFIDENCE
    cumulative = math.fsum(
        math.comb(REGULATORY_DAYS, k) * p**k * (1 - p) ** (REGULATORY_DAYS - k) for k in range(exceptions + 1)
    )
    zone = "green" if cumulative < 0.95 else "yellow" if cumulative < 0.9999 else "red"
    multiplier = {"green": 1.50, "red": 2.00}.get(zone) or MULTIPLIERS[exceptions]
    return TrafficLight(exceptions, zone, multiplier, cumulative)


@dataclass(frozen=True)
class ExpectedShortfallTest:
    """`statistic` is 0 on average if VaR and expected shortfall are right, below 0 if losses were larger or more.

    Attributes:
        critical: the statistic below which 5 % of right models come.
        p_value: the share of right models that look so bad or worse; a small one speaks against the forecast.
    """

    exceptions: int
    days: int
    statistic: float
    critical: float
    p_value: float


def acerbi_szekely(returns: pd.Series, var: pd.Series, es: pd.Series, confidence: float) -> ExpectedShortfallTest:
    """Acerbi, Szekely, "Backtesting expected shortfall" (Risk, 2014), the second test:

    `Z2 = 1 - sum(loss_t exception_t / ((1 - confidence) days es_t))`.

    What a right model comes to is simulated: each day is an exception with probability `1 - confidence`, and the loss
    exceeds that day's VaR by an exponential amount with mean `es - var`, the generalised Pareto tail of shape zero
    (QRM, section 5.2). The seed is fixed: the same input gives the same p-value.

    Args:
        returns: by day.
        var: known at each day's start, a positive loss; NaN on the first days, where none was known yet.
        es: of the same days, at the same confidence.
        confidence: of both, 0.975 in MAR33.

    Raises:
        ValueError: the days differ, no day has a VaR, a value is NaN after the first VaR, an expected shortfall is
            not above zero or below its VaR, or the confidence is not between 0.5 and 1.
    """
    check_confidence(confidence)
    exceptions = var_exceptions(returns, var)
    if not es.index.equals(var.index):
        raise ValueError("VaR and expected shortfall are of different days")
    losses, bounds = -returns.loc[exceptions.index].to_numpy(), var.loc[exceptions.index].to_numpy()
    shortfalls = finite(es.loc[exceptions.index], "expected shortfalls")
    if (shortfalls <= 0).any() or (shortfalls < bounds).any():
        raise ValueError("an expected shortfall is not above zero, or below its VaR")
    share = 1 - confidence
    days = len(exceptions)
    observed = 1 - float((losses / shortfalls)[exceptions.to_numpy()].sum()) / (share * days)
    random = np.random.default_rng(2014)
    ratios = np.zeros(SIMULATIONS)
    for bound, shortfall in zip(bounds, shortfalls, strict=True):
        hits = np.flatnonzero(random.random(SIMULATIONS) < share)
        ratios[hits] += (bound + random.exponential(shortfall - bound, len(hits))) / shortfall
    simulated = 1 - ratios / (share * days)
    return ExpectedShortfallTest(
        int(exceptions.sum()),
        days,
        observed,
        float(np.quantile(simulated, 0.05)),
        float((1 + (simulated <= observed).sum()) / (1 + SIMULATIONS)),
    )


def _hits(exceptions: pd.Series) -> np.ndarray:
    values = np.asarray(exceptions)
    if values.dtype != bool:
        raise ValueError(f"exceptions are True or False, by day; these are {values.dtype}")
    if len(values) < 2:
        raise ValueError(f"{len(values)} days of exceptions; 2 are the least")
    return values


def _ratio(restricted: float, free: float) -> float:
    """The likelihood ratio; rounding brings it below 0 where both are the same."""
    return max(-2 * (restricted - free), 0.0)


def _one_degree(statistic: float) -> float:
    """The probability of more, chi-squared with one degree of freedom."""
    return math.erfc(math.sqrt(statistic / 2))


def _log_likelihood(p: float, exceptions: int, days: int) -> float:
    """Of `exceptions` among `days` independent days, each with probability `p`; 0 log 0 is 0."""
    hits = exceptions * math.log(p) if exceptions else 0.0
    misses = (days - exceptions) * math.log1p(-p) if exceptions < days else 0.0
    return hits + misses
