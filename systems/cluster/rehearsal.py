"""A second Hub on the first one's cluster, for a drill: in a namespace of its own, with its own database and folder.

Everything of it comes out of the recovery point: workloads and ConfigMaps as they were last deployed, and the Secrets
that were sealed. Of the first Hub nothing is used but what lies outside both: the database's server, the file system,
the images, the Risk API. The namespace and the rights in it are there before (k8s/drill), so that a flow run needs none
beyond it.
"""

from __future__ import annotations

import base64
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from domain.deployment import Manifest, ObjectKey, key_of
from domain.errors import Failed, Refused, Unreachable
from domain.recovery import RecoveryPoint
from environments.settings import DatabaseSettings, Environment, HubSettings
from systems.cluster.connection import Cluster, cluster_of, connect
from systems.cluster.rollouts import await_rollouts
from systems.cluster.turns import Turn
from systems.configuration import deployed_then, open_configuration, require_seal
from systems.database import ask, dump_database, restore_database
from systems.database_swap import called, database_name, make_empty, remove
from systems.hub.condition import read_version
from systems.point_check import CheckedPoint
from systems.recovery_points import read_member
from systems.rehearsal import FORGET_SERVERS, REHEARSAL_HUB

NAMESPACE = "jupyterhub-drill"
# Of what was deployed, what a Hub with users needs, in the order of applying; what is not named may be called anything.
_WANTED = {
    "ServiceAccount": None,
    "Role": "hub",
    "RoleBinding": "hub",
    "NetworkPolicy": None,
    "ConfigMap": None,
    "Service": None,
}
_WORKLOADS = ("proxy", "hub")
_SECRET = "hub"  # noqa: S105 - a name
_LABEL = "riskhub/drill"  # on all that a drill applies, and on nothing else
_MADE = (
    ("apps/v1", "Deployment"),
    *(("v1", kind) for kind in ("Service", "Secret", "ConfigMap", "ServiceAccount")),
    *(("rbac.authorization.k8s.io/v1", kind) for kind in ("RoleBinding", "Role")),
    ("networking.k8s.io/v1", "NetworkPolicy"),
)
_LEASE = ObjectKey("coordination.k8s.io/v1", "Lease", NAMESPACE, "drill")
_DEADLINE = timedelta(minutes=3)
_POLL_SECONDS = 0.3


@dataclass
class ClusterHub:
    """The second Hub of one drill; see `SecondHub`."""

    env: Environment
    point: RecoveryPoint
    folder: Path

    def __post_init__(self) -> None:
        self._drill = self.env.homes.mount_point / "drills" / self.point.id
        self._token = secrets.token_hex(16)
        self._turn: Turn | None = None
        self.homes = self._drill / "user-data"
        self.restored = self.folder / "restored.dump"

    def prepare(self) -> None:
        """As `SecondHub`."""
        cluster = self._cluster()
        turn = Turn(cluster, _LEASE)
        turn.take()
        self._turn = turn
        self._clear(cluster)
        for name in (self.homes.name, "notebooks", "data", "libs"):
            (self._drill / name).mkdir(parents=True)

    def begin(self, checked: CheckedPoint) -> None:
        """Its database filled, then everything applied.

        Raises:
            Refused: the point does not hold what a Hub needs.
        """
        cluster = self._cluster()
        manifests = [*self._manifests(self._saved())]
        make_empty(self._database)
        restore_database(self._database, self.folder / "database.dump")
        dump_database(self._database, self.restored)
        ask(self._database, FORGET_SERVERS)
        for manifest in manifests:
            cluster.apply(key_of(manifest), manifest)

    def wait(self) -> HubSettings:
        """As `SecondHub`."""
        cluster = self._cluster()
        keys = [ObjectKey("apps/v1", "Deployment", NAMESPACE, name) for name in _WORKLOADS]
        if waiting := await_rollouts(cluster, keys, deadline=_DEADLINE):
            labels = ", ".join(key.label for key in waiting)
            step = f"kubectl -n {NAMESPACE} logs deployment/hub, while the next drill runs"
            raise Failed("second Hub", f"{labels} not ready: {_last_words(cluster)}", step)
        url = self._url(cluster)
        hub = HubSettings(api_url=f"{url}/hub/api", public_url=url, api_token=SecretStr(self._token))
        give_up = time.monotonic() + _DEADLINE.total_seconds()
        while True:
            try:
                read_version(hub)
            except Unreachable as error:
                if time.monotonic() > give_up:
                    raise Failed("second Hub", error.cause, error.next_step) from None
                time.sleep(_POLL_SECONDS)
            else:
                return hub

    def end(self) -> str:
        """As `SecondHub`: namespace, database and folder."""
        if self._turn is None:
            return "nothing had begun"
        self._turn.require()  # else it is another drill's by now, and so is all that is there
        self._clear(self._cluster())
        self._turn.give_back()
        self._turn = None
        return f"its objects in {NAMESPACE}, its database and its folder are gone"

    def _clear(self, cluster: Cluster) -> None:
        """No object, folder or database of any drill is left: whoever calls this holds the lease."""
        _clear_namespace(cluster)
        with suppress(FileNotFoundError):
            # After the pods: a kubelet does not let go of a mounted folder that is gone.
            shutil.rmtree(self._drill.parent)
        remove(self._database)

    @property
    def _database(self) -> DatabaseSettings:
        return called(self.env.database, f"{database_name(self.env.database)}_drill")

    def _cluster(self) -> Cluster:
        return connect(cluster_of(self.env))

    def _saved(self) -> tuple[Manifest, ...]:
        body = read_member(self.env.objects, self.point.member("configuration"))
        thing, seal = f"configuration of point {self.point.id}", require_seal(cluster_of(self.env))
        opened = open_configuration(body, seal, thing=thing)
        return *deployed_then(body, seal, thing=thing), *(each for each in opened if each["kind"] == "Secret")

    def _url(self, cluster: Cluster) -> str:
        """The proxy's: by name in a pod, by the service's address from elsewhere, as on-call reaches the first one."""
        if "KUBERNETES_SERVICE_HOST" in os.environ:
            return f"http://proxy-public.{NAMESPACE}"
        service = cluster.get(cluster.path(ObjectKey("v1", "Service", NAMESPACE, "proxy-public")))
        return f"http://{service['spec']['clusterIP']}"

    def _manifests(self, saved: tuple[Manifest, ...]) -> Iterator[Manifest]:
        """In the order of applying: what the point holds, moved into the drill's namespace."""
        there = [each for each in saved if key_of(each).namespace == cluster_of(self.env).namespace]
        yield self._secret(self._only(there, "Secret", _SECRET))
        for kind, name in _WANTED.items():
            yield from (_moved(each) for each in there if each["kind"] == kind and name in (None, key_of(each).name))
        for name in _WORKLOADS:
            workload = self._only(there, "Deployment", name)
            yield self._workload(workload) if name == "hub" else _moved(workload)

    def _only(self, manifests: list[Manifest], kind: str, name: str) -> Manifest:
        found = next((each for each in manifests if each["kind"] == kind and key_of(each).name == name), None)
        if found is None:
            thing = f"configuration of point {self.point.id}"
            raise Refused(thing, f"it holds no {kind} {name} of the Hub", "take another recovery point")
        return found

    def _secret(self, secret: Manifest) -> Manifest:
        values = {
            "database_url": self._database.url.get_secret_value(),
            "drill_token": self._token,
            "drill_hub.py": REHEARSAL_HUB.read_text(),
        }
        encoded = {name: base64.b64encode(text.encode()).decode() for name, text in values.items()}
        return _moved({**secret, "data": {**secret["data"], **encoded}})

    def _workload(self, hub: Manifest) -> Manifest:
        """The Hub with the drill's own rights, and its users' folders below the drill's."""
        moved = _moved(hub)
        pod = dict(moved["spec"]["template"]["spec"])
        container = dict(pod["containers"][0])
        container["args"] = ["jupyterhub", "--config", "/etc/drill/drill_hub.py"]
        container["env"] = [
            *container["env"],
            {"name": "HUB_CONFIGURATION", "value": "/etc/jupyterhub/jupyterhub_config.py"},
            {"name": "JUPYTERHUB_DRILL_TOKEN", "valueFrom": {"secretKeyRef": {"name": _SECRET, "key": "drill_token"}}},
            {"name": "DRILL_HOMES", "value": str(self._drill.relative_to(self.env.homes.mount_point))},
            {"name": "JUPYTERHUB_PUBLIC_URL", "value": f"http://proxy-public.{NAMESPACE}"},
        ]
        mount = {"name": "drill", "mountPath": "/etc/drill", "readOnly": True}
        container["volumeMounts"] = [*container["volumeMounts"], mount]
        only = [{"key": "drill_hub.py", "path": "drill_hub.py"}]
        pod["volumes"] = [*pod["volumes"], {"name": "drill", "secret": {"secretName": _SECRET, "items": only}}]
        pod["containers"] = [container]
        template = {**moved["spec"]["template"], "spec": pod}
        return {**moved, "spec": {**moved["spec"], "replicas": 1, "template": template}}


def _clear_namespace(cluster: Cluster) -> None:
    """Remove everything that a drill applied, and its users' pods, and wait until the pods are gone.

    Raises:
        Failed: some of it is still there after three minutes.
    """
    give_up = time.monotonic() + _DEADLINE.total_seconds()
    for api_version, kind in _MADE:
        for name, uid in _there(cluster, api_version, kind, labelSelector=_LABEL):
            cluster.remove(ObjectKey(api_version, kind, NAMESPACE, name), uid)
    while pods := _there(cluster, "v1", "Pod"):
        for name, uid in pods:
            cluster.remove(ObjectKey("v1", "Pod", NAMESPACE, name), uid)
        if time.monotonic() > give_up:
            named = ", ".join(name for name, _ in pods)
            cause = f"{named} still there after {_DEADLINE.total_seconds():.0f} s"
            raise Failed("second Hub", cause, f"kubectl -n {NAMESPACE} describe pods tells why")
        time.sleep(_POLL_SECONDS)


def _there(cluster: Cluster, api_version: str, kind: str, **query: str) -> list[tuple[str, str]]:
    path = cluster.path(ObjectKey(api_version, kind, NAMESPACE, "any")).rpartition("/")[0]
    return [(each["metadata"]["name"], each["metadata"]["uid"]) for each in cluster.items(path, **query)]


def _moved(manifest: Manifest) -> Manifest:
    """The same in the drill's namespace, marked as the drill's, without an address that is the first Hub's."""
    metadata = manifest["metadata"]
    labels = {**(metadata.get("labels") or {}), _LABEL: "second-hub"}
    moved: dict[str, Any] = {**manifest, "metadata": {**metadata, "namespace": NAMESPACE, "labels": labels}}
    if manifest["kind"] == "Service":
        moved["spec"] = {name: value for name, value in manifest["spec"].items() if name in ("selector", "ports")}
    if manifest["kind"] == "RoleBinding":
        first = metadata["namespace"]
        moved["subjects"] = [
            {**each, "namespace": NAMESPACE} if each.get("namespace") == first else each
            for each in manifest["subjects"]
        ]
    return moved


def _last_words(cluster: Cluster) -> str:
    """What the Hub said last, of this start or the one that crashed."""
    pods = cluster.items(f"/api/v1/namespaces/{NAMESPACE}/pods", labelSelector="component=hub")
    for pod in pods:
        for previous in ("true", "false"):
            with suppress(Refused):
                path = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod['metadata']['name']}/log"
                if words := cluster.text(path, container="hub", previous=previous, tailLines=20).split():
                    return " ".join(words)[-300:]
    return "it said nothing"
