"""The synthetic user, made and removed; by a token that is limited to it, nobody else."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.errors import Refused
from systems.hub import delete_user, ensure_user, start_server


def test_the_synthetic_user_is_made_once_and_removed_with_its_server(hub):
    ensure_user(hub.settings, "riskhub-check")
    ensure_user(hub.settings, "riskhub-check")
    assert start_server(hub.settings, "riskhub-check", deadline=timedelta(seconds=10)).ready
    delete_user(hub.settings, "riskhub-check")
    delete_user(hub.settings, "riskhub-check")
    assert hub.admin.get("/users/riskhub-check").status_code == 404


def test_a_token_that_is_limited_to_the_synthetic_user_cannot_touch_others(hub):
    hub.add_user("zoe")
    with pytest.raises(Refused):
        delete_user(hub.settings, "zoe")
    assert hub.admin.get("/users/zoe").status_code == 200
