"""The node's programs, built once from Go modules and kept in the user's cache by the digest of their sources."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

from domain.errors import Failed

SOURCE = Path(__file__).parent / "programs"
KUBERNETES = "v1.35.4"

# module -> program -> package; `go build` would call etcd "server". metrics-server asks for a later Kubernetes.
PACKAGES = {
    "kubernetes": {
        "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
        "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
        "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
        "kubelet": "k8s.io/kubernetes/cmd/kubelet",
        "kubectl": "k8s.io/kubernetes/cmd/kubectl",
        "kube-proxy": "k8s.io/kubernetes/cmd/kube-proxy",
        "etcd": "go.etcd.io/etcd/server/v3",
        "coredns": "github.com/coredns/coredns",
        "policy-agent": "github.com/aws/aws-network-policy-agent",
        "controller": "./policy/controller",
        "env": "./policy/env",
        "eni-name": "./policy/eni-name",
    },
    "metrics": {"metrics-server": "sigs.k8s.io/metrics-server/cmd/metrics-server"},
}
BPF_OBJECTS = ("tc.v4ingress", "tc.v4egress", "v4events")


def cache_folder() -> Path:
    """Where builds are kept: `riskhub/node` below the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "riskhub" / "node"


def programs() -> Path:
    """The folder with the built programs and the policy agent's BPF objects; builds what is not there yet.

    Raises:
        Failed: a build ended badly; the message has its last words.
    """
    done = cache_folder() / f"programs-{digest()}"
    if done.is_dir():
        return done
    building = done.with_name(f"{done.name}.{os.getpid()}")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    try:
        for module, packages in PACKAGES.items():
            for name, package in packages.items():
                began = time.monotonic()
                _build(SOURCE / module, package, building / name)
                print(f"  {name:24} built in {time.monotonic() - began:4.0f} s", file=sys.stderr)
        _build_bpf_objects(building)
        building.rename(done)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return done


def digest() -> str:
    """Of every source file, of the versions they name and of the kernel the BPF objects are for, 12 hex digits."""
    found = hashlib.sha256(platform.release().encode())
    for path in sorted(path for path in SOURCE.rglob("*") if path.is_file()):
        found.update(str(path.relative_to(SOURCE)).encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()[:12]


def _build(module: Path, package: str, target: Path) -> None:
    # component-base's version is what nodes and `kubectl version` report; client-go's only names the client.
    major, minor, _ = KUBERNETES.removeprefix("v").split(".")
    values = {"gitVersion": KUBERNETES, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    flags = " ".join(f"-X k8s.io/component-base/version.{name}={value}" for name, value in values.items())
    _run(module, "go", "build", "-trimpath", f"-ldflags=-s -w {flags}", f"-o={target}", package)


def _build_bpf_objects(folder: Path) -> None:
    """The agent's TC programs, against the types of the kernel that runs now."""
    sources = (
        Path(
            _run(
                SOURCE / "kubernetes", "go", "list", "-m", "-f={{.Dir}}", PACKAGES["kubernetes"]["policy-agent"]
            ).strip()
        )
        / "pkg"
        / "ebpf"
        / "c"
    )
    header = folder / "vmlinux.h"
    header.write_text(_run(folder, "bpftool", "btf", "dump", "file", "/sys/kernel/btf/vmlinux", "format", "c"))
    machine = {"x86_64": "x86", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    options = ("-g", "-O2", "-fpie", "-target", "bpf", "-DCORE", "-D__BPF_TRACING__", f"-D__TARGET_ARCH_{machine}")
    for name in BPF_OBJECTS:
        _run(folder, "clang", "-I.", *options, "-c", str(sources / f"{name}.bpf.c"), "-o", f"{name}.bpf.o")
    header.unlink()


def _run(folder: Path, *command: str) -> str:
    environment = {**os.environ, "CGO_ENABLED": "0"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=3600, check=False
    )
    if done.returncode != 0:
        words = done.stderr.strip()[-500:]
        raise Failed(
            f"{command[0]} {command[1]}", f"ended with code {done.returncode}: {words}", "correct it, run again"
        )
    return done.stdout
