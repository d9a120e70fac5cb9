"""The node as one part of the stack: plugged in, started, its plug pulled."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import psutil

from devstack.node import network
from devstack.node.certificates import NODE_NAME, make_certificates
from devstack.process import Part, marked
from domain.errors import Failed
from environments.loader import PROJECT

CGROUPS = Path("/sys/fs/cgroup")


def node(state: Path, programs: Path, efs: Path, images: Sequence[Path]) -> Part:
    """The node, its etcd, images and certificates below `state`; ready when its kubelet says so.

    Stopping it is a power cut: its process namespace ends, and every pod with it.

    Args:
        efs: the folder that stands for EFS, seen by the node at /mnt/riskhub/efs.
        images: archives to load before the first pod starts.
    """
    state.mkdir(parents=True, exist_ok=True)
    make_certificates(state / "certificates")
    admin = kubectl(state, programs)
    condition = "jsonpath={.status.conditions[?(@.type=='Ready')].status}"
    ready = (*admin, "get", "node", NODE_NAME, f"--output={condition}", "--request-timeout=5s")
    archives = [f"--image={archive}" for archive in images]
    return Part(
        name="node",
        command=(
            "nsenter",
            f"--net=/run/netns/{network.NAMESPACE}",
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "catatonit",
            "--",
            sys.executable,
            "-m",
            "devstack.node.inside",
            f"--state={state}",
            f"--programs={programs}",
            f"--efs={efs}",
            *archives,
        ),
        ready=lambda: subprocess.run(ready, capture_output=True, text=True, timeout=20, check=False).stdout == "True",
        folder=PROJECT,
        deadline=timedelta(minutes=5),
        grace=timedelta(seconds=10),
        stop_signal="SIGKILL",
    )


def pull_the_plug(state: Path) -> None:
    """Pull the plug of the node in the cluster's `state`; the services around it go on.

    Whoever holds the cluster puts it in again, asked to start what died (SIGHUP).

    Raises:
        Failed: there is no node to reboot.
    """
    roots = [process for process in marked(state) if process.name() == "unshare"]
    if not roots:
        raise Failed(f"node in {state}", "it is not running", "run riskhub cluster up")
    for root in roots:
        root.kill()
    give_up = time.monotonic() + 20
    while any(_runs(root) for root in roots) and time.monotonic() < give_up:
        time.sleep(0.05)


def _runs(process: psutil.Process) -> bool:
    """A zombie is dead: it only waits for its parent, the cluster's holder, to look."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def kubectl(state: Path, programs: Path) -> tuple[str, ...]:
    """kubectl as the cluster's administrator, from this machine."""
    return (str(programs / "kubectl"), f"--kubeconfig={admin_kubeconfig(state)}")


def run_kubectl(state: Path, programs: Path, *arguments: str, given: str | None = None, seconds: float = 60) -> str:
    """What kubectl says to the cluster's administrator; `given` goes to its standard input.

    Raises:
        Failed: it ended badly; the message has its last words.
    """
    done = subprocess.run(
        (*kubectl(state, programs), *arguments),
        input=given,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    if done.returncode != 0:
        raise Failed(f"kubectl {' '.join(arguments)[:80]}", done.stderr.strip()[-300:], "look at the cluster")
    return done.stdout


def admin_kubeconfig(state: Path) -> Path:
    """The cluster's master key."""
    return state / "certificates" / "admin.kubeconfig"


def remove_cgroups() -> None:
    """The pods' control groups, which outlive their processes."""
    for pods in (*CGROUPS.glob("kubepods"), *CGROUPS.glob("*/kubepods")):
        for folder in sorted(pods.rglob("*"), key=lambda path: len(path.parts), reverse=True):
            if folder.is_dir():
                with contextlib.suppress(OSError):
                    folder.rmdir()
        with contextlib.suppress(OSError):
            pods.rmdir()
