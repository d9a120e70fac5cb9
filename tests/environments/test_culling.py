"""A culling policy that contradicts itself or that nobody can have meant is refused where it is read."""

from __future__ import annotations

import json
from datetime import UTC, datetime, time
from typing import Any

import pytest
from pydantic import ValidationError

from environments.culling import Calendar, CullPolicy

NIGHT = {"days": ["fri"], "begins": "22:00", "ends": "06:00", "timezone": "Europe/London"}
GPU = {"name": "gpu", "profiles": ["gpu"]}


def policy(**fields: Any) -> CullPolicy:
    return CullPolicy.model_validate_json(json.dumps(fields))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"idel": 60}, "idel"),
        ({"rules": [{**GPU, "idle_limit": 60}]}, "idle_limit"),
        ({"idle": -1}, "cannot be negative"),
        ({"rules": [{"name": "all", "idle": 60}]}, "selects nobody"),
        ({"rules": [GPU]}, "sets nothing"),
        ({"rules": [{**GPU, "exempt": True, "idle": 60}]}, "contradicts itself"),
        ({"rules": [{**GPU, "idle": 60}, {**GPU, "idle": 90}]}, "two rules or holds are called 'gpu'"),
        ({"rules": [{**GPU, "idle": 60}, {**GPU, "name": "cards", "idle": 90}]}, "'gpu' and 'cards' say different"),
        ({"rules": [{**GPU, "exempt": True}, {**GPU, "name": "cards", "idle": 90}]}, "'gpu' and 'cards' say different"),
        (
            {"exempt": ["nora"], "rules": [{"name": "n", "users": ["nora"], "idle": 60}]},
            "'nora' is exempt, and rule 'n'",
        ),
        ({"rules": [{**GPU, "exempt_until": "2026-12-01T00:00:00"}]}, "timezone"),
        ({"rules": [{**GPU, "idle": 60, "when": {**NIGHT, "timezone": "Mars/Base"}}]}, "no time zone"),
        ({"rules": [{**GPU, "idle": 60, "when": {**NIGHT, "days": ["friday"]}}]}, "'mon', 'tue'"),
        ({"rules": [{**GPU, "idle": 60, "when": {}}]}, "holds all the time"),
        (
            {"holds": [{"name": "upgrade", "begins": "2026-03-02T10:00:00Z", "ends": "2026-03-02T09:00:00Z"}]},
            "'upgrade' ends before it begins",
        ),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused_with_what_is_wrong(fields: dict[str, Any], said: str):
    with pytest.raises(ValidationError) as caught:
        policy(**fields)
    first = caught.value.errors(include_input=False, include_url=False)[0]
    assert said in f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def test_rules_of_the_same_servers_that_say_the_same_or_something_else_are_fine():
    policy(rules=[{**GPU, "idle": 60}, {**GPU, "name": "age", "max_age": 600}])
    policy(rules=[{**GPU, "idle": 60}, {"name": "other", "profiles": ["cpu"], "idle": 90}])
    policy(rules=[{**GPU, "idle": 60}, {**GPU, "name": "night", "when": NIGHT, "idle": 90}])


@pytest.mark.parametrize(
    ("moment", "inside"),
    [
        ("2026-03-06T21:59", False),
        ("2026-03-06T22:00", True),  # a Friday
        ("2026-03-07T05:59", True),
        ("2026-03-07T06:00", False),
        ("2026-03-07T23:00", False),
        ("2026-03-06T03:00", False),
        ("2026-07-03T21:30", True),  # summer time
    ],
)
def test_a_window_over_midnight_belongs_to_the_day_it_began_on(moment: str, inside: bool):
    assert Calendar.model_validate(NIGHT).holds(datetime.fromisoformat(moment).replace(tzinfo=UTC)) is inside


def test_a_day_without_hours_is_inside_whole():
    saturday = Calendar(days=("sat",))
    assert saturday.begins == saturday.ends == time(0, 0)
    assert saturday.holds(datetime(2026, 3, 7, 0, 0, tzinfo=UTC)) and saturday.holds(
        datetime(2026, 3, 7, 23, 59, tzinfo=UTC)
    )
    assert not saturday.holds(datetime(2026, 3, 8, 0, 0, tzinfo=UTC))


@pytest.mark.parametrize(
    ("moment", "begins", "ends"),
    [
        ("2026-11-25T12:00Z", "2026-11-27T22:00Z", "2026-11-28T02:00Z"),  # the next one
        ("2026-11-27T22:00Z", "2026-11-27T22:00Z", "2026-11-28T02:00Z"),  # it begins
        ("2026-11-28T01:59Z", "2026-11-27T22:00Z", "2026-11-28T02:00Z"),  # it goes on over midnight
        ("2026-11-28T02:00Z", "2026-12-04T22:00Z", "2026-12-05T02:00Z"),  # it is over
        ("2026-03-28T12:00Z", "2026-04-03T21:00Z", "2026-04-04T01:00Z"),  # by then clocks are an hour ahead
    ],
)
def test_a_calendar_tells_the_span_that_goes_on_or_comes_next(moment: str, begins: str, ends: str) -> None:
    calendar = Calendar(days=("fri",), begins=time(22), ends=time(2), timezone="Europe/London")
    found = calendar.span(datetime.fromisoformat(moment))
    assert found == (datetime.fromisoformat(begins), datetime.fromisoformat(ends))
    assert calendar.holds(found[0]) and not calendar.holds(found[1])


def test_a_calendar_of_whole_days_spans_a_day() -> None:
    begins, ends = Calendar(days=("sun",)).span(datetime.fromisoformat("2026-11-28T12:00Z"))
    assert (begins.isoformat(), ends.isoformat()) == ("2026-11-29T00:00:00+00:00", "2026-11-30T00:00:00+00:00")
