"""The corporate identity provider, for real OpenID Connect: oidc-provider-mock on loopback.

The Hub is registered as a client at each start, so its secret is checked and never written down here.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Mapping

import httpx

from devstack.process import Part, http_ok
from environments.loader import PROJECT

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
    return Part(
        name="sso",
        command=(sys.executable, "-m", "devstack.sso", f"--port={port}"),
        folder=PROJECT,
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


def main() -> None:
    """Serve on loopback. The provider's own command logs each client it lets in, with its secret."""
    import uvicorn  # noqa: PLC0415 - who only starts this process does not pay for these two
    from oidc_provider_mock import User, app  # type: ignore[import-untyped]  # noqa: PLC0415

    parser = argparse.ArgumentParser(prog="devstack.sso", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("oidc_provider_mock").setLevel(logging.WARNING)
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # http, which loopback may
    people = [User(sub=name, claims={"preferred_username": name, "groups": [group]}) for name, group in PEOPLE.items()]
    uvicorn.run(
        app(require_client_registration=True, user_claims=people),
        interface="wsgi",
        host="127.0.0.1",
        port=parser.parse_args().port,
        log_config=None,
    )


if __name__ == "__main__":
    main()
