"""The Hub's calls as tasks: asked again when it does not answer, and never more stops at once than it bears."""

from __future__ import annotations

import time
from datetime import timedelta

from prefect import task
from prefect.cache_policies import NO_CACHE

from domain.reconciliation import Standing
from environments.settings import ClusterSettings, HubSettings
from systems import hub as hubs
from systems import reconciling, running
from tasks.retries import while_unreachable

list_servers = task(name="list-servers", timeout_seconds=300, cache_policy=NO_CACHE, **while_unreachable(1, 2, 4))(
    hubs.list_servers
)

read_clock = task(name="read-clock", timeout_seconds=60, cache_policy=NO_CACHE, **while_unreachable(1, 2, 4))(
    hubs.read_clock
)

require_scope = task(name="require-scope", timeout_seconds=60, cache_policy=NO_CACHE, **while_unreachable(1, 2, 4))(
    hubs.require_scope
)

find_warnings = task(name="find-warnings", timeout_seconds=60, cache_policy=NO_CACHE, **while_unreachable(1, 2, 4))(
    hubs.find_warnings
)

# Whoever is not warned now is warned by the next run.
warn = task(name="warn", timeout_seconds=60, cache_policy=NO_CACHE)(hubs.warn)

# Not retried as a whole: each stop has its own outcome.
stop_servers = task(name="stop-servers", timeout_seconds=3600, cache_policy=NO_CACHE)(hubs.stop_servers)

confirm_stops = task(name="confirm-stops", timeout_seconds=300, cache_policy=NO_CACHE)(running.confirm_stops)

require_whole_sight = task(
    name="require-whole-sight", timeout_seconds=60, cache_policy=NO_CACHE, **while_unreachable(1, 2, 4)
)(hubs.require_whole_sight)

read_standing = task(name="read-standing", timeout_seconds=300, cache_policy=NO_CACHE, **while_unreachable(1, 2, 4))(
    reconciling.read_standing
)


@task(name="read-standing-again", timeout_seconds=1200, cache_policy=NO_CACHE, **while_unreachable(1, 2, 4))
def read_standing_again(hub: HubSettings, cluster: ClusterSettings | None, *, after: timedelta) -> Standing:
    """A second look, `after` the first. A second more, since the Hub tells its time by seconds."""
    time.sleep(after.total_seconds() + 1)
    return reconciling.read_standing(hub, cluster)


# Not retried as a whole: each has its own outcome.
mend = task(name="mend", timeout_seconds=3600, cache_policy=NO_CACHE)(reconciling.mend)

confirm_mends = task(name="confirm-mends", timeout_seconds=300, cache_policy=NO_CACHE)(reconciling.confirm_mends)

read_announcements = task(
    name="read-announcements", timeout_seconds=60, cache_policy=NO_CACHE, **while_unreachable(1, 2, 4)
)(hubs.read_announcements)

keep_announcements = task(
    name="keep-announcements", timeout_seconds=60, cache_policy=NO_CACHE, **while_unreachable(1, 2, 4)
)(hubs.keep_announcements)

# Held by the flow around its tasks, by no task: a task ends before what it would guard.
only_announcement = hubs.only_announcement
only_cull = hubs.only_cull
only_reconciliation = hubs.only_reconciliation
