"""Signs of known troubles in a container's log. The lines stay here: a Hub's log quotes tokens."""

from __future__ import annotations

import re

from domain.cluster import Clue, ClueKind

# The first group, where there is one, is the detail: a name or a figure, never a value of ours.
_SIGNS: tuple[tuple[ClueKind, re.Pattern[str]], ...] = (
    ("database-password", re.compile(r"password authentication failed for user \"?([\w.-]+)")),
    ("database-missing", re.compile(r"FATAL: +database \"([\w.-]+)\" does not exist")),
    ("database-unreachable", re.compile(r"connection to server at \"([\w.:-]+)\".*(?:refused|timed out|timeout)")),
    ("database-schema", re.compile(r"Found database schema version (\w+)|DatabaseSchemaMismatch")),
    # What the Hub's init container says while it waits (k8s/base/wait_for_database.py).
    ("database-unreachable", re.compile(r"^database ([\w.-]+): (?:\[Errno 1\d\d\]|timed out)", re.MULTILINE)),
    ("name-resolution", re.compile(r"^database ([\w.-]+): \[Errno -\d\]", re.MULTILINE)),
    # What a user's server says while it waits (k8s/base/wait_for_hub.py), and jupyter_server when it is up.
    ("hub-unreachable", re.compile(r"^hub ([\w.-]+): (?:\[Errno 1\d\d\]|timed out)", re.MULTILINE)),
    ("name-resolution", re.compile(r"^hub ([\w.-]+): \[Errno -\d\]", re.MULTILINE)),
    ("server-listens", re.compile(r"Jupyter Server \S+ is running at")),
    ("name-resolution", re.compile(r"could not translate host name \"([\w.-]+)\"")),
    ("name-resolution", re.compile(r"Cannot connect to host ([\w.-]+):\d+ .*(?:Temporary failure|not known|EAI)")),
    ("name-resolution", re.compile(r"getaddrinfo (?:EAI_AGAIN|ENOTFOUND) ([\w.-]+)")),
    # The Hub logs the database's own words at debug level only (jupyterhub/app.py, init_db).
    ("database", re.compile(r"Failed to connect to db:")),
    ("proxy-token", re.compile(r"api_request to proxy failed: (?:HTTP )?403")),
    ("proxy-unreachable", re.compile(r"api_request to the proxy failed with connection error")),
    ("quota", re.compile(r"exceeded quota: ([\w.-]+, requested: [\w.,=/ :-]+)")),
    ("variable", re.compile(r"variable (\w+) is not set")),
    ("rights", re.compile(r"User \\*\"(system:serviceaccount:[\w:-]+)\\*\" cannot \w+ resource")),
)


def clues_in(component: str, log: str) -> tuple[Clue, ...]:
    """Each sign found in `log`, once, the latest of each kind, in the order of the table above."""
    found: dict[ClueKind, Clue] = {}
    for kind, sign in _SIGNS:
        matches = list(sign.finditer(log))
        if matches:
            detail = next((group for group in matches[-1].groups() if group), "")
            found.setdefault(kind, Clue(component, kind, detail.strip(" ,")))
    return tuple(found.values())
