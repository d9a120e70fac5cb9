"""The Hub's calls as tasks: asked again when it does not answer, and never more stops at once than it bears."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from systems import hub as hubs
from systems import running
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

# Not retried as a whole: each stop has its own outcome.
stop_servers = task(name="stop-servers", timeout_seconds=3600, cache_policy=NO_CACHE)(hubs.stop_servers)

confirm_stops = task(name="confirm-stops", timeout_seconds=300, cache_policy=NO_CACHE)(running.confirm_stops)

# Held by the flow around its tasks, by no task: a task ends before what it would guard.
only_cull = hubs.only_cull
