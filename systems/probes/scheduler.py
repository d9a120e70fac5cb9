"""Probe of our own scheduler: Prefect answers, somebody works its runs off, and none of them is late.

Without it nothing that is said here to happen by schedule happens, and nothing else would say so.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import httpx

from domain.clock import in_words, to_utc, utc_now
from domain.errors import Failed
from environments.settings import PrefectSettings
from systems.network import trust, unreachable
from systems.probes.look import Seen

TIMEOUT_SECONDS = 10.0
LATE = timedelta(minutes=2)


def look_at_scheduler(prefect: PrefectSettings) -> Seen:
    """No run should have started more than two minutes ago and has not."""
    with httpx.Client(base_url=prefect.api_url, timeout=TIMEOUT_SECONDS, verify=trust()) as client:
        waiting = _ask(
            client,
            prefect,
            "/flow_runs/filter",
            {
                "flow_runs": {
                    "state": {"type": {"any_": ["SCHEDULED"]}},
                    "expected_start_time": {"before_": (utc_now() - LATE).isoformat()},
                },
                "sort": "EXPECTED_START_TIME_ASC",
                "limit": 200,
            },
        )
        workers = _ask(client, prefect, f"/work_pools/{prefect.work_pool}/workers/filter", {})
    online = sum(each["status"] == "ONLINE" for each in workers)
    if not waiting and online:
        return Seen(f"Prefect answers, {online} workers, no run is late")
    if not waiting:
        what, step = "no worker is online: nothing that is due will run", "start the worker (prefect-worker)"
        return Seen(what, "failed", step, "scheduler-late")
    since = utc_now() - to_utc(datetime.fromisoformat(waiting[0]["expected_start_time"]))
    return Seen(
        f"{len(waiting)} runs should have started, the first {in_words(since)} ago; {online} workers are online",
        "failed",
        "look at the worker's log; start it again if it is not online" if online else "start the worker",
        "scheduler-late",
    )


def _ask(client: httpx.Client, prefect: PrefectSettings, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    thing = f"Prefect at {prefect.api_url}"
    try:
        response = client.post(path, json=body)
    except httpx.TransportError as error:
        step = "start it: until then nothing runs by schedule, and riskhub runs without it"
        raise unreachable(thing, error, kind="scheduler-down", next_step=step) from None
    if response.status_code != httpx.codes.OK:
        raise Failed(thing, f"answered {response.status_code} to {path}", "read its log", kind="scheduler-down")
    found: list[dict[str, Any]] = response.json()
    return found
