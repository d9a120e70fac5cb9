"""Kubernetes' own programs as parts of the node, each with its flags, in the order of their start."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from devstack.node import network
from devstack.node.certificates import NODE_NAME
from devstack.node.node import kubectl
from devstack.process import Part, http_ok


def kubernetes(state: Path, programs: Path) -> Iterator[Part]:
    """etcd to kube-proxy; state and certificates below `state`, the kubelet's configuration in `kubelet.json` there."""
    yield _etcd(state, programs)
    yield _api_server(state, programs)
    yield _controller_manager(state, programs)
    yield _scheduler(state, programs)
    yield _kubelet(state, programs)
    yield _kube_proxy(state, programs)


def answers(*command: str) -> bool:
    """Does the command end well?"""
    return subprocess.run(command, capture_output=True, timeout=20, check=False).returncode == 0


def _etcd(state: Path, programs: Path) -> Part:
    client, peer = "http://127.0.0.1:2379", "http://127.0.0.1:2380"
    return Part(
        name="etcd",
        command=(
            str(programs / "etcd"),
            f"--data-dir={state / 'etcd'}",
            "--unsafe-no-fsync",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            "--log-level=warn",
        ),
        ready=http_ok(f"{client}/health"),
    )


def _api_server(state: Path, programs: Path) -> Part:
    keys = state / "certificates"
    return Part(
        name="kube-apiserver",
        command=(
            str(programs / "kube-apiserver"),
            "--etcd-servers=http://127.0.0.1:2379",
            f"--service-cluster-ip-range={network.SERVICES}",
            f"--secure-port={network.API_PORT}",
            f"--advertise-address={network.NODE}",
            f"--tls-cert-file={keys / 'apiserver.crt'}",
            f"--tls-private-key-file={keys / 'apiserver.key'}",
            f"--client-ca-file={keys / 'ca.crt'}",
            f"--service-account-key-file={keys / 'service-accounts.key'}",
            f"--service-account-signing-key-file={keys / 'service-accounts.key'}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            f"--kubelet-client-certificate={keys / 'admin.crt'}",
            f"--kubelet-client-key={keys / 'admin.key'}",
            f"--kubelet-certificate-authority={keys / 'ca.crt'}",
            "--kubelet-preferred-address-types=InternalIP",
            f"--requestheader-client-ca-file={keys / 'ca.crt'}",
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={keys / 'aggregator.crt'}",
            f"--proxy-client-key-file={keys / 'aggregator.key'}",
            "--enable-aggregator-routing=true",
        ),
        ready=lambda: answers(*kubectl(state, programs), "get", "--raw=/readyz"),
        deadline=timedelta(seconds=90),
    )


def _controller_manager(state: Path, programs: Path) -> Part:
    keys = state / "certificates"
    return Part(
        name="kube-controller-manager",
        command=(
            str(programs / "kube-controller-manager"),
            f"--kubeconfig={keys / 'controller-manager.kubeconfig'}",
            f"--service-account-private-key-file={keys / 'service-accounts.key'}",
            f"--root-ca-file={keys / 'ca.crt'}",
            f"--cluster-signing-cert-file={keys / 'ca.crt'}",
            f"--cluster-signing-key-file={keys / 'ca.key'}",
            "--allocate-node-cidrs=true",
            f"--cluster-cidr={network.CLUSTER}",
            f"--service-cluster-ip-range={network.SERVICES}",
            "--use-service-account-credentials=true",
            "--leader-elect=false",
            "--node-monitor-grace-period=20s",
        ),
        ready=lambda: True,
    )


def _scheduler(state: Path, programs: Path) -> Part:
    return Part(
        name="kube-scheduler",
        command=(
            str(programs / "kube-scheduler"),
            f"--kubeconfig={state / 'certificates' / 'scheduler.kubeconfig'}",
            "--leader-elect=false",
        ),
        ready=lambda: True,
    )


def _kubelet(state: Path, programs: Path) -> Part:
    return Part(
        name="kubelet",
        command=(
            str(programs / "kubelet"),
            f"--config={state / 'kubelet.json'}",
            f"--kubeconfig={state / 'certificates' / 'kubelet.kubeconfig'}",
            f"--hostname-override={NODE_NAME}",
            f"--node-ip={network.NODE}",
            f"--root-dir={state / 'kubelet'}",
            f"--cert-dir={state / 'certificates'}",
        ),
        ready=http_ok("http://127.0.0.1:10248/healthz"),
    )


def _kube_proxy(state: Path, programs: Path) -> Part:
    return Part(
        name="kube-proxy",
        command=(
            str(programs / "kube-proxy"),
            f"--kubeconfig={state / 'certificates' / 'kube-proxy.kubeconfig'}",
            "--proxy-mode=iptables",
            f"--cluster-cidr={network.CLUSTER}",
            f"--hostname-override={NODE_NAME}",
            "--conntrack-max-per-core=0",
        ),
        ready=http_ok("http://127.0.0.1:10256/healthz"),
    )
