"""All that a week's report is made of: the samples, and what the mirror and the Hub tell of homes and their owners."""

from __future__ import annotations

from datetime import datetime

from domain.errors import Damaged, RiskhubError
from domain.utilisation import Sample, WeekSeen
from environments import Environment
from systems.homes import home_name
from systems.hub import list_user_names
from systems.mirror import home_sizes
from systems.mirrored import homes_of
from systems.utilisation.samples import read_samples


def observe_week(env: Environment, begins: datetime, ends: datetime) -> WeekSeen:
    """The samples from `begins` to `ends`, those before it that trends need, and the homes' sizes.

    Raises:
        Unreachable, Refused: the bucket does not give the samples.
    """
    missing: dict[str, str] = {}
    found = read_samples(env.objects, ends - env.utilisation.trend, ends, whole_since=begins)
    samples = tuple(each for each in found if isinstance(each, Sample))
    if damaged := [each for each in found if isinstance(each, Damaged)]:
        missing["samples"] = f"{len(damaged)} cannot be read, the first: {damaged[0]}"
    homes = None
    try:
        homes = home_sizes(homes_of(env).location, begins)
    except RiskhubError as error:
        missing["home-sizes"] = str(error)
    users = {server.user for sample in samples for server in sample.servers or ()}
    try:
        users.update(list_user_names(env.hub))
    except RiskhubError as error:
        missing["users"] = str(error)
    return WeekSeen(samples, homes, {home_name(user): user for user in users if user}, missing)
