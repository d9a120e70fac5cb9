"""What Prefect makes of our templates: JSON that Alertmanager takes, whatever a run's message quotes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from prefect.server.events.schemas.automations import EventTrigger
from prefect.server.events.schemas.events import ReceivedEvent
from prefect.server.utilities.user_templates import render_user_template_sync, validate_user_template

from deployments import automations
from deployments.automations import PREFIX, apply_automations, declared
from domain.errors import Unreachable
from environments.alerts import AlertsSettings
from environments.settings import PrefectSettings

PREFECT = PrefectSettings(api_url="https://prefect.example/api", ui_url="https://prefect.example")
NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
AUTOMATIONS = {
    each["name"].removeprefix(PREFIX): each for each in declared("prod", PREFECT, AlertsSettings(url="http://alerts"))
}


def event(
    state: str, kind: str, flow: str = "daily-backup", message: str = "why", *, deployment: str = "nightly"
) -> Any:
    run = str(uuid4())
    related = [{"prefect.resource.id": f"prefect.flow.{uuid4()}", "prefect.resource.role": "flow"}]
    related[0]["prefect.resource.name"] = flow
    if deployment:
        role = {"prefect.resource.id": f"prefect.deployment.{uuid4()}", "prefect.resource.role": "deployment"}
        related.append({**role, "prefect.resource.name": deployment})
    return ReceivedEvent.model_validate(
        {
            "occurred": NOW,
            "event": f"prefect.flow-run.{state}",
            "resource": {
                "prefect.resource.id": f"prefect.flow-run.{run}",
                "prefect.state-name": state,
                "prefect.state-type": kind,
                "prefect.state-message": message,
            },
            "related": related,
            "id": uuid4(),
        }
    )


def fired(happened: Any) -> list[str]:
    """The automations that an event fires."""
    triggers = {name: EventTrigger.model_validate(each["trigger"]) for name, each in AUTOMATIONS.items()}
    return [
        name
        for name, trigger in triggers.items()
        if trigger.covers(happened) and trigger.expects(happened.event) and not trigger.starts_after(happened.event)
    ]


@pytest.mark.parametrize(
    ("happened", "fires"),
    [
        (event("Failed", "FAILED"), ["a run failed"]),
        (event("Partial", "FAILED"), ["a run failed"]),
        (event("Refused", "FAILED"), ["a run failed"]),
        (event("Crashed", "CRASHED"), ["a run failed"]),
        (event("Late", "SCHEDULED"), ["a run is late"]),
        (event("Running", "RUNNING"), ["a run started"]),
        (event("Completed", "COMPLETED"), ["a run succeeded"]),
        (event("Planned", "COMPLETED"), []),
        (event("Cancelled", "CANCELLED"), []),
        (event("Failed", "FAILED", "health-pulse"), []),
        (event("Partial", "FAILED", "daily-health-check"), []),
        (event("Crashed", "CRASHED", "daily-health-check"), ["a health run crashed"]),
        (event("Failed", "FAILED", deployment=""), []),
        (event("Failed", "FAILED", "mirror-shard", deployment="part"), []),
    ],
    ids=lambda each: f"{each.event} {each.related[0].name}" if isinstance(each, ReceivedEvent) else "",
)
def test_each_end_of_a_run_fires_what_it_should(happened: Any, fires: list[str]) -> None:
    assert fired(happened) == fires


def rendered(name: str, happened: Any) -> dict[str, Any]:
    template = AUTOMATIONS[name]["payload"]
    validate_user_template(template)
    names = {"flow": SimpleNamespace(name="daily-backup"), "deployment": SimpleNamespace(name="nightly")}
    (alert,) = json.loads(render_user_template_sync(template, {"event": happened, **names}))
    return dict(alert)


def test_a_message_that_quotes_json_and_templates_stays_a_message() -> None:
    nasty = 'home of "o\'tto"}], "labels": {} {{ 7 * 7 }} {% raw %} </script>\n\x1b[31m \\'
    failed = rendered("a run failed", event("Partial", "FAILED", message=nasty))
    assert failed["annotations"]["summary"] == f"daily-backup/nightly ended as Partial: {nasty}"
    assert failed["labels"] == {
        "alertname": "run-failed",
        "environment": "prod",
        "probe": "flow-runs",
        "service": "overdue",
        "severity": "P3",
        "source": "riskhub",
        "flow": "daily-backup",
        "deployment": "nightly",
    }
    assert failed["annotations"]["run"].startswith("https://prefect.example/runs/flow-run/")
    assert (failed["startsAt"], failed["endsAt"]) == (NOW.isoformat(), "2100-01-01T00:00:00Z")


def test_a_success_ends_the_alert_of_the_very_same_labels() -> None:
    for begins, ends in (("a run failed", "a run succeeded"), ("a run is late", "a run started")):
        before, after = rendered(begins, event("Late", "SCHEDULED")), rendered(ends, event("Running", "RUNNING"))
        assert before["labels"] == after["labels"]
        assert after["endsAt"] == NOW.isoformat()


def test_without_an_alertmanager_nothing_is_declared() -> None:
    assert declared("prod", PREFECT, AlertsSettings()) == ()


@contextmanager
def prefect_that_says_nothing(times: int) -> Iterator[tuple[PrefectSettings, list[str]]]:
    """A server that leaves its first so many callers without an answer, and has no automation."""
    asked: list[str] = []

    class Slow(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            if len(asked) <= times:
                time.sleep(1)
                return
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"[]")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        yield PrefectSettings(api_url=f"{url}/api", ui_url=url), asked
        server.shutdown()


def test_a_prefect_that_is_busy_for_the_moment_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(automations, "_TIMEOUT_SECONDS", 0.3)
    with prefect_that_says_nothing(times=2) as (prefect, asked):
        assert apply_automations("local", prefect, AlertsSettings()) == []
    assert asked == ["/api/automations/filter"] * 3


def test_a_prefect_that_stays_silent_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(automations, "_TIMEOUT_SECONDS", 0.2)
    monkeypatch.setattr(automations, "_PATIENCE_SECONDS", 0.3)
    with (
        prefect_that_says_nothing(times=9) as (prefect, _),
        pytest.raises(Unreachable, match=r"ReadTimeout.*Next: start it"),
    ):
        apply_automations("local", prefect, AlertsSettings())
