"""A machine that cannot carry a node is refused in words, before anything is built."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from devstack.node.programs import KUBERNETES, SOURCE
from environments.loader import PROJECT

# As root: an ordinary user who may still read a checkout below a private folder.
NOBODY = (
    "setpriv",
    "--reuid=65534",
    "--clear-groups",
    "--inh-caps=-all,+dac_read_search",
    "--ambient-caps=-all,+dac_read_search",
    "--bounding-set=-all,+dac_read_search",
)


def test_without_root_the_cluster_is_refused_and_the_alternative_named(tmp_path: Path) -> None:
    ended = subprocess.run(
        (*(NOBODY if os.geteuid() == 0 else ()), sys.executable, "-m", "cli.main", "cluster", "up"),
        env={**os.environ, "RISKHUB_STATE": str(tmp_path / "state")},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert "riskhub: refused: cluster on this machine: a node needs root" in ended.stderr
    assert "set KUBECONFIG and CLUSTER_IDENTITY" in ended.stderr
    assert not (tmp_path / "state").exists()


def test_the_version_the_node_reports_is_the_one_it_is_built_from() -> None:
    module = (SOURCE / "kubernetes" / "go.mod").read_text()
    assert re.findall(r"\n\tk8s.io/kubernetes (v\S+)", module) == [KUBERNETES]


def test_the_staging_modules_are_of_the_same_release() -> None:
    module = (SOURCE / "kubernetes" / "go.mod").read_text()
    staged = set(re.findall(r"k8s.io/(?:api|apimachinery|apiserver|client-go|kubelet) => \S+ (v\S+)", module))
    assert staged == {KUBERNETES.replace("v1.", "v0.")}
