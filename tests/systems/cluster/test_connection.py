"""The way to a cluster, where there is none at its end; the rest is tried on a real one (tests/cluster)."""

from __future__ import annotations

import socket
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from domain.errors import Refused, Unreachable
from environments.settings import ClusterSettings
from systems.cluster.connection import connect


def kubeconfig(folder: Path, server: str) -> Path:
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": "s3cr3t"}}],
        "contexts": [{"name": "test", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "test",
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(document))
    return path


def settings(path: Path, **more: object) -> ClusterSettings:
    return ClusterSettings(name="dev", identity="4fb4836a-5bd3-4875-bf36-0d83e977aabc", kubeconfig=str(path), **more)


def test_an_api_server_that_is_not_there_is_unreachable(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match=r"cluster dev at http://127\.0\.0\.1:9: cannot be reached"):
        connect(settings(kubeconfig(tmp_path, "http://127.0.0.1:9")))


def test_an_api_server_that_says_nothing_is_given_up_at_the_deadline(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        where = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(Unreachable, match="no answer to GET /api/v1/namespaces/kube-system within 0 s"):
            connect(settings(kubeconfig(tmp_path, where), timeout=timedelta(seconds=0.3)))


@pytest.mark.parametrize("text", ["", "a: [", "clusters: 1", "\x00"])
def test_a_kubeconfig_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "kubeconfig").write_text(text)
    with pytest.raises(Refused, match=r"gives no way to it.*set KUBECONFIG"):
        connect(settings(tmp_path / "kubeconfig"))


def test_a_kubeconfig_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="gives no way to it"):
        connect(settings(tmp_path / "nowhere"))


def test_a_context_that_is_not_there_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"cluster dev \(context prod\): .*prod"):
        connect(settings(kubeconfig(tmp_path, "http://127.0.0.1:9"), context="prod"))
