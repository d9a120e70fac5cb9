"""The Hub's calls as tasks: asked again when it does not answer, and never more stops at once than it bears."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from systems import hub as hubs
from tasks.retries import while_unreachable

list_servers = task(name="list-servers", timeout_seconds=300, cache_policy=NO_CACHE, **while_unreachable(1, 2, 4))(
    hubs.list_servers
)

# Not retried as a whole: each stop has its own outcome.
stop_servers = task(name="stop-servers", timeout_seconds=3600, cache_policy=NO_CACHE)(hubs.stop_servers)
