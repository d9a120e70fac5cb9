"""The node's first program: mounts what is the node's own, then runs Kubernetes until its plug is pulled.

Started in fresh network, mount and process namespaces (see `node`). Folders that Kubernetes and its plugins write
to by habit (/run, /var/log) are the node's own here, in memory.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from devstack.node import network
from devstack.node.images import TAG
from devstack.node.kubernetes import answers, kubernetes
from devstack.node.programs import cache_folder
from devstack.process import Part, start, wait_ready

OWNER = 1000
EFS = Path("/mnt/riskhub/efs")  # where the overlay `local` looks for the homes
SOCKET = Path("/run/containerd.sock")
# A machine has one node at a time: what was unpacked for one cluster is there for the next.
IMAGES = cache_folder() / "loaded-images"
DISK_BYTES = 8 << 30
_IN_MEMORY = ("/run", "/var/log", "/mnt")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="etcd, images, certificates")
    parser.add_argument("--programs", type=Path, required=True)
    parser.add_argument("--efs", type=Path, required=True, help="the folder that stands for EFS")
    parser.add_argument("--image", type=Path, action="append", default=[], help="an archive to load before kubelet")
    arguments = parser.parse_args()
    state: Path = arguments.state
    mount_own_folders(state)
    network.remove_cables_of_pods()
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    write_configuration(state, arguments.programs)
    running = []
    for part in parts(state, arguments.programs, arguments.efs, arguments.image):
        process = start(part, state)
        wait_ready(part, process, state)
        running.append((part, process))
    while True:
        for part, process in running:
            if process.poll() is not None:
                print(f"{part.name} ended with code {process.returncode}", file=sys.stderr)
                return 1
        time.sleep(0.5)


def mount_own_folders(state: Path) -> None:
    """Mounts that nobody outside of this mount namespace sees, and that go with it.

    kubelet's folder is on a disk of its own, so that a full one is the node's trouble and not this machine's.
    """
    for folder in _IN_MEMORY:
        _mount("-t", "tmpfs", "tmpfs", folder)
    _mount("-t", "bpf", "bpf", "/sys/fs/bpf")
    EFS.mkdir(parents=True)
    disk, kubelet = state / "disk.img", state / "kubelet"
    if not disk.exists():
        with disk.open("wb") as file:
            file.truncate(DISK_BYTES)  # takes no room before it is written to
        subprocess.run(("mkfs.ext4", "-q", "-m", "0", str(disk)), capture_output=True, timeout=60, check=True)
    kubelet.mkdir(exist_ok=True)
    _mount("-o", "loop", str(disk), str(kubelet))


def parts(state: Path, programs: Path, efs: Path, images: list[Path]) -> Iterator[Part]:
    """The programs in the order of their start; images are loaded as soon as containerd answers."""
    yield _efs(efs)
    yield _containerd(state)
    load_images(images)
    yield from kubernetes(state, programs)


def load_images(images: list[Path]) -> None:
    """Import the archives that containerd does not have yet. An archive that was written anew is new."""
    marks = IMAGES / "loaded"
    marks.mkdir(parents=True, exist_ok=True)
    for archive in images:
        mark = marks / f"{archive.name}-{archive.stat().st_mtime_ns}"
        if not mark.exists():
            _ctr("import", str(archive))
            mark.touch()
    _let_go_of_replaced()


def _let_go_of_replaced() -> None:
    """An image's id and its version are names too: when the node's tag moves on they stay, and with them gigabytes."""
    named = [line.split()[:3] for line in _ctr("ls").splitlines()[1:]]  # name, type, digest
    kept = {digest for name, _, digest in named if name.endswith(f":{TAG}")}
    if replaced := [name for name, _, digest in named if digest not in kept]:
        _ctr("rm", *replaced)


def _ctr(*verb: str) -> str:
    command = ("ctr", "--address", str(SOCKET), "--namespace", "k8s.io", "images", *verb)
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=True).stdout


def write_configuration(state: Path, programs: Path) -> None:
    """containerd's, kubelet's and the pod network's files."""
    (state / "containerd.toml").write_text(_CONTAINERD.format(state=state, images=IMAGES))
    (state / "resolv.conf").write_text("")
    (state / "kubelet.json").write_text(json.dumps(_kubelet_configuration(state)))
    plugins = state / "cni-bin"
    plugins.mkdir(exist_ok=True)
    for program in [*Path("/usr/lib/cni").iterdir(), programs / "eni-name"]:
        link = plugins / program.name
        link.unlink(missing_ok=True)
        link.symlink_to(program)
    networks = state / "cni"
    networks.mkdir(exist_ok=True)
    (networks / "10-pods.conflist").write_text(json.dumps(_POD_NETWORK))


_CONTAINERD = """\
version = 2
root = "{images}/containerd"
state = "/run/containerd-state"
[grpc]
  address = "/run/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/riskhub/node:node"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{state}/cni-bin"
    conf_dir = "{state}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
"""

# ptp, not bridge: the host routes every packet, as with the AWS VPC CNI, so that policies on the host see it.
_POD_NETWORK = {
    "cniVersion": "0.4.0",
    "name": "pods",
    "plugins": [
        {
            "type": "ptp",
            "ipMasq": True,
            "ipam": {
                "type": "host-local",
                "dataDir": "/run/cni-ipam",
                "ranges": [[{"subnet": network.PODS}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        },
        {"type": "portmap", "capabilities": {"portMappings": True}},
        {"type": "eni-name"},
    ],
}


def _kubelet_configuration(state: Path) -> dict[str, object]:
    keys = state / "certificates"
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "x509": {"clientCAFile": str(keys / "ca.crt")},
            "webhook": {"enabled": True},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(keys / "kubelet.crt"),
        "tlsPrivateKeyFile": str(keys / "kubelet.key"),
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,  # 1.35 refuses cgroup v1 without this
        "failSwapOn": False,
        "clusterDNS": [network.DNS_SERVICE],
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": f"unix://{SOCKET}",
        "resolvConf": str(state / "resolv.conf"),
        "podLogsDir": str(state / "pod-logs"),
        "evictionHard": {"memory.available": "200Mi", "nodefs.available": "5%", "imagefs.available": "1%"},
        "evictionPressureTransitionPeriod": "10s",
        "imageGCHighThresholdPercent": 100,  # images are loaded by hand: never collect them
        "enforceNodeAllocatable": [],
        "nodeStatusReportFrequency": "10s",
        "shutdownGracePeriod": "0s",
    }


def _efs(folder: Path) -> Part:
    """The folder as an EFS access point gives it: whoever acts, root's kubelet too, acts as the users' uid and gid."""
    os.chown(folder / "user-data", OWNER, OWNER)  # seen from outside too: as the access point makes its root folder
    owner = [f"--{option}={OWNER}" for option in ("force-user", "force-group", "create-for-user", "create-for-group")]
    return Part(name="efs", command=("bindfs", "-f", *owner, str(folder), str(EFS)), ready=EFS.is_mount)


def _containerd(state: Path) -> Part:
    return Part(
        name="containerd",
        command=("containerd", "--config", str(state / "containerd.toml")),
        ready=lambda: SOCKET.exists() and answers("ctr", "--address", str(SOCKET), "version"),
    )


def _mount(*arguments: str) -> None:
    subprocess.run(("mount", *arguments), capture_output=True, timeout=20, check=True)


if __name__ == "__main__":
    sys.exit(main())
