"""The addresses of the node, and the cable between it and this machine.

The node's network namespace is joined to the host by one veth pair. On the host's end stand the services that AWS
runs outside of the cluster (database, SSO, S3); everything in the cluster is reached over it.
"""

from __future__ import annotations

import json
import subprocess

from domain.errors import Failed, Refused

NAMESPACE = "riskhub-node"
HOST_END, NODE_END = "riskhub0", "uplink"
OUTSIDE = "10.245.0.1"  # this machine as the cluster sees it
UPLINK = "10.245.0.2"
CABLE = "10.245.0.0/30"
# The node's own address is the pods' gateway too: kubelet's probes then come from where policy agents let them.
NODE = "10.244.0.1"
PODS = "10.244.0.0/24"
CLUSTER = "10.244.0.0/16"
SERVICES = "10.96.0.0/16"
API_SERVICE = "10.96.0.1"
DNS_SERVICE = "10.96.0.10"
API_PORT = 6443


def plug_in() -> None:
    """Make the node's network namespace, the cable to it, and the host's routes over it.

    Raises:
        Refused: another network of this machine has these addresses.
    """
    for network in (CABLE, CLUSTER, SERVICES):
        _require_unused(network)
    _ip("netns", "add", NAMESPACE)
    _ip("link", "add", HOST_END, "type", "veth", "peer", "name", NODE_END, "netns", NAMESPACE)
    _ip("address", "add", f"{OUTSIDE}/30", "dev", HOST_END)
    _ip("link", "set", HOST_END, "up")
    for command in (
        ("address", "add", f"{UPLINK}/30", "dev", NODE_END),
        ("link", "set", NODE_END, "up"),
        ("link", "set", "lo", "up"),
        ("route", "add", "default", "via", OUTSIDE),
        ("link", "add", "node0", "type", "bridge"),
        ("address", "add", f"{NODE}/32", "dev", "node0"),
        ("link", "set", "node0", "up"),
    ):
        _ip("-n", NAMESPACE, *command)
    for network in (CLUSTER, SERVICES):
        _ip("route", "add", network, "via", UPLINK, "dev", HOST_END)


def unplug() -> None:
    """Remove the cable, its routes with it, and the namespace. None there is fine."""
    # of itself it would go with the namespace, but only some time after that
    if any(each["ifname"] == HOST_END for each in json.loads(_ip("-json", "link", "show") or "[]")):
        _ip("link", "delete", HOST_END)
    if is_plugged_in():
        _ip("netns", "delete", NAMESPACE)


def remove_cables_of_pods() -> None:
    """Called within the namespace: what an earlier boot left, since pods that die leave theirs for seconds.

    A route to a dead pod's address would keep out the one to the new pod that gets the address.
    """
    for link in json.loads(_ip("-json", "link", "show", "type", "veth") or "[]"):
        if link["ifname"] != NODE_END:
            _ip("link", "delete", link["ifname"])


def is_plugged_in() -> bool:
    """Is there a network namespace of the node?"""
    return any(each["name"] == NAMESPACE for each in json.loads(_ip("-json", "netns", "list") or "[]"))


def _require_unused(network: str) -> None:
    route = json.loads(_ip("-json", "route", "show", "root", network) or "[]")
    if route:
        raise Refused(
            f"network {network}",
            f"this machine uses it already (on {route[0].get('dev', 'a device')})",
            "the node needs it: run riskhub cluster down, or use another cluster by its kubeconfig",
        )


def _ip(*arguments: str) -> str:
    done = subprocess.run(("ip", *arguments), capture_output=True, text=True, timeout=20, check=False)
    if done.returncode != 0:
        words = done.stderr.strip()
        raise Failed(f"ip {' '.join(arguments)}", words, "see what holds the device: ip address; ip netns")
    return done.stdout
