"""The embedded stack as one thing: what its parts are, in which order they start and stop, what they are told.

Ports and secrets are chosen once and kept in `<state>/stack.json` (0600), so that a stack that was down
comes up with the same addresses, keys and data. `<state>/values.env` is what `environments/local.toml` reads.
"""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import boto3
import botocore.exceptions
from botocore.config import Config

from devstack import database, hub, object_store, scheduler, sso
from devstack.aws.part import aws_control_plane
from devstack.process import Part, free_ports, require_free, start, stop, sweep, wait_ready
from devstack.risk_api.access import UserType
from devstack.risk_api.part import risk_api
from domain.errors import Failed
from environments.loader import PROJECT

PORTS = (
    "hub-public",
    "hub-api",
    "proxy-api",
    "database",
    "sso",
    "risk-api",
    "aws",
    "prefect",
    "prefect-worker",
    *(f"object-store-{n}" for n in range(object_store.PORTS)),
)
BUCKET = "riskhub-backup"
ACCOUNT_ROLE = "arn:aws:iam::123456789012:role/riskhub-backup"  # moto's own account

Report = Callable[[str, float], None]


@dataclass(frozen=True)
class Choices:
    """What was chosen at the first start: ports by name, secrets by name, the file system's id."""

    ports: dict[str, int]
    secrets: dict[str, str]
    file_system_id: str

    @classmethod
    def load_or_make(cls, state: Path, wanted_ports: Mapping[str, int]) -> Choices:
        """The kept choices, or new ones; `wanted_ports` overrides by name and is kept too."""
        path = state / "stack.json"
        if path.exists():
            known = cls(**json.loads(path.read_text()))
        else:
            names = ("hub_token", "cookie", "crypt_key", "proxy_token", "database", "s3_key", "s3_secret")
            tokens = ("aws_key", "aws_secret", "risk_platform", "risk_data_scientist", "risk_business_user")
            known = cls(
                ports=dict(zip(PORTS, free_ports(len(PORTS)), strict=True)),
                secrets={name: secrets.token_hex(16) for name in names + tokens} | {"cookie": secrets.token_hex(32)},
                file_system_id=f"fs-{secrets.token_hex(8)}1",
            )
        chosen = cls({**known.ports, **wanted_ports}, known.secrets, known.file_system_id)
        path.touch(mode=0o600)
        path.write_text(json.dumps(chosen.__dict__))
        return chosen


class Stack:
    """A stack whose state lives below `state`. One process at a time may bring it up (see `supervisor`)."""

    def __init__(self, state: Path, ports: Mapping[str, int] | None = None) -> None:
        state.mkdir(parents=True, exist_ok=True)
        state.chmod(0o700)  # keys, tokens and everybody's homes lie below
        self.state = state
        self.choices = Choices.load_or_make(state, ports or {})
        self.running: dict[str, tuple[Part, subprocess.Popen[bytes]]] = {}
        self._prefect = scheduler.prefect_variables(state, self.choices.ports["prefect"])

    def up(self, report: Report) -> None:
        """Start every part and wait for each; `report(name, seconds)` as they get ready.

        Raises:
            Refused: a port is taken.
            Failed: a part did not start. What had started is stopped again.
        """
        sweep(self.state)
        for name, port in self.choices.ports.items():
            require_free(name, port)
        self._lay_out_file_system()
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

    def down(self) -> None:
        """Stop everything, last started first; the users' servers go with the sweep."""
        for name in reversed(list(self.running)):
            self.stop_part(name)
        sweep(self.state)

    def start_parts(self, *parts: Part, report: Report = lambda _name, _seconds: None) -> None:
        """Start these together and wait for each."""
        began = time.monotonic()
        for part in parts:
            self.running[part.name] = (part, start(part, self.state))
        for part in parts:
            wait_ready(part, self.running[part.name][1], self.state)
            report(part.name, time.monotonic() - began)

    def stop_part(self, name: str) -> None:
        """Stop one part; `restart_part` brings it back."""
        stop(*self.running[name])

    def restart_part(self, name: str) -> None:
        """Start a part again that was stopped or died."""
        self.stop_part(name)
        self.start_parts(self.running[name][0])

    def revive(self) -> list[str]:
        """Start again every part that died; their names."""
        dead = [name for name, (_, process) in self.running.items() if process.poll() is not None]
        for name in dead:
            self.restart_part(name)
        return dead

    @property
    def file_system(self) -> Path:
        """The folder that stands for EFS."""
        return self.state / "efs"

    @property
    def public_url(self) -> str:
        return self._url("hub-public")

    def _url(self, port: str) -> str:
        return f"http://127.0.0.1:{self.choices.ports[port]}"

    def _start_platform(self, report: Report) -> None:
        ports, keys = self.choices.ports, self.choices.secrets
        database.initialise(self.state / "database", keys["database"])
        s3_ports = [ports[f"object-store-{n}"] for n in range(object_store.PORTS)]
        tokens: dict[str, UserType] = {
            keys["risk_platform"]: "platform",
            keys["risk_data_scientist"]: "data-scientist",
            keys["risk_business_user"]: "business-user",
        }
        self.start_parts(
            database.database(self.state, ports["database"]),
            sso.sso(ports["sso"]),
            hub.proxy(ports["hub-public"], ports["proxy-api"], keys["proxy_token"]),
            object_store.object_store(self.state, s3_ports, keys["s3_key"], keys["s3_secret"]),
            risk_api(self.state, ports["risk-api"], tokens),
            aws_control_plane(self.state, ports["aws"], self.choices.file_system_id, self.file_system),
            report=report,
        )
        self._create_bucket()
        self.start_parts(hub.hub(self.state, self._hub_variables()), report=report)

    def _start_scheduler(self, report: Report) -> None:
        self.start_parts(scheduler.server(self._prefect, self.choices.ports["prefect"]), report=report)
        scheduler.keep_for_the_next_start(self._prefect)
        began = time.monotonic()
        scheduler.create_work_pool(self._prefect)
        with ThreadPoolExecutor(1) as pool:
            deploying = pool.submit(scheduler.deploy_all, {**self._prefect, "RISKHUB_ENVIRONMENT": "local"})
            self.start_parts(
                scheduler.worker(self.state, self._prefect, self.choices.ports["prefect-worker"]), report=report
            )
            deploying.result()
        report("deployments", time.monotonic() - began)

    def _hub_variables(self) -> dict[str, str]:
        keys = self.choices.secrets
        client_id, client_secret = sso.register_hub(self._url("sso"), self.public_url + "/hub/oauth_callback")
        return {
            "RISKHUB_ENVIRONMENT": "local",
            "HUB_AUTHENTICATION": "sso",
            "HUB_SPAWNER": "process",
            "HUB_ACTIVITY_SECONDS": "2",
            "HUB_BIND_URL": self._url("hub-api"),
            "HUB_CONNECT_URL": self._url("hub-api"),
            "PROXY_API_URL": self._url("proxy-api"),
            "CONFIGPROXY_AUTH_TOKEN": keys["proxy_token"],
            "OAUTH_CLIENT_ID": client_id,
            "OAUTH_CLIENT_SECRET": client_secret,
            "RISK_API_TOKEN_DATA_SCIENTIST": keys["risk_data_scientist"],
            "RISK_API_TOKEN_BUSINESS_USER": keys["risk_business_user"],
            **self._values(),
        }

    def _values(self) -> dict[str, str]:
        keys = self.choices.secrets
        port = self.choices.ports["database"]
        return {
            "JUPYTERHUB_API_URL": self.public_url + "/hub/api",
            "JUPYTERHUB_PUBLIC_URL": self.public_url,
            "JUPYTERHUB_API_TOKEN": keys["hub_token"],
            "JUPYTERHUB_COOKIE_SECRET": keys["cookie"],
            "JUPYTERHUB_CRYPT_KEY": keys["crypt_key"] * 2,
            "CORPORATE_AUTH_URL": self._url("sso"),
            "HUB_DATABASE_URL": f"postgresql://hub:{keys['database']}@127.0.0.1:{port}/postgres",
            "POSTGRES_TOOLS": str(database.postgres_tools()),
            "EFS_MOUNT_POINT": str(self.file_system),
            "EFS_FILE_SYSTEM_ID": self.choices.file_system_id,
            "S3_BACKUP_BUCKET": BUCKET,
            "S3_ENDPOINT_URL": self._url("object-store-0"),
            "S3_ACCESS_KEY_ID": keys["s3_key"],
            "S3_SECRET_ACCESS_KEY": keys["s3_secret"],
            "AWS_CONTROL_ENDPOINT_URL": self._url("aws"),
            "AWS_CONTROL_ACCESS_KEY_ID": keys["aws_key"],
            "AWS_CONTROL_SECRET_ACCESS_KEY": keys["aws_secret"],
            "AWS_BACKUP_ROLE_ARN": ACCOUNT_ROLE,
            "RISK_API_URL": self._url("risk-api"),
            "RISK_API_TOKEN": keys["risk_platform"],
            "PREFECT_API_URL": self._prefect["PREFECT_API_URL"],
            "PREFECT_UI_URL": self._url("prefect"),
        }

    def _write_values(self) -> None:
        path = self.state / "values.env"
        path.touch(mode=0o600)
        path.write_text("".join(f"{name}={value}\n" for name, value in self._values().items()))

    def _lay_out_file_system(self) -> None:
        for name in ("user-data", "notebooks", "data", "libs"):
            (self.file_system / name).mkdir(parents=True, exist_ok=True)
        for sample in (PROJECT / "notebooks").glob("*.ipynb"):
            shutil.copy2(sample, self.file_system / "notebooks" / sample.name)
        shutil.copytree(
            PROJECT / "notebooks" / "libs",
            self.file_system / "libs",
            dirs_exist_ok=True,
            ignore=shutil.ignore_patterns("__pycache__"),
        )

    def _create_bucket(self) -> None:
        s3 = boto3.client(
            "s3",
            endpoint_url=self._url("object-store-0"),
            aws_access_key_id=self.choices.secrets["s3_key"],
            aws_secret_access_key=self.choices.secrets["s3_secret"],
            region_name="us-east-1",
            config=Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 1}),
        )
        give_up = time.monotonic() + 30
        while True:  # SeaweedFS answers its health check a moment before it can create buckets
            try:
                s3.create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True)
            except (s3.exceptions.BucketAlreadyOwnedByYou, s3.exceptions.BucketAlreadyExists):
                return
            except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
                if time.monotonic() > give_up:
                    raise Failed("object store", f"no bucket could be made: {error}", "read its log") from None
                time.sleep(0.2)
            else:
                return
