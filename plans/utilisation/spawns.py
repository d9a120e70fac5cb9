"""How spawns went between samples, from the counts that the Hub keeps since it began."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from domain.utilisation import Sample, Spawns

# The Hub counts a spawn whose process exits twice: by this reason as it notices, and as the spawn ends.
_COUNTED_AGAIN = "exited"


@dataclass(frozen=True)
class SpawnWeek:
    """Spawns that ended between the first sample and the last. Times in seconds, of those that worked.

    Attributes:
        rejected: turned down by the Hub, by its reason.
        failed: tried, and no server came of it.
    """

    succeeded: int
    failed: int
    rejected: Mapping[str, int]
    median_seconds: float | None
    p95_seconds: float | None


def spawns_of(samples: Sequence[Sample]) -> SpawnWeek | None:
    """How spawns went between the first and the last of `samples`, whatever their order; None where none tells.

    Counts only grow, so of each Hub process the least is taken from the most: nothing depends on a sample that came
    twice or on a clock that went back. A process that began after the first sample counted for the week alone.
    """
    told = [(each.taken_at.timestamp(), each.spawns) for each in samples if each.spawns]
    if not told:
        return None
    first = min(at for at, _ in told)
    by_process: defaultdict[float, list[Spawns]] = defaultdict(list)
    for _, spawns in told:
        by_process[spawns.hub_began].append(spawns)
    total: defaultdict[tuple[str, str], defaultdict[float, float]] = defaultdict(lambda: defaultdict(float))
    for began, of_one in by_process.items():
        for ended, bound, grown in _grown(of_one, from_zero=began > first):
            total[ended][bound] += grown
    counts = {ended: round(max(buckets.values())) for ended, buckets in sorted(total.items())}
    worked: Mapping[float, float] = total.get(("success", ""), {})
    return SpawnWeek(
        succeeded=counts.get(("success", ""), 0),
        failed=sum(
            count for (status, reason), count in counts.items() if status == "error" and reason != _COUNTED_AGAIN
        ),
        rejected={reason: count for (status, reason), count in counts.items() if status == "failure" and count},
        median_seconds=quantile(worked, 0.5),
        p95_seconds=quantile(worked, 0.95),
    )


def quantile(buckets: Mapping[float, float], share: float) -> float | None:
    """Of a histogram's cumulative buckets, between their bounds as Prometheus's histogram_quantile does it.

    Beyond the last finite bound it is that bound; None where nothing was counted.
    """
    bounds = sorted(buckets.items())
    wanted = share * bounds[-1][1] if bounds else 0.0
    if not wanted:
        return None
    below, counted = 0.0, 0.0
    for bound, count in bounds:
        if count >= wanted:
            return below if bound == float("inf") else below + (bound - below) * (wanted - counted) / (count - counted)
        below, counted = bound, count
    return below


def _grown(of_one: Sequence[Spawns], *, from_zero: bool) -> Iterator[tuple[tuple[str, str], float, float]]:
    """By how much each bucket of one process grew; one that a sample does not tell of was 0 there."""
    told = [{(each.status, each.reason): each.buckets for each in spawns.counts} for spawns in of_one]
    for ended, bound in {(ended, bound) for counts in told for ended, buckets in counts.items() for bound in buckets}:
        values = [counts.get(ended, {}).get(bound, 0.0) for counts in told]
        yield ended, bound, max(values) - (0.0 if from_zero else min(values))
