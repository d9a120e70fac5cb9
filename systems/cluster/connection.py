"""The way to a cluster: only to the right one, a deadline on every call, errors in the words of the house.

The official client reads the kubeconfig (or the pod's ServiceAccount), renews tokens and holds the wire; what
travels is the API's own JSON. A `Cluster` can be had from `connect` alone, which has held the cluster it reached
against the environment's identity: whoever has one may trust where it leads.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

import urllib3
import yaml

from domain.deployment import ObjectKey
from domain.errors import Refused, RiskhubError, Unreachable
from environments.settings import ClusterSettings, Environment

PAGE = 500
APPLY = "application/apply-patch+yaml"
_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
_CAUSES_SHOWN = 3


class NotThere(Refused):
    """The cluster has no such object."""


class Forbidden(Refused):
    """The cluster does not let us."""


class Invalid(Refused):
    """The cluster does not take the object."""


class Conflict(Unreachable):
    """The object is there already, or was changed at the same time."""


@dataclass(frozen=True)
class Resource:
    """How the API calls a kind: its plural and whether it lives in namespaces."""

    plural: str
    namespaced: bool


def cluster_of(environment: Environment) -> ClusterSettings:
    """The environment's cluster.

    Raises:
        Refused: it names none.
    """
    if environment.cluster is None:
        raise Refused(
            f"environment {environment.name!r}",
            "it names no Kubernetes cluster",
            "choose an environment that has one, or add a [cluster] section to its file",
        )
    return environment.cluster


def connect(settings: ClusterSettings) -> Cluster:
    """A connection to the very cluster that `settings.identity` names.

    Raises:
        Refused: no credentials, or they lead to another cluster.
        Unreachable: it does not answer.
    """
    cluster = Cluster(settings, _client(settings))
    found = cluster.get("/api/v1/namespaces/kube-system")["metadata"]["uid"]
    if found != settings.identity:
        raise Refused(
            cluster.thing,
            f"it is another cluster: its identity is {found}, the environment file names {settings.identity}",
            "choose the right kubeconfig and context; if the cluster was built anew, set CLUSTER_IDENTITY",
        )
    return cluster


class Cluster:
    """The API of one cluster, as JSON.

    Raises, from every call:
        Unreachable: no answer in time, too many requests, or an answer of 5xx.
        Forbidden, NotThere, Invalid (all Refused), Conflict (Unreachable): as named; the message quotes no object.
    """

    def __init__(self, settings: ClusterSettings, api: Any) -> None:
        self.settings = settings
        self._api = api
        self._resources: dict[str, dict[str, Resource]] = {}

    @property
    def thing(self) -> str:
        """How messages name this cluster."""
        return f"cluster {_name(self.settings)} at {self._api.configuration.host}"

    def get(self, path: str, **query: str | int) -> Any:
        """The JSON at `path`.

        Raises:
            NotThere: nothing is there.
        """
        return json.loads(self._send("GET", path, query))

    def text(self, path: str, **query: str | int) -> str:
        """The text at `path`: a container's log."""
        return self._send("GET", path, query).decode(errors="replace")

    def items(self, path: str, **query: str | int) -> Iterator[Any]:
        """Every object of the list at `path`, read in pages."""
        more = ""
        while True:
            page = self.get(path, **query, limit=PAGE, **({"continue": more} if more else {}))
            yield from page.get("items") or ()
            more = page["metadata"].get("continue") or ""
            if not more:
                return

    def read(self, key: ObjectKey) -> Any | None:
        """The object as it is; None when there is none."""
        try:
            return self.get(self.path(key))
        except NotThere:
            return None

    def apply(self, key: ObjectKey, manifest: Mapping[str, Any], *, dry_run: bool = False) -> Any:
        """Server-side apply: the fields of `manifest` become ours, whoever set them before.

        Fields of our last apply that `manifest` has no longer are removed; those of others stay. A field that the
        API does not know is refused instead of dropped.

        Raises:
            NotThere: the namespace is not there.
        """
        query = {"fieldManager": "riskhub", "force": "true"}
        query |= {"dryRun": "All"} if dry_run else {}
        return json.loads(self._send("PATCH", self.path(key), query, body=manifest, content=APPLY))

    def create(self, key: ObjectKey, manifest: Mapping[str, Any]) -> Any:
        """The object, new.

        Raises:
            Conflict: there is one of this name already.
        """
        path = self.path(key).rpartition("/")[0]
        return json.loads(self._send("POST", path, {}, body=manifest, content="application/json"))

    def scale(self, key: ObjectKey, replicas: int) -> None:
        """Let the workload have so many pods; does not wait.

        Raises:
            NotThere: there is no such workload.
        """
        body = {"spec": {"replicas": replicas}}
        self._send("PATCH", f"{self.path(key)}/scale", {}, body=body, content="application/merge-patch+json")

    def remove(self, key: ObjectKey, uid: str) -> None:
        """Delete the object if it still is the one with `uid`; its dependents go with it. Gone is fine."""
        body = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        try:
            self._send("DELETE", self.path(key), {}, body=body, content="application/json")
        except NotThere:
            return

    def path(self, key: ObjectKey) -> str:
        """Where the object lives in the API.

        Raises:
            Refused: the cluster does not know the kind, or the key has a namespace where none belongs.
        """
        resource = self._resource(key)
        if resource.namespaced != bool(key.namespace):
            cause = f"{key.kind} {'needs a' if resource.namespaced else 'belongs to no'} namespace"
            raise Refused(key.label, cause, "correct metadata.namespace in its manifest")
        where = f"/namespaces/{_segment(key.namespace)}" if key.namespace else ""
        return f"{_group(key.api_version)}{where}/{resource.plural}/{_segment(key.name)}"

    def _resource(self, key: ObjectKey) -> Resource:
        if key.api_version not in self._resources:
            try:
                found = self.get(_group(key.api_version))["resources"]
            except NotThere:
                found = []
            self._resources[key.api_version] = {
                each["kind"]: Resource(each["name"], each["namespaced"]) for each in found if "/" not in each["name"]
            }
        resource = self._resources[key.api_version].get(key.kind)
        if resource is None:
            cause = f"the cluster knows no {key.kind} in {key.api_version}"
            raise Refused(key.label, cause, "install what brings it, or correct apiVersion and kind")
        return resource

    def _send(
        self, method: str, path: str, query: Mapping[str, str | int], *, body: Any = None, content: str = ""
    ) -> bytes:
        from kubernetes.client.exceptions import ApiException  # noqa: PLC0415 - loaded by connect already

        headers = {"Accept": "application/json, */*"} | ({"Content-Type": content} if content else {})
        request = self._api.param_serialize(
            method, path, query_params=list(query.items()), header_params=headers, auth_settings=["BearerToken"]
        )
        method, url, signed, *_ = request
        seconds = self.settings.timeout.total_seconds()
        try:
            answer = self._api.rest_client.request(method, url, headers=signed, body=body, _request_timeout=seconds)
            data = answer.read()
        except ApiException:  # an SSL error, by the client's own account; its text may quote the URL's query
            cause = "its certificate is not the one that the kubeconfig trusts"
            raise Refused(self.thing, cause, "renew the kubeconfig; something may stand in between") from None
        except urllib3.exceptions.HTTPError as error:
            # Among urllib3's timeouts is also a connection that was refused.
            refused = isinstance(error, urllib3.exceptions.NewConnectionError)
            if isinstance(error, urllib3.exceptions.TimeoutError) and not refused:
                cause = f"no answer to {method} {path} within {seconds:.0f} s"
                raise Unreachable(self.thing, cause, "look at the API server, then run again") from None
            cause = f"cannot be reached ({type(error).__name__})"
            raise Unreachable(self.thing, cause, "check its address, the VPN, and that it runs") from None
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            raise self._told(method, path, answer.status, data)
        return bytes(data)

    def _told(self, method: str, path: str, status: int, data: bytes) -> RiskhubError:
        said = _words(data, quotes="/secrets/" not in path)
        kind, cause, step = _ANSWERS.get(status, _INVALID)
        # The API server calls a misspelt field its own fault: 500.
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR and "failed to create typed patch object" not in said:
            kind, cause, step = Unreachable, f"it answered {status} to {{request}}: {{said}}", "run again in a minute"
        return kind(self.thing, cause.format(request=f"{method} {path}", said=said), step)


_INVALID: tuple[type[RiskhubError], str, str] = (Invalid, "it does not take {request}: {said}", "correct the manifest")
_ANSWERS: dict[int, tuple[type[RiskhubError], str, str]] = {
    401: (Forbidden, "it does not take the credentials", "log in again, or renew the kubeconfig"),
    403: (Forbidden, "it forbids {request}: {said}", "give the right, or ask who has it"),
    404: (NotThere, "{request}: {said}", "check the name and the namespace"),
    409: (Conflict, "{request}: it was changed at the same time: {said}", "run again"),
    429: (Unreachable, "{request}: it has too much to do: {said}", "run again in a minute"),
}


def _name(settings: ClusterSettings) -> str:
    return f"{settings.name} (context {settings.context})" if settings.context else settings.name


def _client(settings: ClusterSettings) -> Any:
    # a third of a second to import: nobody pays for it who has no cluster to talk to
    from kubernetes import client, config  # noqa: PLC0415

    ways: Any = config  # it ships types for its models, and none for these
    chosen: Any = client.Configuration()
    where = settings.kubeconfig or ("the pod's ServiceAccount" if _in_a_pod() else "the default kubeconfig")
    try:
        if settings.kubeconfig is None and _in_a_pod():
            ways.load_incluster_config(client_configuration=chosen)
        else:
            ways.load_kube_config(settings.kubeconfig, settings.context, client_configuration=chosen)
    except (config.ConfigException, yaml.YAMLError, OSError, ValueError, TypeError) as error:
        cause = f"{where} gives no way to it ({' '.join(str(error).split())[:200]})"
        raise Refused(f"cluster {_name(settings)}", cause, "set KUBECONFIG and CLUSTER_CONTEXT") from None
    chosen.retries = False  # who calls decides what is worth another try
    return client.ApiClient(chosen)


def _in_a_pod() -> bool:
    return "KUBERNETES_SERVICE_HOST" in os.environ and _SERVICE_ACCOUNT.exists()


def _group(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def _segment(name: str) -> str:
    if name in ("", ".", ".."):
        raise Refused(f"name {name!r}", "it cannot be part of a URL", "correct it in its manifest")
    return quote(name, safe=":")


def _words(data: bytes, *, quotes: bool) -> str:
    """What the API says about its refusal, short. Without `quotes` only the fields it is about: it quotes values."""
    try:
        status = json.loads(data)
        message, details = str(status["message"]), status.get("details") or {}
    except (ValueError, KeyError, TypeError):
        return "no reason given"
    if quotes:
        return message[:400]
    fields = [str(cause.get("field")) for cause in details.get("causes") or ()][:_CAUSES_SHOWN]
    return f"{status.get('reason')}, about {', '.join(fields) or 'the whole'}"
