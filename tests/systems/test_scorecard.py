"""Scorecards: what the page tells, that hostile words stay words, and which drills of a bucket are on it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest

from domain.errors import Damaged, Refused
from domain.health import Finding
from domain.plan import Outcome
from domain.record import PlannedAction, Record
from environments import Environment
from plans.drill import NOT_SHOWN, STEPS, words_of
from systems.evidence import publish_key, signing_key, store_evidence
from systems.objects import get_object, put_object
from systems.scorecard import drill_until, scorecard_of, store_scorecard
from systems.scorecard.page import scorecard_page

NOW = datetime(2026, 3, 2, 5, 12, tzinfo=UTC)
EVIDENCE = "s3://riskhub-backup/evidence/recovery-drill/20260302T051203Z-5c2f00112233.json"
HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)>\u202egpj.exe'
FIGURES: dict[str, float | int | str | None] = {
    "point": "20260302T013000Z",
    "rto_seconds": 41.5,
    "rto_target_seconds": 60.0,
    "rpo_homes_seconds": 720.0,
    "rpo_homes_target_seconds": 1800.0,
    "rpo_database_seconds": 13320.0,
    "rpo_database_target_seconds": 93600.0,
}


def drill(broken: str = "", *, ended: datetime = NOW) -> Record:
    """One that passed, or failed at its fourth step by what `broken` says."""
    words = [words_of(step) for step in STEPS]
    done = [Outcome(verb, target, "done", f"{verb} seen", 1.5) for verb, target in words]
    if broken:
        done = [*done[:3], Outcome(*words[3], "failed", broken, 2.0), done[-1]]
    return Record(
        flow="recovery-drill",
        environment="local",
        state="failed" if broken else "complete",
        summary=f"failed: compare homes: {broken}" if broken else "passed; in time",
        started_at=ended - timedelta(seconds=50),
        finished_at=ended,
        plan_digest="ab" * 32,
        actions=tuple(PlannedAction(verb=verb, target=target, reason="because") for verb, target in words),
        outcomes=tuple(done),
        findings=(Finding("rto", "failed", "never", broken),) if broken else (),
        measures=FIGURES | ({"rto_seconds": None} if broken else {}),
    )


class _Seen(HTMLParser):
    """Tags, and the text of the body, as a browser would have them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "body":
            self.words.clear()

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def test_a_page_tells_verdict_point_steps_figures_limits_and_how_to_verify_it() -> None:
    text = _Seen(scorecard_page(drill(), EVIDENCE, [], NOT_SHOWN)).text
    assert "Recovery drill: passed" in text
    assert "20260302T013000Z" in text
    assert "41.5 s target 60 s" in text
    assert "12 min target 30 min" in text
    assert all(f"{verb} {target}" in text for verb, target in map(words_of, STEPS))
    assert text.count("done") == len(STEPS)
    assert all(each in text for each in NOT_SHOWN)
    assert f"riskhub evidence verify {EVIDENCE}" in text


def test_a_failed_drill_names_its_cause_and_the_steps_that_were_not_reached() -> None:
    text = _Seen(scorecard_page(drill("no port"), EVIDENCE, [], [])).text
    assert "Recovery drill: failed failed: compare homes: no port" in text
    assert text.count("not reached") == len(STEPS) - 5
    assert "not measured target 60 s" in text


def test_hostile_words_are_words_and_the_page_loads_nothing() -> None:
    damage = Damaged(HOSTILE, HOSTILE, HOSTILE)
    page = scorecard_page(drill(HOSTILE), HOSTILE, [drill(HOSTILE), damage], [HOSTILE])
    seen = _Seen(page)
    tags = {tag for tag, _ in seen.tags}
    assert not tags & {"script", "img", "link", "iframe", "a", "object"}
    assert not [name for _, attributes in seen.tags for name in attributes if name.startswith("on") or name == "src"]
    assert "\u202e" not in page
    assert "<script>alert(1)</script>" in seen.text


def test_drills_of_earlier_days_and_what_does_not_verify_stand_below_it() -> None:
    before = drill("no room", ended=NOW - timedelta(days=31))
    damage = Damaged("evidence/recovery-drill/x.json", "its signature does not fit: it was altered", "find out")
    text = _Seen(scorecard_page(drill(), EVIDENCE, [before, damage], [])).text
    assert "2026-01-30 05:12 failed failed: compare homes: no room" in text
    assert "its evidence does not verify evidence/recovery-drill/x.json: its signature does not fit" in text


def test_a_drill_whose_record_has_no_targets_says_so() -> None:
    old = drill().model_copy(update={"measures": {"point": "20260302T013000Z", "rto_seconds": 41.5}})
    assert "41.5 s target not recorded" in _Seen(scorecard_page(old, EVIDENCE, [], [])).text


def kept(env: Environment, made: Record) -> Record:
    key = signing_key(env.aws)
    publish_key(env.objects, key)
    name = store_evidence(env.objects, made, key)
    return made.model_copy(update={"links": {"evidence": f"s3://{env.objects.bucket}/{name}"}})


def test_the_page_lies_under_the_name_of_its_evidence_with_the_twelve_drills_until_then(apart: Environment) -> None:
    store = apart.objects
    days = [kept(apart, drill(ended=NOW + timedelta(days=day))) for day in range(14)]
    name = days[12].links["evidence"].rpartition("/")[2].removesuffix(".json")

    assert store_scorecard(store, days[12], NOT_SHOWN) == f"scorecards/recovery-drill/{name}.html"

    text = _Seen(get_object(store, f"scorecards/recovery-drill/{name}.html").decode()).text
    told = [f"{NOW + timedelta(days=day):%Y-%m-%d %H:%M} passed" for day in range(14)]
    assert [day in text for day in told] == [False, *[True] * 12, False]


def test_a_page_is_of_the_last_drill_that_had_ended_then_and_forged_evidence_hides_none(apart: Environment) -> None:
    store = apart.objects
    first, second = (kept(apart, drill(ended=NOW + timedelta(days=day))) for day in (0, 31))
    forged = get_object(store, first.links["evidence"].removeprefix(f"s3://{store.bucket}/")).replace(
        b'"sig": "', b'"sig": "A'
    )
    put_object(store, "evidence/recovery-drill/20260303T000000Z-forged.json", forged, content_type="application/json")

    url, found = drill_until(store, NOW + timedelta(days=30))
    assert (url, found.finished_at) == (first.links["evidence"], NOW)
    assert drill_until(store, NOW + timedelta(days=32))[0] == second.links["evidence"]
    text = _Seen(scorecard_of(store, second, second.links["evidence"], [])).text
    assert "its evidence does not verify" in text
    assert "2026-03-02 05:12 passed" in text


def test_before_the_first_drill_there_is_no_page(apart: Environment) -> None:
    with pytest.raises(Refused, match="none was carried out until 2026-03-02"):
        drill_until(apart.objects, NOW)
