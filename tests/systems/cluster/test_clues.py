"""Signs in the logs of hub and proxy, as they really write them; the lines themselves never leave."""

from __future__ import annotations

import pytest

from domain.cluster import Clue
from systems.cluster.clues import clues_in

QUOTA = (
    "[E 2026-03-02 06:00:00.123 JupyterHub spawner:3019] Failed for {'env': [{'name': 'JUPYTERHUB_API_TOKEN', "
    "'value': 's3cr3t'}]}\n    kubernetes_asyncio.client.exceptions.ApiException: (403)\n"
    'HTTP response body: {"kind":"Status","message":"pods \\"business-user-ana\\" is forbidden: exceeded quota: '
    "jupyterhub, requested: limits.memory=4G,pods=1, used: limits.memory=254G,pods=80, limited: limits.memory=256Gi,"
    'pods=80","reason":"Forbidden","code":403}\n'
)


@pytest.mark.parametrize(
    ("line", "clue"),
    [
        (
            'psycopg2.OperationalError: connection to server at "10.0.0.5", port 5432 failed: '
            'FATAL:  password authentication failed for user "hub"',
            Clue("hub", "database-password", "hub"),
        ),
        ('FATAL:  database "hubs" does not exist', Clue("hub", "database-missing", "hubs")),
        (
            'connection to server at "10.0.0.5", port 5432 failed: Connection refused',
            Clue("hub", "database-unreachable", "10.0.0.5"),
        ),
        (
            'could not translate host name "database.example" to address: Temporary failure in name resolution',
            Clue("hub", "name-resolution", "database.example"),
        ),
        (
            "database database.example: [Errno -3] Temporary failure in name resolution",
            Clue("hub", "name-resolution", "database.example"),
        ),
        ("database 10.0.0.5: [Errno 111] Connection refused", Clue("hub", "database-unreachable", "10.0.0.5")),
        ("database 10.0.0.5: timed out", Clue("hub", "database-unreachable", "10.0.0.5")),
        ("hub hub: timed out", Clue("hub", "hub-unreachable", "hub")),
        ("hub hub: [Errno 113] No route to host", Clue("hub", "hub-unreachable", "hub")),
        ("hub hub: [Errno -3] Temporary failure in name resolution", Clue("hub", "name-resolution", "hub")),
        ("[I 2026-03-02 06:00:00.1 ServerApp] Jupyter Server 2.17.0 is running at:", Clue("hub", "server-listens")),
        (
            "[E JupyterHub app:2064] Failed to connect to db: postgresql+psycopg2://hub:[redacted]@10.0.0.5:5432/hub",
            Clue("hub", "database"),
        ),
        (
            "api_request to proxy failed: 403, message='Forbidden', url='http://proxy-api:8001/api/routes'",
            Clue("hub", "proxy-token"),
        ),
        (
            "api_request to proxy failed: HTTP 403: Forbidden",
            Clue("hub", "proxy-token"),
        ),
        (
            "api_request to the proxy failed with connection error Cannot connect to host proxy-api:8001 ssl:default "
            "[Connect call failed ('10.96.1.1', 8001)], retrying...",
            Clue("hub", "proxy-unreachable"),
        ),
        (
            "jupyterhub_config: variable IMAGE_BUSINESS_USER is not set; the Hub will not start with a made-up value",
            Clue("hub", "variable", "IMAGE_BUSINESS_USER"),
        ),
        (
            '"pods is forbidden: User \\"system:serviceaccount:jupyterhub:hub\\" cannot list resource \\"pods\\""',
            Clue("hub", "rights", "system:serviceaccount:jupyterhub:hub"),
        ),
    ],
)
def test_a_trouble_is_recognised_in_the_words_of_the_log(line, clue):
    found = clues_in("hub", f"[I] something before\n{line}\n[I] something after\n")
    assert clue in found


def test_the_figures_of_a_quota_are_taken_and_nothing_else_of_the_line():
    (clue,) = clues_in("hub", QUOTA)
    assert clue.kind == "quota"
    assert clue.detail.startswith("jupyterhub, requested: limits.memory=4G,pods=1, used: limits.memory=254G")
    assert "s3cr3t" not in clue.detail and "reason" not in clue.detail


def test_a_sign_that_comes_a_thousand_times_is_one_clue_with_the_latest_detail():
    log = "".join(f"database db-{n}: timed out\n" for n in range(1000))
    assert clues_in("hub", log) == (Clue("hub", "database-unreachable", "db-999"),)


def test_an_ordinary_log_gives_no_clue():
    assert (
        clues_in("hub", "[I 2026-03-02 JupyterHub log:192] 200 GET /hub/api/users (riskhub@10.0.0.9) 12.3ms\n" * 50)
        == ()
    )
