"""What the tests on the real node share: looking at it as the health check does, and waiting with a deadline."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from domain.health import Finding
from environments import Environment
from environments.loader import PROJECT
from plans.diagnosis import diagnose
from systems.probes import carry_out, probes_of
from systems.probes.cluster import look_at_cluster, watched_servers

OF_THE_HUB = ("hub-api", "proxy-routes", "synthetic-user")


@dataclass(frozen=True)
class Answer:
    """How a command ended. `record`: its JSON object."""

    code: int
    record: dict[str, Any]
    said: str


def riskhub(*arguments: str, **variables: str) -> Answer:
    """`riskhub ... --environment dev --json`, as on-call has it."""
    ended = subprocess.run(
        (sys.executable, "-m", "cli.main", *arguments, "--environment", "dev", "--json"),
        env={**os.environ, **variables},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert ended.stdout.strip(), ended.stderr
    return Answer(ended.returncode, json.loads(ended.stdout), ended.stdout + ended.stderr)


def check(env: Environment, *probes: str) -> tuple[Finding, ...]:
    """The health check of the Hub and its cluster, as its flow does it, without Prefect."""
    with watched_servers(env) as seen:
        looked = [carry_out(probe) for probe in probes_of(env) if probe.name in probes]
    cluster, snapshot = look_at_cluster(env, seen=seen())
    return diagnose([*looked, *cluster], snapshot, synthetic_user=env.health.synthetic_user)


def troubles(findings: tuple[Finding, ...]) -> list[Finding]:
    """What is bad and follows from nothing else."""
    return [each for each in findings if each.state in ("failed", "degraded") and not each.because_of]


def the_cause(env: Environment, probe: str, words: str, *, within: float = 180) -> tuple[Finding, ...]:
    """Look until `probe` tells `words`; then the whole check, whose one cause that must be."""

    def is_told() -> bool:
        return any(each.probe == probe and words in each.seen for each in check(env))

    wait_until(is_told, within=within, otherwise=lambda: str(check(env)))
    findings = check(env, *OF_THE_HUB)
    causes = troubles(findings)
    assert len(causes) == 1, causes
    (cause,) = causes
    assert findings[0] == cause, "the cause comes first"
    assert cause.probe == probe and words in cause.seen and cause.next_step, findings
    return findings


def wait_until(
    condition: Callable[[], bool], *, within: float = 180, otherwise: Callable[[], str] = lambda: "it did not happen"
) -> None:
    give_up = time.monotonic() + within
    while not condition():
        assert time.monotonic() < give_up, otherwise()
        time.sleep(1)
