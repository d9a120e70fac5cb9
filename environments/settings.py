"""The settings an environment file may hold, typed, unknown keys refused.

Durations are seconds in the files and `timedelta` here. Secrets are `SecretStr`: they print as stars.
Each section can be built without a file too, which is how `riskhub mirror` works with nothing but arguments.
"""

from __future__ import annotations

import base64
import binascii
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from domain.clock import utc_now
from domain.logs import Category
from environments.alerts import AlertsSettings
from environments.base import Seconds, Settings, Url
from environments.culling import CullPolicy
from environments.people import PeopleSettings
from environments.reconciling import ReconcilePolicy

EnvironmentName = Literal["local", "dev", "uat", "prod"]


def _in_a_header(token: SecretStr) -> SecretStr:
    # HTTP clients quote a value they cannot send in their error, or break on it: it must not get so far.
    if not all("!" <= character <= "~" for character in token.get_secret_value()):
        raise ValueError("it holds a space, a control character or an accent, which no token has")
    return token


def _fernet_key(key: SecretStr) -> SecretStr:
    try:
        length = len(base64.b64decode(key.get_secret_value(), altchars="-_", validate=True))
    except (binascii.Error, ValueError):
        length = 0
    if length != 32:
        raise ValueError("it is no Fernet key: 32 bytes in URL-safe base64 (cryptography's Fernet.generate_key())")
    return key


Token = Annotated[SecretStr, AfterValidator(_in_a_header)]
FernetKey = Annotated[SecretStr, AfterValidator(_fernet_key)]
FolderName = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]


class HubSettings(Settings):
    """The JupyterHub: its REST API and the address users see.

    `people_token`: of the service `riskhub-people`, which departures ask with; on-call's terminal alone has it.
    `crypt_key`: what the Hub encrypts auth_state with, JUPYTERHUB_CRYPT_KEY; of a cluster it is read there.
    """

    api_url: Url
    public_url: Url
    api_token: Token
    people_token: Token | None = None
    crypt_key: SecretStr | None = None
    authentication: Literal["sso", "local"] = "sso"
    timeout: Seconds = timedelta(seconds=10)

    @property
    def token_variable(self) -> str:
        """The variable that the token comes from, as messages name it."""
        return "JUPYTERHUB_PEOPLE_TOKEN" if self.api_token == self.people_token else "JUPYTERHUB_API_TOKEN"


class DatabaseSettings(Settings):
    """The Hub's database (a `postgresql://` URL) and where pg_dump and pg_restore are."""

    url: SecretStr
    tools: Path | None = None


class HomesSettings(Settings):
    """The EFS mount: `user-data/<escaped user name>` below `mount_point`, and beside it what users share.

    `shared`: the folders that servers mount below `/shared`, each mirrored and restored as a whole; none by default.
    """

    mount_point: Path
    file_system_id: str
    shared: tuple[FolderName, ...] = ()

    @property
    def user_data(self) -> Path:
        return self.mount_point / "user-data"

    @field_validator("shared")
    @classmethod
    def _lie_beside_the_homes(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if taken := {"user-data", "drills", "manifests"}.intersection(names):
            raise ValueError(f"{min(taken)} is no folder that users share: the name has a use of its own")
        if len(set(names)) < len(names):
            raise ValueError("a folder is named twice")
        return names


class ObjectStoreSettings(Settings):
    """A bucket. Without keys the usual AWS chain is used (AWS_* variables, role, profile).

    `locked_for`: how long evidence and manifests can be neither deleted nor replaced, by S3 Object Lock in
    COMPLIANCE mode; none where the bucket was made without it.
    """

    bucket: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
    endpoint_url: Url | None = None
    region: str = "us-east-1"
    access_key_id: SecretStr | None = None
    secret_access_key: SecretStr | None = None
    locked_for: Seconds | None = None

    @property
    def lock(self) -> dict[str, Any]:
        """What a write that is to be locked says to S3, counted from now."""
        if self.locked_for is None:
            return {}
        return {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": utc_now() + self.locked_for}

    @model_validator(mode="after")
    def _keys_come_in_pairs(self) -> ObjectStoreSettings:
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise ValueError("access_key_id and secret_access_key go together: give both or neither")
        return self


class AwsSettings(Settings):
    """AWS's control plane. `endpoint_url` is set only where it is emulated, and outputs say so.

    Attributes:
        backup_copy_region: where each snapshot is copied to, into the vault of the same name; none by default.
        evidence_key: the secret that holds the key which signs evidence.
    """

    region: str
    endpoint_url: Url | None = None
    access_key_id: SecretStr | None = None
    secret_access_key: SecretStr | None = None
    backup_vault: str
    backup_role_arn: str
    backup_copy_region: str | None = None
    evidence_key: str = "riskhub/evidence-signing-key"

    @property
    def emulated(self) -> bool:
        return self.endpoint_url is not None

    @model_validator(mode="after")
    def _copies_go_elsewhere(self) -> AwsSettings:
        if self.backup_copy_region == self.region:
            raise ValueError("backup_copy_region is the region itself: a copy there is lost together with it")
        return self


class SsoSettings(Settings):
    """Where people log in by OpenID Connect, and the client that the Hub is there; left out where it is not known."""

    url: Url | None = None
    client_id: str | None = None
    client_secret: SecretStr | None = None


class RiskApiSettings(Settings):
    """The Risk Platform API that the notebooks read."""

    url: Url
    token: Token


class ClusterSettings(Settings):
    """The Kubernetes cluster that the Hub runs in.

    Attributes:
        identity: uid of its namespace `kube-system`, which no other cluster has. Every connection holds the
            cluster it reached against it: a wrong context once deleted a production namespace.
        kubeconfig: as in $KUBECONFIG; without it the pod's own ServiceAccount, else the default kubeconfig.
        context: of the kubeconfig; its current one by default.
        overlay: folder below `k8s/overlays`; called as the environment by default.
        backup_key: Fernet key that seals the Secrets in backups; without it Secrets are not backed up.
        rollout_deadline: how long a deployment's pods may take to get ready.
        remove_at_most: a deployment that would remove more objects is refused whole.
    """

    name: str
    identity: str = Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
    kubeconfig: str | None = None
    context: str | None = None
    namespace: str = "jupyterhub"
    operations_namespace: str = "riskhub"
    overlay: str | None = Field(default=None, pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    backup_key: FernetKey | None = None
    timeout: Seconds = timedelta(seconds=15)
    rollout_deadline: Seconds = timedelta(minutes=5)
    remove_at_most: int = Field(default=10, ge=0)


class PrefectSettings(Settings):
    """The Prefect server and the work pool that the deployments run in."""

    api_url: Url
    ui_url: Url
    work_pool: str = "riskhub"


class HealthSettings(Settings):
    """What the checks hold against what they see.

    Attributes:
        login: how the synthetic user comes in: by SSO, through the plain form of the provider's page; without it, by
            our token, and nobody tries whether people can log in.
        password: what that form asks for, where it asks for one.
        profiles: it starts a server of each, with a login, which tells its groups; else one of the Hub's default.
        report_max_age: the newest published report is at most so old; without it reports are not looked at.
        certificate_min_days: a certificate is renewed before it has only so many days left.
    """

    synthetic_user: str = "riskhub-check"
    login: Literal["form"] | None = None
    password: SecretStr | None = None
    profiles: tuple[str, ...] = ()
    backup_max_age: Seconds = timedelta(hours=26)
    report_max_age: Seconds | None = None
    certificate_min_days: int = Field(default=21, ge=0)
    spawn_deadline: Seconds = timedelta(seconds=120)
    storage_warn_share: float = Field(default=0.85, gt=0, lt=1)

    @property
    def sessions(self) -> tuple[str | None, ...]:
        """The profile of each server that the synthetic user starts; None is the Hub's default."""
        return (self.login and self.profiles) or (None,)


class LogSettings(Settings):
    """Where logs are read besides the cluster's pods and events, and how much of what is a burst.

    Attributes:
        folder: of this machine's own logs, where the Hub runs as a process of it.
        groups: of CloudWatch Logs.
        authentication, allocation, api, storage, security: at most so many lines in a quarter of an hour.
        multiple: of what is usual is a burst too, from half of the limit on.
    """

    folder: Path | None = None
    groups: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9_./#-]+$", max_length=512)], ...] = ()
    authentication: int = Field(default=20, ge=0)
    allocation: int = Field(default=5, ge=0)
    api: int = Field(default=30, ge=0)
    storage: int = Field(default=10, ge=0)
    security: int = Field(default=10, ge=0)
    multiple: float = Field(default=5.0, gt=1)

    def limit_of(self, category: Category) -> int:
        """The category's limit."""
        limits: dict[Category, int] = {
            "authentication": self.authentication,
            "allocation": self.allocation,
            "api": self.api,
            "storage": self.storage,
            "security": self.security,
        }
        return limits[category]


class RecoverySettings(Settings):
    """What recovery is held against.

    Attributes:
        rto: from nothing to a user's own notebook running, at most.
        rpo_homes, rpo_shared, rpo_database: the work of at most so long may be lost.
        drill_every: a drill that passed is at most so old.
        approval: how long a run that was started in Prefect waits for somebody to approve it.
        notebook: below a home; what a drill runs as its owner, so choose one that changes nothing elsewhere.
    """

    rto: Seconds = timedelta(hours=4)
    rpo_homes: Seconds = timedelta(minutes=30)
    rpo_shared: Seconds = timedelta(hours=26)
    rpo_database: Seconds = timedelta(hours=26)
    drill_every: Seconds = timedelta(days=31)
    approval: Seconds = timedelta(minutes=30)
    notebook: str


class RetentionPolicy(Settings):
    """Which recovery points stay.

    Attributes:
        daily: the newest of each of the last so many days that have one, in UTC.
        weekly: the same of ISO weeks.
        monthly: the same of months.
        max_share: at most this share of the points is removed in one run; a larger plan is refused whole.
        at_least: so many removals are always allowed, however few points there are.
    """

    daily: int = Field(default=14, ge=0)
    weekly: int = Field(default=8, ge=0)
    monthly: int = Field(default=12, ge=0)
    max_share: float = Field(default=0.5, gt=0, le=1)
    at_least: int = Field(default=7, ge=0)


class UtilisationSettings(Settings):
    """What the trends of storage, database and quotas are held against.

    Attributes:
        trend: they are drawn from the samples of so long.
        warn_within: what is full sooner than this is told as degraded.
        homes_limit: bytes; the size of the file system by default, and EFS has none.
        database_limit: bytes of disk that the database's server was given, which the server itself does not know.
    """

    trend: Seconds = timedelta(days=90)
    warn_within: Seconds = timedelta(days=30)
    homes_limit: int | None = Field(default=None, gt=0)
    database_limit: int | None = Field(default=None, gt=0)


class Environment(Settings):
    """One environment, whole."""

    name: EnvironmentName
    hub: HubSettings
    database: DatabaseSettings
    homes: HomesSettings
    objects: ObjectStoreSettings
    aws: AwsSettings
    risk_api: RiskApiSettings
    sso: SsoSettings = SsoSettings()
    prefect: PrefectSettings
    cluster: ClusterSettings | None = None
    culling: CullPolicy = CullPolicy()
    reconciling: ReconcilePolicy = ReconcilePolicy()
    health: HealthSettings = HealthSettings()
    logs: LogSettings = LogSettings()
    recovery: RecoverySettings | None = None
    retention: RetentionPolicy = RetentionPolicy()
    utilisation: UtilisationSettings = UtilisationSettings()
    people: PeopleSettings = PeopleSettings()
    alerts: AlertsSettings = AlertsSettings()

    @property
    def label(self) -> str:
        """Its name with its cluster's, e.g. prod/riskhub-prod; what is typed to confirm a change of it."""
        return f"{self.name}/{self.cluster.name}" if self.cluster else self.name

    @model_validator(mode="after")
    def _local_login_is_for_development(self) -> Environment:
        if self.hub.authentication == "local" and self.name in ("uat", "prod"):
            raise ValueError(f"hub.authentication = 'local' is refused in {self.name}: only SSO logs people in there")
        return self
