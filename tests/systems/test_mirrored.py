from __future__ import annotations

import pytest

from domain.errors import Refused
from environments import Environment
from systems.mirrored import homes_of, require_shared, shared_of


def sharing(env: Environment, *names: str) -> Environment:
    return env.model_copy(update={"homes": env.homes.model_copy(update={"shared": names})})


def test_a_home_goes_by_its_own_name_and_what_is_shared_by_its_path_on_a_server(env: Environment) -> None:
    homes, (data,) = homes_of(env), shared_of(sharing(env, "data"))
    assert [homes.part_of(path) for path in ("ana/models/var.ipynb", "ana", ".")] == ["ana", "ana", "user-data"]
    parts = [data.part_of(path) for path in ("limits/desk.json", "prices.csv", ".")]
    assert parts == ["shared/data/limits", "shared/data/prices.csv", "shared/data"]


def test_an_environment_that_shares_nothing_has_nothing_to_restore(env: Environment) -> None:
    assert shared_of(sharing(env)) == ()
    with pytest.raises(Refused, match="it names no shared folders") as refused:
        require_shared(sharing(env))
    assert "shared = [...] in [homes]" in refused.value.next_step
