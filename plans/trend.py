"""When something will be full: a robust trend through what was sampled, and the date with its interval.

The slope is Theil and Sen's, the median of the slopes between all pairs (Sen 1968, JASA 63): neither a spike nor a
gap moves it, up to 29 % of wrong samples. Its interval is Sen's, from the variance of Kendall's S, widened where
neighbouring residuals resemble each other: what is stored today was mostly stored yesterday, so n days are worth
fewer than n independent ones (an AR(1)'s (1 + r) / (1 - r); Hamed and Rao 1998, J. Hydrology 204). What was before
the last step (somebody cleared up, a dump was restored) tells nothing of what comes: the trend begins after it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations, pairwise
from statistics import NormalDist, fmean, median
from typing import Literal, NamedTuple

CONFIDENCE = 0.95
FEWEST = 7  # days: a week has every weekday
FURTHEST = timedelta(days=3650)
_DAY = timedelta(days=1)
_STEP = 8  # of the usual deviation of a day's change
_LEAST_STEP = 0.02  # of what is used
_STAYS, _AT_LEAST = 7, 3  # days before and after, by whose medians a step is told from a spike

Verdict = Literal["full", "no limit", "too few samples", "not growing", "not within ten years", "grows"]


class Seen(NamedTuple):
    """A value at a time, in UTC."""

    at: datetime
    value: float


@dataclass(frozen=True)
class Trend:
    """A line through samples.

    Attributes:
        since, until: of the samples.
        per_day, low, high: the slope and its interval, per day.
    """

    since: datetime
    until: datetime
    samples: int
    per_day: float
    low: float
    high: float


@dataclass(frozen=True)
class Forecast:
    """When it is full.

    Attributes:
        trend: None where there are too few samples.
        date: the trend's, where it grows.
        earliest, latest: of the interval, none where that is never, or too far away to be told.
    """

    verdict: Verdict
    trend: Trend | None = None
    date: datetime | None = None
    earliest: datetime | None = None
    latest: datetime | None = None


def forecast(seen: Iterable[Seen], limit: float | None, *, now: datetime) -> Forecast:
    """When `limit` is reached, by the samples up to `now`. `limit`: as it is now, whatever it was."""
    days = last_of_each_day(each for each in seen if each.at <= now)  # a clock that was ahead told what is not yet
    if limit is not None and days and days[-1].value >= limit:
        return Forecast("full")
    points = since_last_step(days)
    trend = trend_of(points)
    if trend is None:
        return Forecast("no limit" if limit is None else "too few samples")
    if limit is None:
        return Forecast("no limit", trend)
    date, earliest, latest = (_reaches(points, slope, limit, now) for slope in (trend.per_day, trend.high, trend.low))
    if trend.per_day <= 0:
        return Forecast("not growing", trend, None, earliest)
    if date is None:
        return Forecast("not within ten years", trend, None, earliest)
    return Forecast("grows", trend, date, earliest, latest)


def trend_of(points: Sequence[Seen]) -> Trend | None:
    """The line through `points`, which are in order and of different times; None where they are too few or too near."""
    if len(points) < FEWEST or points[-1].at - points[0].at < (FEWEST - 1) * _DAY * 0.9:
        return None
    slopes = sorted((b.value - a.value) / _days(a.at, b.at) for a, b in combinations(points, 2))
    slope = median(slopes)
    low, high = _interval(slopes, len(points), _alike(points, slope))
    return Trend(points[0].at, points[-1].at, len(points), slope, low, high)


def last_of_each_day(seen: Iterable[Seen]) -> list[Seen]:
    """One sample a day (UTC), in order: hours of one day are no trend, and a sample that came twice counts once."""
    return list({each.at.date(): each for each in sorted(seen)}.values())


def since_last_step(points: Sequence[Seen]) -> Sequence[Seen]:
    """What follows the last step: a change far beyond the usual one, after which the values stay where they went."""
    if len(points) < FEWEST:
        return points
    changes = [(b.value - a.value) / _days(a.at, b.at) for a, b in pairwise(points)]
    usual = median(changes)
    spread = 1.4826 * median(abs(each - usual) for each in changes)
    for at in range(len(points) - _AT_LEAST, _AT_LEAST - 1, -1):  # of the very last nobody knows whether they stay
        before, after = points[at - 1], points[at]
        step = after.value - before.value - usual * _days(before.at, after.at)
        if abs(step) < max(_STEP * spread, _LEAST_STEP * abs(before.value)):
            continue
        earlier, later = points[max(0, at - _STAYS) : at], points[at : at + _STAYS]
        stayed = median(each.value for each in later) - median(each.value for each in earlier)
        if stayed * step > 0 and abs(stayed) > abs(step) / 2:
            return points[at:]
    return points


def _interval(slopes: Sequence[float], count: int, alike: float) -> tuple[float, float]:
    """Sen's, as scipy.stats.theilslopes has it, with the variance of so resembling samples."""
    variance = count * (count - 1) * (2 * count + 5) / 18 * (1 + alike) / (1 - alike)
    reach = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * math.sqrt(variance)
    upper = min(round((len(slopes) + reach) / 2), len(slopes) - 1)
    lower = max(round((len(slopes) - reach) / 2) - 1, 0)
    return slopes[lower], slopes[upper]


def _alike(points: Sequence[Seen], slope: float) -> float:
    """How much neighbouring residuals resemble each other, 0 to 1: their ranks' correlation, so no spike decides it."""
    rest = [each.value - slope * _days(points[0].at, each.at) for each in points]
    rank = {value: number for number, value in enumerate(sorted(rest))}
    ranks = [rank[value] for value in rest]
    middle = fmean(ranks)
    spread = sum((each - middle) ** 2 for each in ranks)
    together = sum((a - middle) * (b - middle) for a, b in pairwise(ranks))
    found = max(together / spread, 0.0) if spread else 0.0
    # Around a fitted line it comes out too low: by 2 / n of independent days, by 10 / n of a walk, whose every day
    # begins where the last one ended. A walk makes the slope's variance 1.5 n times as large, and nothing more than it.
    return min(found + (2 + 8 * found) / len(points), 1 - 4 / (3 * len(points)))


def _reaches(points: Sequence[Seen], slope: float, limit: float, now: datetime) -> datetime | None:
    """When a line of this slope through the middle of `points` is at `limit`; None when never or far away."""
    if slope <= 0:
        return None
    first = points[0].at
    level = median(each.value - slope * _days(first, each.at) for each in points)
    days, passed = (limit - level) / slope, _days(first, now)
    if days <= passed:
        return now
    return first + days * _DAY if days <= passed + FURTHEST / _DAY else None


def _days(begin: datetime, end: datetime) -> float:
    return (end - begin) / _DAY
