"""The corporate identity provider, for real OpenID Connect: oidc-provider-mock.

It knows one client, the Hub, and checks its secret. It is told of it at each start, since it keeps nothing.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Mapping

from devstack.process import LOOPBACK, Part, http_ok
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
SYNTHETIC: Mapping[str, str] = {"riskhub-check": "data-scientists"}
# the provider knows them, the Hub does not let them in
OUTSIDERS: Mapping[str, str] = {"hana": "accounting"}
CLIENT_ID = "riskhub-hub"


def sso(port: int, client_secret: str, callback_url: str, host: str = LOOPBACK) -> Part:
    """The provider with the demo's people, one group each, and the Hub as its client."""
    return Part(
        name="sso",
        command=(sys.executable, "-m", "devstack.sso", f"--port={port}", f"--host={host}"),
        environment={"SSO_CLIENT_SECRET": client_secret, "SSO_CALLBACK_URL": callback_url},
        folder=PROJECT,
        ready=http_ok(f"http://{host}:{port}/.well-known/openid-configuration"),
    )


def main() -> None:
    """Serve. The provider's own command logs each client it lets in, with its secret."""
    import flask  # noqa: PLC0415 - who only starts this process does not pay for these
    import uvicorn  # noqa: PLC0415
    from oidc_provider_mock import User, app  # type: ignore[import-untyped]  # noqa: PLC0415
    from oidc_provider_mock._storage import Client  # type: ignore[import-untyped]  # noqa: PLC0415

    parser = argparse.ArgumentParser(prog="devstack.sso", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default=LOOPBACK)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("oidc_provider_mock").setLevel(logging.WARNING)
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # http, which an address of this machine may
    everybody = {**PEOPLE, **SYNTHETIC, **OUTSIDERS}
    everybody |= {name: "nobody" for name in os.environ.get("SSO_MOVED", "").split() if name in everybody}
    people = [
        User(sub=name, claims={"preferred_username": name, "groups": [group]}) for name, group in everybody.items()
    ]
    provider = app(require_client_registration=True, user_claims=people)
    client = Client(
        id=CLIENT_ID,
        secret=os.environ["SSO_CLIENT_SECRET"],
        redirect_uris=[os.environ["SSO_CALLBACK_URL"]],
        allowed_scopes=Client.SCOPES_SUPPORTED,
        token_endpoint_auth_method="client_secret_post",  # noqa: S106 - a method's name
    )

    @provider.before_request  # type: ignore[untyped-decorator]
    def know_the_hub() -> None:
        flask.g.oidc_provider_mock_storage.store_client(client)

    uvicorn.run(
        provider,
        interface="wsgi",
        host=arguments.host,
        port=arguments.port,
        log_config=None,
    )


if __name__ == "__main__":
    main()
