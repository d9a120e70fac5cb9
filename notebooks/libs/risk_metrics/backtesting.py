"""Does a value at risk hold what it promises? Kupiec's proportion of failures."""

from __future__ import annotations

import math
from dataclasses import dataclass


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
    """
    if not 0 <= exceptions <= days or days == 0:
        raise ValueError(f"{exceptions} exceptions in {days} days")
    p = 1 - confidence
    statistic = -2 * (_log_likelihood(p, exceptions, days) - _log_likelihood(exceptions / days, exceptions, days))
    statistic = max(statistic, 0.0)  # rounding, where the observed share is the promised one
    return KupiecTest(exceptions, days, p * days, statistic, math.erfc(math.sqrt(statistic / 2)))


def _log_likelihood(p: float, exceptions: int, days: int) -> float:
    """Of `exceptions` among `days` independent days, each with probability `p`; 0 log 0 is 0."""
    hits = exceptions * math.log(p) if exceptions else 0.0
    misses = (days - exceptions) * math.log1p(-p) if exceptions < days else 0.0
    return hits + misses
