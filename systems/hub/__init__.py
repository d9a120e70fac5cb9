"""The JupyterHub, through its REST API and nothing else: servers, users, routes, version."""

from systems.hub.condition import (
    answers,
    list_routes,
    read_clock,
    read_routes,
    read_version,
    require_scope,
    require_whole_sight,
    server_url,
    sync_routes,
)
from systems.hub.login import log_in
from systems.hub.metrics import read_spawns
from systems.hub.notices import find_warnings, keep_announcements, read_announcements, read_warnings, warn
from systems.hub.servers import (
    end_server,
    list_servers,
    read_server,
    start_server,
)
from systems.hub.stops import stop_servers
from systems.hub.tokens import as_user, has_auth_state, list_tokens, revoke_tokens, with_people_token
from systems.hub.turn import only_announcement, only_cull, only_reconciliation
from systems.hub.users import delete_user, ensure_user, list_user_names, list_users, read_user

__all__ = [
    "answers",
    "as_user",
    "delete_user",
    "end_server",
    "ensure_user",
    "find_warnings",
    "has_auth_state",
    "keep_announcements",
    "list_routes",
    "list_servers",
    "list_tokens",
    "list_user_names",
    "list_users",
    "log_in",
    "only_announcement",
    "only_cull",
    "only_reconciliation",
    "read_announcements",
    "read_clock",
    "read_routes",
    "read_server",
    "read_spawns",
    "read_user",
    "read_version",
    "read_warnings",
    "require_scope",
    "require_whole_sight",
    "revoke_tokens",
    "server_url",
    "start_server",
    "stop_servers",
    "sync_routes",
    "warn",
    "with_people_token",
]
