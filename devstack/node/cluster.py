"""The cluster as one thing: the node, its add-ons, the services around it, and the Secrets of the Hub.

What is deployed on it is not its business (`riskhub deploy hub`). `<state>/dev.env` is what `environments/dev.toml`
reads: where everything is, and the cluster's identity.
"""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from devstack.choices import Choices
from devstack.database import create_database
from devstack.node import network
from devstack.node.images import images, node_image, platform_images
from devstack.node.machine import require_able_machine
from devstack.node.node import admin_kubeconfig, node, remove_cgroups, run_kubectl
from devstack.node.programs import cache_folder, programs
from devstack.parts import Parts, Report, remove_all_but
from devstack.process import marked, require_free, sweep
from devstack.services import Services, lay_out_file_system
from domain.errors import Refused

ADDONS = Path(__file__).parent / "addons"
# Where the overlay `local` expects them; only this machine's end of the cable has this address.
PORTS = {"database": 5432, "sso": 9080, "risk-api": 9090, "object-store-0": 9000, "aws": 9050}
VALUES = "dev.env"  # what environments/dev.toml reads
HUB = "http://10.96.0.80"
PREFECT = "http://10.96.0.42:4200"


# Names the state folder of the cluster that has the machine's one node.
HOLDER = cache_folder() / "holder"


def holder_besides(state: Path) -> Path | None:
    """The state folder of another cluster that is up on this machine."""
    other = Path(HOLDER.read_text()) if HOLDER.exists() else state
    return other if other != state and marked(other) else None


class Cluster(Parts):
    """A cluster whose state lives below `state`."""

    def __init__(self, state: Path) -> None:
        super().__init__(state)
        self.choices = Choices.load_or_make(state, PORTS)
        self.services = Services(
            state, self.choices, HUB, host=network.OUTSIDE, clients=(network.CABLE, network.CLUSTER)
        )
        self._programs = programs()

    def up(self, report: Report) -> None:
        if other := holder_besides(self.state):
            raise Refused(
                "cluster on this machine",
                f"its one node is up already, for the cluster in {other}",
                f"take that one down first: RISKHUB_STATE={other.parent} riskhub cluster down",
            )
        self.clean(self.state)
        HOLDER.write_text(str(self.state))
        network.plug_in()
        try:
            for name, port in self.choices.ports.items():
                require_free(name, port, network.OUTSIDE)
            lay_out_file_system(self.services.file_system)
            the_node = node(self.state / "node", self._programs, self.services.file_system, images(self._programs))
            self.start_parts(*self.services.parts(), the_node, report=report)
            self.services.create_bucket()
            create_database(self.services.values()["HUB_DATABASE_URL"], "prefect")
            self._install_addons(report)
            self._write_secrets()
        except BaseException:
            self.down()
            raise

    @staticmethod
    def prepare() -> None:
        """Debian's packages, Kubernetes from its modules, and every image: a quarter of an hour the first time."""
        require_able_machine()
        with ThreadPoolExecutor() as pool:  # Go computes while Buildah waits for the network
            built = pool.submit(programs)
            platform_images()
        node_image(built.result())

    @staticmethod
    def clean(state: Path) -> None:
        sweep(state)
        if not holder_besides(state):
            network.unplug()
            remove_cgroups()
        (state / VALUES).unlink(missing_ok=True)  # or `dev` would mean a cluster that is gone

    @staticmethod
    def forget(state: Path) -> None:
        remove_all_but(state)

    def _kubectl(self, *arguments: str, given: str | None = None, seconds: float = 60) -> str:
        return run_kubectl(self.state / "node", self._programs, *arguments, given=given, seconds=seconds)

    def _install_addons(self, report: Report) -> None:
        began = time.monotonic()
        for addon in sorted(ADDONS.glob("*.yaml")):
            self._kubectl("apply", "--server-side", "--force-conflicts", f"--filename={addon}")
        # Not for metrics-server, whose first figures take half a minute and which no pod waits for.
        for workload in ("daemonset/policy-agent", "deployment/coredns"):
            self._kubectl("--namespace=kube-system", "rollout", "status", workload, "--timeout=120s", seconds=130)
            report(workload.partition("/")[2], time.monotonic() - began)

    def _write_secrets(self) -> None:
        """The Secrets that the manifests refer to, as a platform team would make them; and `dev.env`."""
        keys = self.choices.secrets
        around = self.services.values()
        self._secret(
            "jupyterhub",
            "hub",
            {
                "api_token": keys["hub_token"],
                "people_token": keys["people_token"],
                "cookie_secret": keys["cookie"],
                "crypto_key": keys["crypt_key"] * 2,
                "database_url": around["HUB_DATABASE_URL"],
                "proxy_token": keys["proxy_token"],
                "oauth_client_id": around["OAUTH_CLIENT_ID"],
                "oauth_client_secret": around["OAUTH_CLIENT_SECRET"],
                "risk_api_token": keys["risk_platform"],
                "risk_api_token_business_user": keys["risk_business_user"],
                "risk_api_token_data_scientist": keys["risk_data_scientist"],
                "metrics_token": keys["metrics"],
            },
        )
        identity = self._kubectl("get", "namespace", "kube-system", "--output=jsonpath={.metadata.uid}")
        values = {
            "JUPYTERHUB_API_URL": f"{HUB}/hub/api",
            "JUPYTERHUB_PUBLIC_URL": HUB,
            "JUPYTERHUB_API_TOKEN": keys["hub_token"],
            **around,
            "PREFECT_API_URL": f"{PREFECT}/api",
            "PREFECT_UI_URL": PREFECT,
            "CLUSTER_IDENTITY": identity,
            "CLUSTER_OVERLAY": "local",
            "CONFIGURATION_BACKUP_KEY": keys["backup_key"],
            "SYNTHETIC_USER_LOGIN": "form",
            "HUB_SPAWN_DEADLINE": "PT40S",  # no node has to be added, no image to be pulled
        }
        database = f"{keys['database']}@{network.OUTSIDE}:{PORTS['database']}/prefect"
        in_pods = {**values, "EFS_MOUNT_POINT": "/mnt/efs"}
        del in_pods["POSTGRES_TOOLS"]  # the image has its own
        in_pods["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = f"postgresql+asyncpg://hub:{database}"
        self._secret("riskhub", "runbook", in_pods)
        path = self.state / VALUES
        path.touch(mode=0o600)
        values["JUPYTERHUB_PEOPLE_TOKEN"] = keys["people_token"]  # on-call's, as the kubeconfig: no flow run has them
        values["KUBECONFIG"] = str(admin_kubeconfig(self.state / "node"))
        path.write_text("".join(f"{name}={value}\n" for name, value in values.items()))

    def _secret(self, namespace: str, name: str, content: dict[str, str]) -> None:
        documents = [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": name, "namespace": namespace},
                "stringData": content,
            },
        ]
        for document in documents:
            self._kubectl("apply", "--server-side", "--force-conflicts", "--filename=-", given=json.dumps(document))
