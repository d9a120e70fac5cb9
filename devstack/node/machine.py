"""What a machine must be and have to carry the node."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence

from domain.errors import Failed, Refused

# program -> Debian package
PROGRAMS = {
    "containerd": "containerd",
    "runc": "runc",
    "buildah": "buildah",
    "debootstrap": "debootstrap",
    "catatonit": "catatonit",
    "bindfs": "bindfs",
    "iptables": "iptables",
    "clang": "clang",
    "bpftool": "bpftool",
    "ip": "iproute2",
    "nsenter": "util-linux",
}
# what no program tells of: CNI plugins and headers
PACKAGES = ("containernetworking-plugins", "libbpf-dev")
ALTERNATIVE = (
    "use any other cluster instead: set KUBECONFIG and CLUSTER_IDENTITY, and name its overlay in environments/dev.toml"
)


def require_able_machine() -> None:
    """Refuse a machine that cannot be a node; install the Debian packages it lacks.

    Raises:
        Refused: no Linux, not root, no Go, or packages missing where there is no apt-get.
        Failed: apt-get could not install them.
    """
    thing = "cluster on this machine"
    if platform.system() != "Linux":
        raise Refused(thing, f"a node needs Linux, and this is {platform.system()}", ALTERNATIVE)
    if os.geteuid() != 0:
        raise Refused(thing, "a node needs root (namespaces, mounts, devices)", f"run it with sudo, or {ALTERNATIVE}")
    if shutil.which("go") is None:
        raise Refused(thing, "Go is missing, and Kubernetes is built from its modules", "install Go 1.26 or later")
    install_missing(PROGRAMS, PACKAGES)


def install_missing(programs: Mapping[str, str], packages: Sequence[str] = ()) -> None:
    """Install the Debian packages of those programs that are not in the path, and those packages that are not there.

    Raises:
        Refused: something is missing and there is no apt-get.
        Failed: apt-get could not install it.
    """
    missing = [package for program, package in programs.items() if shutil.which(program) is None]
    missing += [package for package in packages if not _installed(package)]
    if missing:
        _install(missing)


def _installed(package: str) -> bool:
    if shutil.which("dpkg-query") is None:
        return False
    done = subprocess.run(
        ("dpkg-query", "--show", "--showformat=${db:Status-Status}", package),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.stdout == "installed"


def _install(packages: list[str]) -> None:
    names = " ".join(packages)
    if shutil.which("apt-get") is None:
        raise Refused("cluster on this machine", f"it lacks {names} (Debian's names)", "install them and run again")
    print(f"installing Debian packages: {names}", file=sys.stderr)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ("apt-get", "update", "-qq"),
        ("apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages),
    ):
        done = subprocess.run(command, env=quiet, capture_output=True, text=True, timeout=900, check=False)
        if done.returncode != 0:
            raise Failed("apt-get", done.stderr.strip()[-300:], f"install them by hand: {names}")
