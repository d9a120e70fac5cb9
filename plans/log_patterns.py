"""Which log lines tell of which trouble: one table, each row as the program's source writes the line. Pure.

One incident makes several lines: a refused request is told by tornado with its reason and by the access log with its
user. A row matches that one of them which every such incident has, and once. What follows below a line (a traceback, a
request's headers) has no beginning of its own and is never counted.

Sources: JupyterHub 6.1, oauthenticator 17.4, KubeSpawner 7.1, jupyter_server 2, configurable-http-proxy 5.3, Kubernetes
1.35 (kubelet `pkg/kubelet/events`, scheduler, controllers), PostgreSQL 18.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from domain.logs import PROGRAMS, Category, Program


@dataclass(frozen=True)
class Told:
    """A line of a program that tells of trouble: what it says after its beginning, and when it says it was."""

    program: Program
    text: str
    at: datetime | None


# [W 2026-11-28 03:19:33.172 JupyterHub auth:819] text: the Hub names module and line, a user's server does not
_JUPYTER = re.compile(r"\[[WEC] (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?) ([^\]\n]{1,80})\] (.*)", re.DOTALL)
_HUB = re.compile(r"JupyterHub \w+:\d+$")
# 2026-11-28T03:21:59.957Z [ConfigProxy] error: text
_PROXY = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3})Z \[ConfigProxy\] (?:warn|error): (.*)", re.DOTALL)
# 2026-11-28 03:18:38.396 UTC [15961] FATAL:  text; of RDS 2026-11-28 03:18:38 UTC:10.0.0.1(5432):hub@hub:[159]:FATAL:
_DATABASE = re.compile(
    r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{3})?) UTC[: ][^\n]{0,200}?((?:ERROR|FATAL|PANIC):  .*)", re.DOTALL
)
# systems.logs writes a Kubernetes event so: "FailedScheduling Pod/hub-7d9c: 0/3 nodes are available"
_EVENT = re.compile(r"(\w+ [A-Za-z]*/\S+: .*)", re.DOTALL)

_CALLBACK = r"/hub/oauth_callback"
_STARTS_A_SERVER = r"/hub/(?:spawn|api/users/[^/ ]+/servers?)\b"

_TABLE: tuple[tuple[Program, Category, str], ...] = (
    # Every login that SSO or the Hub refuses ends at the callback: state, code, or a user who is not allowed.
    ("hub", "authentication", rf"[45]\d\d GET {_CALLBACK}\S* \([^()]*@\S+\) [\d.]+ms$"),
    # Of a login by form, PAM's too, whose own lines come before it; OAuth's is the row above.
    ("hub", "authentication", r"Failed login for (?!'unknown user'$)"),
    # A token that is forged, revoked or expired: the access log knows no user.
    ("hub", "authentication", r"40[13] [A-Z]+ /hub/api/\S* \(@\S+\) [\d.]+ms$"),
    ("hub", "authentication", r"Invalid (?:or expired )?cookie token$"),
    ("hub", "authentication", r"Auth expired for "),
    ("proxy", "authentication", r"403 [A-Z]+ /api/routes"),
    ("database", "authentication", r"FATAL:  (?:password authentication failed|no pg_hba\.conf entry) for "),
    # the Hub, `User.spawn` and `BaseHandler.spawn_single_user`
    ("hub", "allocation", r"(?:Unhandled error starting|Error starting) [^\n]{1,200}'s server: "),
    ("hub", "allocation", r"Unhandled error waiting for [^\n]{1,200}'s server to show up"),
    ("hub", "allocation", r"Not starting [^\n]{1,200}'s server "),
    ("hub", "allocation", r"[^\n]{1,200}'s server (?:failed to start in|never showed up at) "),
    ("hub", "allocation", r"User [^\n]{1,200} server stopped, with exit code: (?!0$)"),
    ("hub", "allocation", r"Failed to add [^\n]{1,200} to proxy!"),
    ("hub", "allocation", r"\d+ pending spawns, throttling"),
    ("hub", "allocation", r"Aborting due to \d+ consecutive spawn failures"),
    ("event", "allocation", r"(?:FailedScheduling|FailedCreate|FailedCreatePodSandBox|FailedCreatePodContainer) "),
    ("event", "allocation", r"(?:Evicted|Preempting|Preempted|SystemOOM|OOMKilling|NodeNotReady|InspectFailed) "),
    ("event", "allocation", r"(?:Failed|BackOff|ErrImageNeverPull|NetworkNotReady|FailedPostStartHook) "),
    ("database", "allocation", r"FATAL:  (?:sorry, too many clients already|remaining connection slots are reserved)"),
    # HTTP answers of 5xx, but for those told above; calls between the parts
    ("hub", "api", rf"5\d\d [A-Z]+ (?!{_STARTS_A_SERVER})\S+ \([^()]*@\S+\) [\d.]+ms$"),
    # 404: a route that is to be removed is gone already, which is ordinary
    ("hub", "api", r"api_request to (?:the )?proxy failed(?!: 404)"),
    ("hub", "api", r"Rolling back session due to database error"),
    ("hub", "api", r"An error occurred when calling Kubernetes API"),
    ("hub", "api", r"(?:Error when watching resources, retrying|Watching resources never recovered)"),
    ("hub", "api", r"Pod \S+ (?:never showed up in reflector|did not disappear)"),
    ("proxy", "api", r"5\d\d [A-Z]+ "),
    ("proxy", "api", r"Error in handler for "),
    ("server", "api", r"5\d\d [A-Z]+ \S+ \([^()]*@\S+\) [\d.]+ms"),
    ("server", "api", r"Error notifying Hub of activity"),
    ("server", "api", r"(?:Error connecting to |Unknown error checking authorization|Upstream failure verifying )"),
    ("server", "api", r"I don't have permission to check authorization with JupyterHub"),
    # the server's file manager answers 403 for EPERM and EACCES, and logs every other error of a save
    ("server", "storage", r"\d\d\d [A-Z]+ \S+ \([\d.:a-f]+\): Permission denied:"),
    ("server", "storage", r"(?:Error while saving file: |Failed to check write permissions on |Error stat-ing )"),
    ("event", "storage", r"(?:FailedMount|FailedAttachVolume|FailedMapVolume|FailedBinding|ProvisioningFailed) "),
    ("event", "storage", r"(?:VolumeResizeFailed|FileSystemResizeFailed|FreeDiskSpaceFailed|InvalidDiskCapacity) "),
    ("event", "storage", r"FailedMountOnFilesystemMismatch "),
    ("database", "storage", r"(?:ERROR|FATAL|PANIC):  could not (?:write|extend|fsync|create|open)\b"),
    # forged requests, rights that somebody does not have, foreign origins
    ("hub", "security", r"403 [A-Z]+ \S+ \(\S+\): [^\n]*(?:'_xsrf' argument|XSRF cookie does not match)"),
    ("hub", "security", r"XSRF error on login form"),
    ("hub", "security", r"Not authorizing access to "),
    ("hub", "security", r"User [^\n]{1,200} not allowed to access "),
    ("hub", "security", r"Content security violation"),
    ("hub", "security", r"Disallowing redirect outside JupyterHub"),
    ("hub", "security", r"(?:Client secret mismatch for |No such oauth client |Redirect uri \S+ != )"),
    ("hub", "security", r"[^\n]{1,200}'s server is using [^\n]{1,200}'s token!"),
    ("hub", "security", r"Not allowing POST with content-type"),
    ("server", "security", r"403 [A-Z]+ \S+ \(\S+\): [^\n]*(?:'_xsrf' argument|XSRF cookie does not match)"),
    ("server", "security", r"Not allowing (?:user |Hub user |Hub service |Hub \S+ \S+: missing required scopes)"),
    ("server", "security", r"Blocking (?:Cross Origin |request with n)"),
    ("server", "security", r"oauth state argument "),
    ("database", "security", r"ERROR:  permission denied for "),
)
_ROWS: dict[Program, tuple[tuple[Category, re.Pattern[str]], ...]] = {
    program: tuple((category, re.compile(pattern)) for of, category, pattern in _TABLE if of == program)
    for program in PROGRAMS
}


_LEVELS = (b"[W ", b"[E ", b"[C ")


def worth_reading(line: bytes) -> bool:
    """May a line tell of trouble? Quick, since of a hundred lines ninety-nine do not."""
    if line[:1] == b"[":
        return line.startswith(_LEVELS)
    return b"[ConfigProxy]" in line or b":  " in line


def told_in(line: str, zone: tzinfo = UTC) -> Told | None:
    """What a line (without terminal escapes) says; None where it begins as no program's warning does.

    `zone`: of times without one.
    """
    if match := _JUPYTER.match(line):
        stamp, by, text = match.groups()
        return Told("hub" if _HUB.match(by) else "server", text, _moment(stamp, zone))
    if match := _PROXY.match(line):
        return Told("proxy", match[2], _moment(match[1], UTC))
    if match := _DATABASE.match(line):
        return Told("database", match[2], _moment(match[1], UTC))
    if match := _EVENT.match(line):
        return Told("event", match[1], None)
    return None


def category_of(told: Told) -> Category | None:
    """The first row of the table that the line matches: it is counted there and nowhere else."""
    return next((category for category, row in _ROWS[told.program] if row.match(told.text)), None)


def _moment(stamp: str, zone: tzinfo) -> datetime | None:
    try:
        return datetime.fromisoformat(stamp).replace(tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None  # the 31st of February: somebody's own line
