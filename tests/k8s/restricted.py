"""Pod Security `restricted`, as the API server judges it: what in a pod it would refuse, in words.

The rules are those of https://kubernetes.io/docs/concepts/security/pod-security-standards/ (baseline and restricted)
for Linux pods. SELinux and AppArmor settings, of which some are allowed, are refused whole: no pod of ours has any.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.k8s.rendering import Document

VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
PROFILES = ("RuntimeDefault", "Localhost")


def refused(spec: Document) -> list[str]:
    """Every reason to refuse the pod; none is a pod that may run."""
    return [*_of_the_pod(spec), *(reason for each in _containers(spec) for reason in _of_a_container(each, spec))]


def _containers(spec: Document) -> Iterator[Document]:
    for key in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(key, [])


def _of_the_pod(spec: Document) -> Iterator[str]:
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(key):
            yield f"{key} is set"
    for volume in spec.get("volumes", []):
        for kind in volume.keys() - {"name"} - VOLUMES:
            yield f"volume {volume['name']} is a {kind}"
    if spec.get("securityContext", {}).get("sysctls"):
        yield "sysctls are set"


def _of_a_container(container: Document, spec: Document) -> Iterator[str]:
    name, own, pod = container["name"], container.get("securityContext", {}), spec.get("securityContext", {})
    if not own.get("runAsNonRoot", pod.get("runAsNonRoot")):
        yield f"{name}: runAsNonRoot is not true"
    if own.get("runAsUser", pod.get("runAsUser")) == 0:
        yield f"{name}: runAsUser is 0"
    if own.get("seccompProfile", pod.get("seccompProfile", {})).get("type") not in PROFILES:
        yield f"{name}: seccompProfile is none of {', '.join(PROFILES)}"
    if own.get("allowPrivilegeEscalation") is not False:
        yield f"{name}: allowPrivilegeEscalation is not false"
    if own.get("privileged"):
        yield f"{name}: privileged"
    capabilities = own.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", []):
        yield f"{name}: capabilities do not drop ALL"
    if set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
        yield f"{name}: capabilities are added"
    for key in ("procMount", "seLinuxOptions", "appArmorProfile"):
        if own.get(key, pod.get(key)):
            yield f"{name}: {key} is set"
    if any(port.get("hostPort") for port in container.get("ports", [])):
        yield f"{name}: a port of the node is taken"
