"""The corporate identity provider, for real OpenID Connect: oidc-provider-mock on loopback.

The Hub is registered as a client at each start, so its secret is checked and never written down here.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx

from devstack.process import Part, http_ok

PEOPLE: Mapping[str, str] = {
    "ana": "business-users",
    "bea": "business-users",
    "carl": "business-users",
    "dina": "data-scientists",
    "emil": "data-scientists",
    "fred.o'neil@example.org": "data-scientists",
    "gita": "platform-admins",
}


def sso(port: int) -> Part:
    """The provider with the demo's people, one group each."""
    claims = [
        json.dumps({"sub": name, "preferred_username": name, "groups": [group]}) for name, group in PEOPLE.items()
    ]
    return Part(
        name="sso",
        command=(
            str(Path(sys.executable).parent / "oidc-provider-mock"),
            f"--port={port}",
            "--require-registration=true",
            *(f"--user-claims={claim}" for claim in claims),
        ),
        ready=http_ok(f"http://127.0.0.1:{port}/.well-known/openid-configuration"),
    )


def register_hub(provider_url: str, callback_url: str) -> tuple[str, str]:
    """Register the Hub with the provider; its client id and secret."""
    answer = httpx.post(
        f"{provider_url}/oauth2/clients",
        json={"redirect_uris": [callback_url], "token_endpoint_auth_method": "client_secret_post"},
        timeout=10,
    )
    answer.raise_for_status()
    client = answer.json()
    return client["client_id"], client["client_secret"]
