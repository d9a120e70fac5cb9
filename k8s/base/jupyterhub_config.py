"""The one configuration of our JupyterHub, for the embedded stack and for Kubernetes alike.

What differs between environments comes from variables; nothing is copied. Secrets come from the
environment only (a Kubernetes Secret, or the stack's generated keys), and a missing one stops the Hub:
a Hub that invents a new cookie secret or crypt key logs everybody out and loses every auth_state.

Read by the Hub itself: JUPYTERHUB_CRYPT_KEY (auth_state) and CONFIGPROXY_AUTH_TOKEN (proxy).
"""

import asyncio
import json
import os
import shutil
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from escapism import escape
from jupyterhub import orm
from jupyterhub.app import JupyterHub
from jupyterhub.handlers.base import BaseHandler
from jupyterhub.proxy import ConfigurableHTTPProxy
from jupyterhub.spawner import SimpleLocalProcessSpawner
from markupsafe import escape as as_text
from traitlets import default

c = get_config()

GROUPS = ("business-users", "data-scientists", "platform-admins")
RISK_API_TOKEN_OF_GROUP = {
    "platform-admins": "RISK_API_TOKEN",
    "data-scientists": "RISK_API_TOKEN_DATA_SCIENTIST",
    "business-users": "RISK_API_TOKEN_BUSINESS_USER",
}


def required(name):
    """The variable's value; the Hub does not start without it."""
    value = os.environ.get(name)
    if not value:
        sys.exit(f"jupyterhub_config: variable {name} is not set; the Hub will not start with a made-up value")
    return value


def home_folder(username):
    """`user-data/{escaped_username}`: the very names that KubeSpawner's escape scheme gives (kubespawner#937)."""
    safe = set("abcdefghijklmnopqrstuvwxyz0123456789")
    return Path(required("EFS_MOUNT_POINT")) / "user-data" / escape(username, safe=safe, escape_char="-").lower()


class Proxy(ConfigurableHTTPProxy):
    """The proxy stamps a route as active when it is made. When it was restarted the Hub makes all of them again, and
    every idle server would look used: such a stamp is left out until somebody uses the route.
    """

    def __init__(self, **traits):
        super().__init__(**traits)
        self._stamps = {}

    async def add_route(self, routespec, target, data):
        await super().add_route(routespec, target, data)
        made = await self.api_request(self._routespec_to_chp_path(routespec))
        self._stamps[routespec] = (await made.json()).get("last_activity")

    async def delete_route(self, routespec):
        self._stamps.pop(routespec, None)
        await super().delete_route(routespec)

    async def get_all_routes(self):
        routes = await super().get_all_routes()
        for routespec, route in routes.items():
            stamp = route["data"].get("last_activity")
            if stamp is not None and stamp == self._stamps.get(routespec):
                del route["data"]["last_activity"]
        return routes


def kept_notices(db, group):
    """What riskhub keeps as the properties of this group, which nobody is in."""
    found = orm.Group.find(db, group)
    return (found.properties or {}) if found else {}


def moment(said):
    """A time as the Hub keeps its own: naive, UTC."""
    return said and datetime.fromisoformat(said).astimezone(UTC).replace(tzinfo=None)


def notices_of(user, db):
    """What the user (None: nobody is logged in) is told now: of stops that are to come, and of maintenance."""
    now, groups = datetime.now(UTC).replace(tzinfo=None), {group.name for group in user.groups} if user else set()
    stops = [
        {"id": f"stop {warning['server']} {warning['warned_at']}", "text": warning["text"]}
        for warning in (kept_notices(db, "riskhub-warnings").get("warnings", ()) if user else ())
        if warning["user"] == user.name and is_still_true(warning, user.orm_user.orm_spawners.get(warning["server"]))
    ]
    return stops + [
        {"id": announcement["id"], "text": announcement["text"]}
        for announcement in kept_notices(db, "riskhub-announcements").get("announcements", ())
        if announcement["group"] in {None, *groups} and now < moment(announcement["ends"])
    ]


def is_still_true(warning, spawner):
    """Does the very server run, and did nobody use it since, where that would keep it?"""
    if spawner is None or spawner.server is None or spawner.started != moment(warning["started"]):
        return False
    unless_used = moment(warning["last_activity"])
    return unless_used is None or spawner.last_activity is None or spawner.last_activity <= unless_used


class NoticesHandler(BaseHandler):
    """GET /hub/riskhub/notices: what the person is told, asked for by JupyterLab (notebooks/jupyter/labextensions).

    It is asked of the Hub and not of the person's own server, since that would count as use of the server. So, unlike
    the Hub's API, it answers pages of users' servers too, by the login's cookie: it tells notices and changes nothing.
    """

    def _record_activity(self, obj, timestamp=None):
        return False

    async def refresh_auth(self, user, force=False):
        return user  # it asks nobody about a person who only leaves a page open

    def get(self):
        self.set_header("Content-Type", "application/json")
        self.set_header("Cache-Control", "no-store")
        self.finish(json.dumps(notices_of(self.current_user, self.db)))


def configure_notices():
    """Above the Hub's own pages, and in JupyterLab. (JupyterHub would have handlers be services, each a process.)"""
    c.JupyterHub.extra_handlers = [(r"/riskhub/notices", NoticesHandler)]
    c.JupyterHub.template_vars = {"announcement": notices_as_html}


def notices_as_html(user):
    """The page that shows it takes it for HTML."""
    try:
        told = notices_of(user, JupyterHub.instance().db)
    except (AttributeError, KeyError, TypeError, ValueError):
        return ""  # what is damaged there keeps nobody out of the Hub; the next cull and the next announcement say so
    return "<br>".join(str(as_text(notice["text"])) for notice in told)


def configure_addresses():
    """The proxy runs on its own, so that a Hub restart interrupts nobody's notebook."""
    c.JupyterHub.bind_url = required("JUPYTERHUB_PUBLIC_URL")
    c.JupyterHub.public_url = required("JUPYTERHUB_PUBLIC_URL") + "/"  # TLS ends before the proxy, which sees http only
    c.JupyterHub.hub_bind_url = required("HUB_BIND_URL")
    c.JupyterHub.hub_connect_url = required("HUB_CONNECT_URL")
    c.JupyterHub.proxy_class = Proxy
    c.ConfigurableHTTPProxy.should_start = False
    c.ConfigurableHTTPProxy.api_url = required("PROXY_API_URL")
    c.JupyterHub.cleanup_servers = False
    required("CONFIGPROXY_AUTH_TOKEN")


def configure_state():
    """Database and keys."""
    c.JupyterHub.db_url = required("HUB_DATABASE_URL").replace("postgresql://", "postgresql+psycopg2://", 1)
    c.JupyterHub.cookie_secret = bytes.fromhex(required("JUPYTERHUB_COOKIE_SECRET"))
    c.Authenticator.enable_auth_state = True
    required("JUPYTERHUB_CRYPT_KEY")


def configure_sso():
    """Corporate SSO by OpenID Connect; groups come from the provider's `groups` claim at each login."""
    corporate = required("CORPORATE_AUTH_URL")
    c.JupyterHub.authenticator_class = "generic-oauth"
    oauth = c.GenericOAuthenticator
    oauth.login_service = "Corporate SSO"
    oauth.client_id = required("OAUTH_CLIENT_ID")
    oauth.client_secret = required("OAUTH_CLIENT_SECRET")
    oauth.oauth_callback_url = required("JUPYTERHUB_PUBLIC_URL") + "/hub/oauth_callback"
    oauth.authorize_url = corporate + "/oauth2/authorize"
    oauth.token_url = corporate + "/oauth2/token"
    oauth.userdata_url = corporate + "/userinfo"
    oauth.scope = ["openid", "profile", "email"]
    oauth.username_claim = "preferred_username"
    oauth.manage_groups = True
    oauth.auth_state_groups_key = "oauth_user.groups"
    oauth.allowed_groups = set(GROUPS)
    oauth.admin_groups = {"platform-admins"}


def configure_local_login():
    """One shared password, for development without an identity provider."""
    if required("RISKHUB_ENVIRONMENT") in ("uat", "prod"):
        sys.exit("jupyterhub_config: HUB_AUTHENTICATION=local is refused in uat and prod; set it to sso")
    c.JupyterHub.authenticator_class = "shared-password"
    c.SharedPasswordAuthenticator.user_password = required("HUB_LOCAL_PASSWORD")
    c.Authenticator.allow_all = True


def prepare_home(spawner):
    """Sample notebooks at first login, and the Risk API token of the user's type."""
    groups = {group.name for group in spawner.user.groups}
    variable = next((RISK_API_TOKEN_OF_GROUP[group] for group in RISK_API_TOKEN_OF_GROUP if group in groups), None)
    spawner.environment = {
        **spawner.environment,
        "RISK_API_TOKEN": required(variable or "RISK_API_TOKEN_BUSINESS_USER"),
    }
    home = home_folder(spawner.user.name)
    home.mkdir(parents=True, exist_ok=True)
    for sample in sorted((Path(required("EFS_MOUNT_POINT")) / "notebooks").glob("*.ipynb")):
        if not (home / sample.name).exists():
            shutil.copy2(sample, home / sample.name)


class LocalProcessSpawner(SimpleLocalProcessSpawner):
    """Users' servers as processes of this machine, homes on the folder that stands for EFS."""

    @default("home_dir")
    def _escaped_home(self):
        return str(home_folder(self.user.name))


def configure_process_spawner():
    """The embedded stack. It keeps its mark in the servers' environment, to find what a dead Hub left."""
    c.JupyterHub.spawner_class = LocalProcessSpawner
    spawner = c.LocalProcessSpawner
    spawner.env_keep = ["PATH", "LANG", "LC_ALL", "JUPYTERHUB_SINGLEUSER_APP", "RISKHUB_STACK"]
    spawner.args = ["--allow-root"] if os.geteuid() == 0 else []
    spawner.pre_spawn_hook = prepare_home
    spawner.default_url = "/lab"
    spawner.start_timeout = 60
    spawner.http_timeout = 60
    spawner.environment = {
        "RISK_API_URL": required("RISK_API_URL"),
        "PYTHONPATH": str(Path(required("EFS_MOUNT_POINT")) / "libs"),
        "JUPYTERHUB_ACTIVITY_INTERVAL": os.environ.get("HUB_ACTIVITY_SECONDS", "300"),
        "JUPYTER_PATH": os.environ.get("HUB_JUPYTER_PATH", ""),  # our JupyterLab extension; images hold their own
    }


# What a server of each profile gets. `writes`: folders of /shared that it may change; the others it reads.
PROFILES = {
    "business-user": {
        "display_name": "Business User",
        "description": "2 CPU, 4 GiB. Notebooks, data and libraries of /shared to read.",
        "cpu_limit": 2,
        "mem_limit": "4G",
        "image": "IMAGE_BUSINESS_USER",
        "writes": (),
    },
    "data-scientist": {
        "display_name": "Data Scientist",
        "description": "4 CPU, 8 GiB. S3; /shared/data and /shared/libs to change.",
        "cpu_limit": 4,
        "mem_limit": "8G",
        "image": "IMAGE_DATA_SCIENTIST",
        "writes": ("data", "libs"),
    },
}
# The first that the user is in counts; the first profile is the default.
PROFILES_OF_GROUP = {
    "platform-admins": ("data-scientist", "business-user"),
    "data-scientists": ("data-scientist", "business-user"),
    "business-users": ("business-user",),
}
RISK_API_KEY_OF_ACCOUNT = {
    "business-user": "risk_api_token_business_user",
    "data-scientist": "risk_api_token_data_scientist",
    "platform-admin": "risk_api_token",
}
HOME = "/home/jovyan"
HOME_MOUNT = {"name": "homes", "mountPath": HOME, "subPath": "user-data/{escaped_username}"}
# what Pod Security `restricted` asks of every container; uid and gid alone are refused
RESTRICTED = {
    "runAsNonRoot": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def profiles_of(spawner):
    """What the user's groups may start. KubeSpawner holds every request against it, however it came.

    Who is in no group (the health check's own user, everybody under the local login) gets what can do least.
    """
    groups = {group.name for group in spawner.user.groups}
    slugs = next((PROFILES_OF_GROUP[group] for group in PROFILES_OF_GROUP if group in groups), ("business-user",))
    return [profile(slug, "platform-admin" if "platform-admins" in groups else slug) for slug in slugs]


def profile(slug, account):
    """One entry of the list that users choose from; `account`: whose rights in AWS and in the Risk API it has."""
    known = PROFILES[slug]
    guarantee = json.loads(required("HUB_PROFILE_GUARANTEES"))[slug]
    image = required(known["image"])
    shared = [shared_folder(name, read_only=name not in known["writes"]) for name in ("notebooks", "data", "libs")]
    token = {"secretKeyRef": {"name": "hub", "key": RISK_API_KEY_OF_ACCOUNT[account]}}
    return {
        "slug": slug,
        "display_name": known["display_name"],
        "description": known["description"],
        "kubespawner_override": {
            "pod_name": partial(pod_name, slug),
            "image": image,
            "cpu_limit": known["cpu_limit"],
            "cpu_guarantee": guarantee["cpu"],
            "mem_limit": known["mem_limit"],
            "mem_guarantee": guarantee["memory"],
            "service_account": account,
            "extra_labels": {"riskhub.dev/profile": slug},
            "environment": {"RISK_API_TOKEN": {"valueFrom": token}},
            "volume_mounts": [HOME_MOUNT, *shared],
            "init_containers": [sample_notebooks(image)],
        },
    }


def pod_name(slug, spawner):
    """AWS's policy agent shares rules between pods whose names agree up to the last dash: never across profiles."""
    return spawner._expand_user_properties(slug + "-{user_server}")


def shared_folder(name, read_only):
    return {"name": "homes", "mountPath": f"/shared/{name}", "subPath": name, "readOnly": read_only}


def sample_notebooks(image):
    """Fills a home at its first login. The Hub itself mounts no homes, so the user's own pod does it."""
    return {
        "name": "sample-notebooks",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["sh", "-c", Path(__file__).with_name("sample_notebooks.sh").read_text()],
        "env": [{"name": "HOME", "value": HOME}, {"name": "SAMPLES", "value": "/shared/notebooks"}],
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "64Mi"}},
        "securityContext": {**RESTRICTED, "readOnlyRootFilesystem": True},
        "volumeMounts": [HOME_MOUNT, shared_folder("notebooks", read_only=True)],
    }


def pod_spawner():
    """KubeSpawner, for which a server that its node starts again (after a reboot, out of memory) has not stopped.

    KubeSpawner takes it for stopped when the Hub looks before that, and the Hub, when it came up first, looks for it
    at the address it had. Either way its pod would be deleted, and with it what the node says of its end.
    """
    from kubespawner import KubeSpawner  # noqa: PLC0415 - the Hub of the embedded stack has no use for it

    class PodSpawner(KubeSpawner):
        async def poll(self):
            await self._see_pods()
            pod = self._pod()
            return None if pod and is_coming_back(pod) else await super().poll()

        async def get_url(self):
            for _ in range(self.start_timeout):
                pod = self._pod()
                if not pod:
                    break
                if not is_coming_back(pod) and self.is_pod_running(pod):
                    return self._get_pod_url(pod)
                await asyncio.sleep(1)
            return self.server.url

        async def _see_pods(self):
            """A first look that hangs, as after a reboot of the node, must not pass for servers that stopped."""
            for left in (2, 1, 0):
                try:
                    await self._start_watching_pods()
                except Exception:
                    if not left:
                        raise
                    failed = self.reflectors.get(key := self._get_reflector_key("pods"))
                    if failed and failed.first_load_future.done() and failed.first_load_future.exception():
                        del self.reflectors[key]
                else:
                    return

        def _pod(self):
            return self.pod_reflector.pods.get(f"{self.namespace}/{self.pod_name}")

    return PodSpawner


def is_coming_back(pod):
    """Has it no address yet, or a container that ended with an error, which kubelet starts again (OnFailure)?"""
    if pod["status"]["phase"] != "Running":
        return False
    ended = [each["state"].get("terminated") or {} for each in pod["status"].get("containerStatuses") or ()]
    return any(each.get("exitCode") for each in ended) or not pod["status"].get("podIP")


def configure_kubernetes_spawner():
    """Users' servers as pods, homes and shared folders on one claim."""
    for variable in (known["image"] for known in PROFILES.values()):
        required(variable)
    c.JupyterHub.spawner_class = pod_spawner()
    c.ResourceReflector.request_timeout = 15  # of a list, and of a watch, which the API server ends after 10 s
    c.JupyterHub.init_spawners_timeout = 1  # servers that come back wait for the Hub: it must not wait for them
    spawner = c.KubeSpawner
    spawner.profile_list = profiles_of
    wait_for_hub = Path(__file__).with_name("wait_for_hub.py").read_text()
    spawner.cmd = ["python3", "-c", wait_for_hub, "jupyterhub-singleuser"]
    spawner.notebook_dir = HOME
    spawner.default_url = "/lab"
    spawner.image_pull_policy = "IfNotPresent"
    spawner.uid = spawner.gid = 1000
    spawner.container_security_context = RESTRICTED
    spawner.automount_service_account_token = False
    spawner.extra_pod_config = {"enableServiceLinks": False}
    spawner.priority_class_name = "riskhub-user"
    spawner.volumes = [{"name": "homes", "persistentVolumeClaim": {"claimName": "homes"}}]
    spawner.delete_pvc = False  # homes are folders of one claim; to delete a user must not touch it
    spawner.start_timeout = 300  # a node may have to be added first
    spawner.poll_interval = 10  # what the Hub watches anyway: a server back from a reboot has another address
    spawner.http_timeout = 60
    spawner.environment = {
        "HOME": HOME,
        "RISK_API_URL": required("RISK_API_URL"),
        "PYTHONPATH": "/shared/libs",
        "JUPYTERHUB_ACTIVITY_INTERVAL": os.environ.get("HUB_ACTIVITY_SECONDS", "300"),
    }


def configure_activity():
    """How soon the Hub learns that somebody works; culling below twice this would stop people at work."""
    c.JupyterHub.last_activity_interval = int(os.environ.get("HUB_ACTIVITY_SECONDS", "60"))
    c.JupyterHub.activity_resolution = min(30, c.JupyterHub.last_activity_interval)
    c.JupyterHub.log_level = os.environ.get("HUB_LOG_LEVEL", "INFO")


def configure_spawns():
    """So many servers start at once; whoever comes then is told to try again (429), since the Hub has one core."""
    c.JupyterHub.concurrent_spawn_limit = int(os.environ.get("HUB_CONCURRENT_SPAWNS", "64"))


def configure_operations_service():
    """riskhub's own token, with what its flows need and no more: `admin:users` only for its synthetic user.

    A departure has a token of its own. The Hub knows no right to revoke tokens alone: who has that one can make one
    of anybody's, so it is on-call's and in no flow run.
    """
    synthetic = "riskhub-check"
    c.JupyterHub.services = [
        {"name": "riskhub", "api_token": required("JUPYTERHUB_API_TOKEN")},
        {"name": "riskhub-people", "api_token": required("JUPYTERHUB_PEOPLE_TOKEN")},
    ]
    c.JupyterHub.load_roles = [
        {
            "name": "riskhub",
            "services": ["riskhub"],
            "scopes": [
                "list:users",
                "read:users",
                "read:servers",
                "delete:servers",
                "read:hub",
                "read:metrics",
                "proxy",
                "admin:groups!group=riskhub-warnings",
                "admin:groups!group=riskhub-announcements",
                f"admin:users!user={synthetic}",
                f"servers!user={synthetic}",
                f"access:servers!user={synthetic}",
            ],
        },
        {
            "name": "riskhub-people",
            "services": ["riskhub-people"],
            "scopes": ["list:users", "read:users", "read:servers", "delete:servers", "tokens", "delete:users"],
        },
    ]


def configure_prometheus():
    """/hub/metrics needs a token; this one reads it and nothing else."""
    if token := os.environ.get("JUPYTERHUB_METRICS_TOKEN"):
        c.JupyterHub.services.append({"name": "prometheus", "api_token": token})
        c.JupyterHub.load_roles.append({"name": "prometheus", "services": ["prometheus"], "scopes": ["read:metrics"]})


AUTHENTICATION = {"sso": configure_sso, "local": configure_local_login}
SPAWNERS = {"process": configure_process_spawner, "kubernetes": configure_kubernetes_spawner}

configure_addresses()
configure_state()
AUTHENTICATION[required("HUB_AUTHENTICATION")]()
SPAWNERS[required("HUB_SPAWNER")]()
configure_activity()
configure_spawns()
configure_operations_service()
configure_notices()
configure_prometheus()
