"""What the Hub's surroundings are made of: the database, SSO, S3, the Risk API, AWS's control plane and the homes.

In production AWS and the company run them. The embedded stack has them on loopback; for the cluster they stand
outside of it, on this machine's end of the cable.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import boto3
import botocore.exceptions
from botocore.config import Config
from pydantic import SecretStr

from devstack import database, object_store, sso
from devstack.aws import COPY_REGION
from devstack.aws.part import aws_control_plane
from devstack.choices import Choices
from devstack.process import LOOPBACK, Part
from devstack.risk_api.access import UserType
from devstack.risk_api.part import risk_api
from domain.errors import Failed
from environments.loader import PROJECT
from environments.settings import AwsSettings, ObjectStoreSettings
from systems.evidence import publish_key
from systems.signing import SigningKey

BUCKET = "riskhub-backup"
EVIDENCE_KEY = AwsSettings.model_fields["evidence_key"].default
ACCOUNT_ROLE = "arn:aws:iam::123456789012:role/riskhub-backup"  # moto's own account


def lay_out_file_system(folder: Path) -> None:
    """What EFS has beside the homes: sample notebooks and libraries; what is there already stays."""
    for name in ("user-data", "notebooks", "data", "libs"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for sample in (PROJECT / "notebooks").glob("*.ipynb"):
        shutil.copy2(sample, folder / "notebooks" / sample.name)
    shutil.copytree(
        PROJECT / "notebooks" / "libs",
        folder / "libs",
        dirs_exist_ok=True,
        ignore=shutil.ignore_patterns("__pycache__"),
    )


@dataclass(frozen=True)
class Services:
    """The services of one stack, their state below `state`.

    Attributes:
        hub_url: the Hub's public address, where SSO sends people back to.
        host: the address they listen on.
        clients: networks besides this machine that may log in to the database.
    """

    state: Path
    choices: Choices
    hub_url: str
    host: str = LOOPBACK
    clients: tuple[str, ...] = ()

    @property
    def file_system(self) -> Path:
        """The folder that stands for EFS."""
        return self.state / "efs"

    def url(self, port: str) -> str:
        """The address of the service behind the port of this name."""
        return f"http://{self.host}:{self.choices.ports[port]}"

    def parts(self) -> tuple[Part, ...]:
        """All of them, in no order: none needs another to start."""
        ports, keys = self.choices.ports, self.choices.secrets
        database.initialise(self.state / "database", keys["database"], clients=self.clients)
        s3_ports = [ports[f"object-store-{n}"] for n in range(object_store.PORTS)]
        tokens: dict[str, UserType] = {
            keys["risk_platform"]: "platform",
            keys["risk_data_scientist"]: "data-scientist",
            keys["risk_business_user"]: "business-user",
        }
        host = self.host
        return (
            database.database(self.state, ports["database"], host),
            sso.sso(ports["sso"], keys["oauth_client"], f"{self.hub_url}/hub/oauth_callback", host),
            object_store.object_store(self.state, s3_ports, keys["s3_key"], keys["s3_secret"], host),
            risk_api(self.state, ports["risk-api"], tokens, host),
            aws_control_plane(
                self.state,
                ports["aws"],
                self.choices.file_system_id,
                self.file_system,
                secrets={EVIDENCE_KEY: keys["evidence_key"]},
                host=host,
            ),
        )

    def values(self) -> dict[str, str]:
        """The platform's variables that say where they are, and their keys."""
        keys = self.choices.secrets
        where = f"{self.host}:{self.choices.ports['database']}"
        return {
            "CORPORATE_AUTH_URL": self.url("sso"),
            "OAUTH_CLIENT_ID": sso.CLIENT_ID,
            "OAUTH_CLIENT_SECRET": keys["oauth_client"],
            "HUB_DATABASE_URL": f"postgresql://hub:{keys['database']}@{where}/postgres",
            "POSTGRES_TOOLS": str(database.postgres_tools()),
            "EFS_MOUNT_POINT": str(self.file_system),
            "EFS_FILE_SYSTEM_ID": self.choices.file_system_id,
            "S3_BACKUP_BUCKET": BUCKET,
            "S3_ENDPOINT_URL": self.url("object-store-0"),
            "S3_ACCESS_KEY_ID": keys["s3_key"],
            "S3_SECRET_ACCESS_KEY": keys["s3_secret"],
            "AWS_REGION": "us-east-1",
            "AWS_CONTROL_ENDPOINT_URL": self.url("aws"),
            "AWS_CONTROL_ACCESS_KEY_ID": keys["aws_key"],
            "AWS_CONTROL_SECRET_ACCESS_KEY": keys["aws_secret"],
            "AWS_BACKUP_ROLE_ARN": ACCOUNT_ROLE,
            "AWS_BACKUP_COPY_REGION": COPY_REGION,
            "RISK_API_URL": self.url("risk-api"),
            "RISK_API_TOKEN": keys["risk_platform"],
        }

    def create_bucket(self) -> None:
        """The backup bucket, versioned and with Object Lock, and in it the public key of its evidence.

        Raises:
            Failed: the object store does not make it.
        """
        self._make_bucket()
        store = ObjectStoreSettings(
            bucket=BUCKET,
            endpoint_url=self.url("object-store-0"),
            access_key_id=SecretStr(self.choices.secrets["s3_key"]),
            secret_access_key=SecretStr(self.choices.secrets["s3_secret"]),
        )
        publish_key(store, SigningKey(SecretStr(self.choices.secrets["evidence_key"])))

    def _make_bucket(self) -> None:
        s3 = boto3.client(
            "s3",
            endpoint_url=self.url("object-store-0"),
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
