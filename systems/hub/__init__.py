"""The JupyterHub, through its REST API and nothing else: servers, users, routes, version."""

from systems.hub.condition import list_routes, read_clock, read_version, require_scope, server_url
from systems.hub.metrics import read_spawns
from systems.hub.servers import (
    end_server,
    list_servers,
    read_server,
    start_server,
)
from systems.hub.stops import stop_servers
from systems.hub.tokens import as_user, has_auth_state
from systems.hub.turn import only_cull
from systems.hub.users import delete_user, ensure_user, list_user_names

__all__ = [
    "as_user",
    "delete_user",
    "end_server",
    "ensure_user",
    "has_auth_state",
    "list_routes",
    "list_servers",
    "list_user_names",
    "only_cull",
    "read_clock",
    "read_server",
    "read_spawns",
    "read_version",
    "require_scope",
    "server_url",
    "start_server",
    "stop_servers",
]
