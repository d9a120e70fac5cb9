"""Every fault, and the one root cause that it is to be told as."""

from __future__ import annotations

from devstack.faults import around, certificates, database, due, hub
from devstack.faults.fault import Fault

_SESSION = ("synthetic-user",)

FAULTS: tuple[Fault, ...] = (
    Fault("database stopped", "database-down", database.down),
    Fault("the Hub's tables locked by another session", "database-locked", database.tables_locked),
    Fault("rows of the Hub locked by another session", "database-locked", database.rows_locked),
    Fault("the database's disk full", "database-full", database.disk_full),
    Fault("the database's password changed", "database-login", database.password_changed),
    Fault("a table of the Hub missing", "database-schema", database.table_missing),
    Fault("Hub stopped", "hub-down", hub.down),
    Fault("Hub starting", "hub-starting", hub.starting),
    Fault("Hub too busy to answer", "hub-overloaded", hub.halting_hub),
    Fault("as many servers starting as the Hub starts at once", "hub-overloaded", hub.spawns_throttled, _SESSION),
    Fault("a row that the Hub cannot read", "hub-error", hub.row_damaged),
    Fault("a token that the Hub does not know", "token-rejected", hub.token_rejected),
    Fault("a token that lacks a scope", "token-scope", hub.token_without_scope),
    Fault("proxy stopped", "proxy-down", hub.proxy_down, _SESSION),
    Fault("proxy hangs", "proxy-down", hub.proxy_halted),
    Fault("the route of a server lost", "routes-lost", hub.server_route_lost),
    Fault("the route of the Hub lost", "routes-lost", hub.hub_route_lost),
    Fault("SSO stopped", "sso-down", around.sso_down, _SESSION),
    Fault("SSO hangs", "sso-down", around.sso_halted),
    Fault("the client secret renewed at the SSO only", "sso-client", around.client_secret_renewed),
    Fault("the SSO's clock ten minutes ahead", "clock-skew", around.sso_clock_ahead),
    Fault(
        "the account of the synthetic user without its group", "login-failed", around.account_without_group, _SESSION
    ),
    Fault("the spawner raises", "spawn-failed", hub.home_in_the_way, _SESSION),
    Fault("a server that does not come up", "spawn-timeout", hub.server_halted, _SESSION),
    Fault("homes not mounted", "homes-unmounted", around.homes_gone),
    Fault("homes full", "homes-full", around.homes_full, _SESSION),
    Fault("the homes' mount stale", "homes-unmounted", around.homes_stale),
    Fault("homes hang", "homes-slow", around.homes_hang),
    Fault("a shared folder gone", "session-failed", around.shared_folder_gone, _SESSION),
    Fault("writes denied by the bucket's policy", "bucket-denied", around.bucket_denied),
    Fault("keys of the bucket revoked", "bucket-denied", around.bucket_keys_revoked),
    Fault("bucket deleted", "bucket-missing", around.bucket_missing),
    Fault("bucket without versions", "bucket-unversioned", around.bucket_unversioned),
    Fault("object store stopped", "bucket-down", around.object_store_down, ("backup-mirror", "recovery")),
    Fault("object store hangs", "bucket-down", around.object_store_halted),
    Fault("Risk API stopped", "risk-api-down", around.risk_api_down, _SESSION),
    Fault("Risk API hangs", "risk-api-slow", around.risk_api_halted),
    Fault("a gateway that finds no Risk API", "risk-api-error", around.risk_api_behind_a_gateway, _SESSION),
    Fault("the Risk API's tokens renewed there only", "risk-api-token", around.risk_api_tokens_renewed),
    Fault(
        "the users' tokens of the Risk API renewed there only",
        "session-risk-api",
        around.users_tokens_renewed,
        _SESSION,
    ),
    Fault("two names do not resolve", "dns", around.name_unknown),
    Fault("a certificate ends in five days", "certificate", certificates.ending),
    Fault("a certificate has ended", "certificate", certificates.ended),
    Fault("nothing was ever backed up", "backup-overdue", due.never_backed_up, ("backup-mirror", "recovery")),
    Fault("last drill forty days ago", "drill-overdue", due.drill_overdue, ("backup-mirror", "recovery")),
    Fault("last report five days ago", "report-overdue", due.report_overdue, ("reports",)),
    Fault("AWS's control plane stopped", "aws-down", due.aws_down, ("backup-snapshot",)),
    Fault("Prefect stopped", "scheduler-down", due.prefect_down),
    Fault("a run is late", "scheduler-late", due.run_late),
)
