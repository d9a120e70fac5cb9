"""The embedded stack as one thing: what its parts are, in which order they start and stop, what they are told.

Ports and secrets are chosen once and kept in `<state>/stack.json` (0600), so that a stack that was down
comes up with the same addresses, keys and data. `<state>/values.env` is what `environments/local.toml` reads.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from deployments.automations import apply_automations
from deployments.registration import create_pool, deploy_all, process_template
from devstack import alertmanager, hub, scheduler
from devstack.choices import Choices
from devstack.parts import Parts, Report, remove_all_but
from devstack.process import LOOPBACK, Part, require_free, sweep
from devstack.services import Services, lay_out_file_system
from environments.alerts import AlertsSettings
from environments.settings import PrefectSettings


class Stack(Parts):
    """A stack whose state lives below `state`."""

    def __init__(self, state: Path) -> None:
        super().__init__(state)
        self.choices = Choices.load_or_make(state, {})
        self.public_url = f"http://{LOOPBACK}:{self.choices.ports['hub-public']}"
        self.services = Services(state, self.choices, self.public_url)
        self._alertmanager = alertmanager.program()
        self._prefect = scheduler.prefect_variables(state, self.choices.ports["prefect"])

    @staticmethod
    def forget(state: Path) -> None:
        """Everything but evidence and reports that never reached a bucket."""
        remove_all_but(state, "evidence", "reports", "cluster")

    def up(self, report: Report) -> None:
        sweep(self.state)
        for name, port in self.choices.ports.items():
            require_free(name, port)
        lay_out_file_system(self.services.file_system)
        self._write_values()
        pool = ThreadPoolExecutor(2)
        try:
            chains = [pool.submit(self._start_platform, report), pool.submit(self._start_scheduler, report)]
            for chain in as_completed(chains):
                chain.result()
        except BaseException:
            sweep(self.state)  # what still starts dies, so both chains end now
            pool.shutdown()
            self.down()
            raise

    def _start_platform(self, report: Report) -> None:
        ports, token = self.choices.ports, self.choices.secrets["proxy_token"]
        proxy = hub.proxy(ports["hub-public"], ports["proxy-api"], token)
        self.start_parts(*self.services.parts(), proxy, *self._alerts(), report=report)
        self.services.create_bucket()
        self.start_parts(hub.hub(self.state, self._hub_variables()), report=report)

    def _alerts(self) -> tuple[Part, ...]:
        if self._alertmanager is None:
            return ()
        return (alertmanager.alertmanager(self._alertmanager, self.state, self.choices.ports["alertmanager"]),)

    def _start_scheduler(self, report: Report) -> None:
        self.start_parts(scheduler.server(self._prefect, self.choices.ports["prefect"]), report=report)
        scheduler.keep_for_the_next_start(self._prefect)
        began = time.monotonic()
        create_pool(self._prefect, "process", process_template())
        with ThreadPoolExecutor(1) as pool:
            deploying = pool.submit(deploy_all, {**self._prefect, "RISKHUB_ENVIRONMENT": "local"})
            self.start_parts(
                scheduler.worker(self.state, self._prefect, self.choices.ports["prefect-worker"]), report=report
            )
            deploying.result()
        values = self._values()
        prefect = PrefectSettings(api_url=values["PREFECT_API_URL"], ui_url=values["PREFECT_UI_URL"])
        apply_automations("local", prefect, AlertsSettings(url=values.get("ALERTMANAGER_URL")))
        report("deployments", time.monotonic() - began)

    def _hub_variables(self) -> dict[str, str]:
        keys = self.choices.secrets
        return {
            "RISKHUB_ENVIRONMENT": "local",
            "HUB_AUTHENTICATION": "sso",
            "HUB_SPAWNER": "process",
            "HUB_ACTIVITY_SECONDS": "2",
            "HUB_JUPYTER_PATH": str(hub.JUPYTER),
            "HUB_BIND_URL": self.services.url("hub-api"),
            "HUB_CONNECT_URL": self.services.url("hub-api"),
            "PROXY_API_URL": self.services.url("proxy-api"),
            "CONFIGPROXY_AUTH_TOKEN": keys["proxy_token"],
            "RISK_API_TOKEN_DATA_SCIENTIST": keys["risk_data_scientist"],
            "RISK_API_TOKEN_BUSINESS_USER": keys["risk_business_user"],
            **self._values(),
        }

    def _values(self) -> dict[str, str]:
        keys = self.choices.secrets
        return {
            "JUPYTERHUB_API_URL": self.public_url + "/hub/api",
            "JUPYTERHUB_PUBLIC_URL": self.public_url,
            "JUPYTERHUB_API_TOKEN": keys["hub_token"],
            "JUPYTERHUB_PEOPLE_TOKEN": keys["people_token"],
            "JUPYTERHUB_COOKIE_SECRET": keys["cookie"],
            "JUPYTERHUB_CRYPT_KEY": keys["crypt_key"] * 2,
            **self.services.values(),
            "HUB_LOGS": str(self.state / "logs"),
            "PREFECT_API_URL": self._prefect["PREFECT_API_URL"],
            "PREFECT_UI_URL": self.services.url("prefect"),
            **({"ALERTMANAGER_URL": self.services.url("alertmanager")} if self._alertmanager else {}),
        }

    def _write_values(self) -> None:
        path = self.state / "values.env"
        path.touch(mode=0o600)
        path.write_text("".join(f"{name}={value}\n" for name, value in self._values().items()))
