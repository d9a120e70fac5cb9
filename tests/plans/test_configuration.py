"""What a restore of the configuration would change, known by fingerprints."""

from __future__ import annotations

from domain.deployment import Difference, ObjectKey, SavedObject
from plans.configuration import plan_configuration_restore

HUB = ObjectKey("v1", "Secret", "jupyterhub", "hub")
HASHED = ObjectKey("v1", "ConfigMap", "jupyterhub", "hub-configuration-8cm7tgmkht")
PLAIN = ObjectKey("v1", "ConfigMap", "riskhub", "platform")


def planned(*differences: Difference, asked_for: tuple[ObjectKey, ...] = ()):
    return plan_configuration_restore(differences, asked_for, point="20260301T013000Z", environment="dev")


def difference(key: ObjectKey, live: dict[str, str] | None, restored: dict[str, str]) -> Difference:
    saved = SavedObject(key, restored)
    return Difference(saved, None if live is None else SavedObject(key, live), saved)


def test_an_object_that_is_missing_comes_back():
    (action,) = planned(difference(HUB, None, {"api_token": "1", "cookie_secret": "2"})).actions
    assert (action.verb, action.target) == ("restore", "Secret jupyterhub/hub")
    assert action.reason == "it is missing; 2 entries come back"


def test_the_keys_that_differ_are_the_reason_and_no_value_is():
    live = {"api_token": "1", "cookie_secret": "2", "newer": "3"}
    (action,) = planned(difference(HUB, live, {"api_token": "9", "cookie_secret": "2", "lost": "4"})).actions
    assert action.reason == "missing: lost; another value: api_token; not in the point, goes: newer"


def test_what_is_as_in_the_point_is_left_alone():
    plan = planned(difference(HUB, {"api_token": "1"}, {"api_token": "1"}))
    assert plan.actions == () and len(plan.left_alone) == 1


def test_a_configmap_named_after_its_content_comes_back_only_if_a_workload_asks_for_it():
    gone = difference(HASHED, None, {"jupyterhub_config.py": "1"})
    assert planned(gone).actions == ()
    assert [action.on for action in planned(gone, asked_for=(HASHED,)).actions] == [HASHED]


def test_a_configmap_with_a_name_of_its_own_comes_back_whoever_asks():
    assert [action.on for action in planned(difference(PLAIN, None, {"AWS_REGION": "1"})).actions] == [PLAIN]
