"""Flow runs as anybody may start them: a deployment run through Prefect's REST API, watched until it ends."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx

from domain.errors import Failed


@dataclass(frozen=True)
class Run:
    """A flow run that ended. `state` is Prefect's name for it, e.g. "Completed" or "Partial"."""

    id: str
    state: str
    message: str
    url: str
    ended_at: datetime

    @property
    def succeeded(self) -> bool:
        return self.state == "Completed"


@dataclass(frozen=True)
class Due:
    """A flow run that a schedule made, and when it is to start, in UTC."""

    id: str
    at: datetime


class Deployments:
    """The deployments of one Prefect server."""

    def __init__(self, api_url: str, ui_url: str) -> None:
        self._client = httpx.Client(base_url=api_url, timeout=30)
        self._ui_url = ui_url

    def start(self, name: str, parameters: Mapping[str, Any]) -> str:
        """Create a run of `<flow>/<deployment>`; its id.

        Raises:
            Failed: there is no such deployment, or its parameters are refused.
        """
        found = self._named(name)
        body = {
            "parameters": {**found["parameters"], **parameters},
            "idempotency_key": str(uuid4()),  # asked twice, there is still one run
        }
        made = self._ask("POST", f"/deployments/{found['id']}/create_flow_run", body)
        if made.status_code >= 400:
            raise Failed(f"deployment {name}", f"Prefect refuses the parameters: {made.text[:300]}", "correct them")
        run_id: str = made.json()["id"]
        return run_id

    def wait(self, run_id: str, deadline: timedelta = timedelta(minutes=5)) -> Run:
        """Wait until the run ended.

        Raises:
            Failed: it did not end within `deadline`.
        """
        url = f"{self._ui_url}/runs/flow-run/{run_id}"
        give_up = time.monotonic() + deadline.total_seconds()
        while True:
            run = self._ask("GET", f"/flow_runs/{run_id}").raise_for_status().json()
            state = run["state"]
            if state["type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED"):
                ended_at = datetime.fromisoformat(run["end_time"])
                return Run(run_id, state["name"], state.get("message") or "", url, ended_at)
            if time.monotonic() > give_up:
                raise Failed(f"flow run {run['name']}", f"is {state['name']} after {deadline}", f"look at {url}")
            time.sleep(0.3)

    def pause_schedules(self) -> None:
        """Nothing starts by itself any more; who starts a run is served."""
        for deployment in self._ask("POST", "/deployments/filter", {}).raise_for_status().json():
            self._ask("PATCH", f"/deployments/{deployment['id']}", {"paused": True}).raise_for_status()

    def resume_schedule(self, name: str) -> None:
        """`<flow>/<deployment>` starts by itself again.

        Raises:
            Failed: there is no such deployment.
        """
        self._ask("PATCH", f"/deployments/{self._named(name)['id']}", {"paused": False}).raise_for_status()

    def next_due(self, name: str, after: datetime, deadline: timedelta = timedelta(minutes=3)) -> Due:
        """The first run of `<flow>/<deployment>` that its own schedule made for later than `after`.

        Prefect's scheduler looks once a minute; until then it is waited for.

        Raises:
            Failed: there is no such deployment, or no such run within `deadline`.
        """
        asked = {
            "deployments": {"id": {"any_": [self._named(name)["id"]]}},
            "flow_runs": {"expected_start_time": {"after_": after.isoformat()}},
            "sort": "EXPECTED_START_TIME_ASC",
        }
        give_up = time.monotonic() + deadline.total_seconds()
        while True:
            for run in self._ask("POST", "/flow_runs/filter", asked).raise_for_status().json():
                due = Due(run["id"], datetime.fromisoformat(run["expected_start_time"]))
                if run["auto_scheduled"] and due.at > after:
                    return due
            if time.monotonic() > give_up:
                cause = f"its schedule made no run for after {after:%H:%M:%S} UTC within {deadline}"
                raise Failed(f"deployment {name}", cause, "is it paused, and does Prefect's scheduler run?")
            time.sleep(1)

    def _named(self, name: str) -> dict[str, Any]:
        found = self._ask("GET", f"/deployments/name/{name}")
        if found.status_code != 200:
            raise Failed(f"deployment {name}", "it is not registered", "run: prefect --no-prompt deploy --all")
        deployment: dict[str, Any] = found.json()
        return deployment

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> httpx.Response:
        """The answer; a server whose SQLite is locked for the moment says 503 and is asked again, 30 s long."""
        give_up = time.monotonic() + 30
        while True:
            answer = self._client.request(method, path, json=body)
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE or time.monotonic() > give_up:
                return answer
            time.sleep(0.5)
