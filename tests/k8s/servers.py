"""Users' servers as the Hub starts them: its configuration with an overlay's variables, and KubeSpawner itself."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock, patch

from kubespawner import KubeSpawner
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from tests.k8s.rendering import K8S, Document, Pods, configuration, named, overlay

HUB_CONFIGURATION = K8S / "base" / "jupyterhub_config.py"


def hub_variables(overlay_name: str) -> dict[str, str]:
    """All variables of the hub's container; a key of a Secret has a value that suits every key."""
    documents = overlay(overlay_name)
    container = named(documents, "Deployment", "hub")["spec"]["template"]["spec"]["containers"][0]
    variables = dict(configuration(documents, "platform", "jupyterhub")["data"])
    for each in container["env"]:
        variables[each["name"]] = each.get("value", "ab" * 32)
    return variables


def load_hub_configuration(variables: Mapping[str, str]) -> Config:
    """What the Hub makes of its configuration file in a process that has these variables."""
    with patch.dict(os.environ, variables):
        return PyFileConfigLoader(HUB_CONFIGURATION.name, path=str(HUB_CONFIGURATION.parent)).load_config()


@dataclass
class Somebody:
    """A user as far as a spawner asks."""

    name: str
    groups: list[SimpleNamespace]
    id: int = 1
    url: str = "/user/somebody/"
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass
class Start:
    """What a start of a server came to: its spawner's state, and the pod it would create."""

    pod_name: str
    pod: Document


def start_server(
    overlay_name: str, groups: tuple[str, ...], options: Mapping[str, str], *more: Mapping[str, str], user: str = "ana"
) -> Start:
    """The pod that a user of these SSO groups gets who asks with `options`, and with `more` once after the other.

    Raises:
        ValueError: KubeSpawner refuses the options.
    """
    variables = hub_variables(overlay_name)
    config = load_hub_configuration(variables)
    with patch.dict(os.environ, variables):
        return asyncio.run(_start(config, groups, (options, *more), user))


def server_pods(overlay_name: str, profile: str) -> Pods:
    """A data scientist's server of that profile, for the checks that every pod has to stand."""
    pod = start_server(overlay_name, ("data-scientists",), {"profile": profile}).pod
    metadata = pod["metadata"]
    return Pods(f"jupyterhub/server of {profile}", "jupyterhub", 1, metadata["labels"], pod["spec"])


@dataclass
class Known:
    """A server that a Hub finds in its database when it starts, and what it makes of the server's pod.

    `exit_code`: None while it lives. `url`: where the Hub looks for it then.
    """

    exit_code: int | None
    url: str


def find_server(overlay_name: str, *statuses: Document) -> Known:
    """What the Hub makes of a pod that has these statuses one after the other, a second each."""
    variables = hub_variables(overlay_name)
    config = load_hub_configuration(variables)
    with patch.dict(os.environ, variables):
        return asyncio.run(_find(config, statuses))


async def _find(config: Config, statuses: tuple[Document, ...]) -> Known:
    spawner = _spawner(config, Somebody("ana", []))
    spawner.delete_stopped_pods = False  # it would ask the API server
    await spawner.load_user_options()
    pod = {**await _manifest(spawner), "status": statuses[0]}
    pods = {f"{spawner.namespace}/{spawner.pod_name}": pod}
    coming = iter(statuses[1:])

    async def a_second_later(seconds: float) -> None:
        pod["status"] = next(coming)

    watching = patch.object(KubeSpawner, "_start_watching_pods", AsyncMock())
    seen = patch.object(KubeSpawner, "pod_reflector", SimpleNamespace(pods=pods))
    with watching, seen, patch("asyncio.sleep", a_second_later):
        return Known(await spawner.poll(), await spawner.get_url())


def _spawner(config: Config, somebody: Somebody) -> KubeSpawner:
    with patch("kubespawner.spawner.load_config"):  # no API server is asked: the pod is what counts
        spawner: KubeSpawner = config.JupyterHub.spawner_class(config=config, user=somebody, _mock=True)
    return spawner


async def _start(config: Config, groups: tuple[str, ...], requests: tuple[Mapping[str, str], ...], user: str) -> Start:
    spawner = _spawner(config, Somebody(user, [SimpleNamespace(name=group) for group in groups]))
    for options in requests:
        spawner.clear_state()
        spawner.user_options = dict(options)
        await spawner.load_user_options()
        manifest = await _manifest(spawner)
    return Start(spawner.pod_name, manifest)


async def _manifest(spawner: KubeSpawner) -> Document:
    manifest: Document = spawner.api.api_client.sanitize_for_serialization(await spawner.get_pod_manifest())
    return manifest
