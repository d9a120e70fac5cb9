"""A second Hub for a drill: its own database, proxy and Hub, from what the drill laid into its folder.

The drill lays there `database.dump`, `jupyterhub_config.py` and the homes, all of them out of a recovery point, and
gives the crypt key in the environment. What came of the dump is dumped again to `restored.dump` before the Hub
starts and changes it. Of the first Hub nothing is used but the Risk API that both read.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from pydantic import SecretStr

from devstack import database, hub, sso
from devstack.choices import Choices
from devstack.parts import Parts, Report
from devstack.process import LOOPBACK, require_free, sweep
from devstack.services import lay_out_file_system
from environments.settings import DatabaseSettings
from systems.database import ask, dump_database, restore_database
from systems.rehearsal import FORGET_SERVERS, REHEARSAL_HUB

_PORTS = ("hub-public", "hub-api", "proxy-api", "database", "sso")
_FROM_OUTSIDE = ("JUPYTERHUB_CRYPT_KEY", "RISK_API_URL", "RISK_API_TOKEN")


class Rehearsal(Parts):
    """The second Hub whose state lies below `state`."""

    def __init__(self, state: Path) -> None:
        super().__init__(state)
        self.choices = Choices.load_or_make(state, {})
        self._drill_token = secrets.token_hex(16)

    def up(self, report: Report) -> None:
        ports, keys = self.choices.ports, self.choices.secrets
        for name in _PORTS:
            require_free(name, ports[name])
        lay_out_file_system(self._file_system)
        try:
            database.initialise(self.state / "database", keys["database"])
            self.start_parts(database.database(self.state, ports["database"]), report=report)
            restore_database(self._database, self.state / "database.dump")
            dump_database(self._database, self.state / "restored.dump")
            ask(self._database, FORGET_SERVERS)
            callback = f"{self._url('hub-public')}/hub/oauth_callback"
            self.start_parts(
                sso.sso(ports["sso"], keys["oauth_client"], callback),
                hub.proxy(ports["hub-public"], ports["proxy-api"], keys["proxy_token"]),
                hub.hub(self.state, self._variables(), configuration=REHEARSAL_HUB),
                report=report,
            )
        except BaseException:
            sweep(self.state)
            self.down()
            raise
        self._tell()

    @property
    def _file_system(self) -> Path:
        return self.state / "efs"

    @property
    def _database(self) -> DatabaseSettings:
        where = f"{LOOPBACK}:{self.choices.ports['database']}"
        url = f"postgresql://hub:{self.choices.secrets['database']}@{where}/postgres"
        return DatabaseSettings(url=SecretStr(url), tools=database.postgres_tools())

    def _url(self, port: str) -> str:
        return f"http://{LOOPBACK}:{self.choices.ports[port]}"

    def _variables(self) -> dict[str, str]:
        keys = self.choices.secrets
        return {
            **{name: os.environ[name] for name in _FROM_OUTSIDE},
            "RISK_API_TOKEN_DATA_SCIENTIST": os.environ["RISK_API_TOKEN"],
            "RISK_API_TOKEN_BUSINESS_USER": os.environ["RISK_API_TOKEN"],
            "RISKHUB_ENVIRONMENT": "local",
            "HUB_AUTHENTICATION": "sso",
            "HUB_SPAWNER": "process",
            "HUB_BIND_URL": self._url("hub-api"),
            "HUB_CONNECT_URL": self._url("hub-api"),
            "HUB_CONFIGURATION": str(self.state / "jupyterhub_config.py"),
            "HUB_DATABASE_URL": self._database.url.get_secret_value(),
            "PROXY_API_URL": self._url("proxy-api"),
            "CONFIGPROXY_AUTH_TOKEN": keys["proxy_token"],
            "CORPORATE_AUTH_URL": self._url("sso"),
            "OAUTH_CLIENT_ID": sso.CLIENT_ID,
            "OAUTH_CLIENT_SECRET": keys["oauth_client"],
            "EFS_MOUNT_POINT": str(self._file_system),
            "JUPYTERHUB_PUBLIC_URL": self._url("hub-public"),
            "JUPYTERHUB_COOKIE_SECRET": keys["cookie"],
            "JUPYTERHUB_API_TOKEN": keys["hub_token"],
            "JUPYTERHUB_PEOPLE_TOKEN": keys["people_token"],
            "JUPYTERHUB_DRILL_TOKEN": self._drill_token,
        }

    def _tell(self) -> None:
        """Where it is and how it is asked, for the drill."""
        path = self.state / "values.env"
        path.touch(mode=0o600)
        path.write_text(f"{self._url('hub-public')}\n{self._drill_token}\n")
