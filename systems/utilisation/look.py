"""One look at everything that a sample holds. A part that cannot be seen hides no other, and is named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import TypeVar

from domain.clock import utc_now
from domain.errors import RiskhubError
from domain.sessions import Server
from domain.utilisation import Capacity, Sample, ServerSample, Usage
from environments import Environment
from systems import hub
from systems.deadline import Late, within
from systems.server_usage import NOT_SEEN, server_usage
from systems.utilisation import capacity

DEADLINE = timedelta(seconds=60)
T = TypeVar("T")


def take_sample(env: Environment) -> Sample:
    """What is used now; `missing` tells what could not be seen, and why."""
    taken_at, missing = utc_now(), dict[str, str]()

    def see(part: str, look: Callable[[], T]) -> T | None:
        try:
            return within(DEADLINE, look, name=part)
        except Late:
            missing[part] = (
                f"no answer within {DEADLINE.total_seconds():.0f} s. Next: look at the part itself: it hangs"
            )
        except RiskhubError as error:
            missing[part] = str(error)
        return None

    servers = see("servers", partial(hub.list_servers, env.hub))
    used = see("usage", partial(server_usage, env.hub, env.cluster)) or {}
    limits = env.utilisation
    found: list[Capacity | None] = [
        see("homes", partial(capacity.of_the_homes, env.homes, limits.homes_limit)),
        see("database", partial(capacity.of_the_database, env.database, limits.database_limit)),
    ]
    if env.cluster:
        found += see("quotas", partial(capacity.of_the_quotas, env.cluster)) or ()
    return Sample(
        taken_at=taken_at,
        servers=None if servers is None else tuple(_sampled(each, used) for each in servers),
        spawns=see("spawns", partial(hub.read_spawns, env.hub)),
        capacities=tuple(each for each in found if each),
        missing=missing,
    )


def _sampled(server: Server, used: dict[str, Usage]) -> ServerSample:
    return ServerSample(
        user=server.user,
        name=server.name,
        profile=server.profile,
        started=server.started,
        last_activity=server.last_activity,
        **used.get(server.label, NOT_SEEN),
    )
