"""Packets sent from within a pod's own network namespace, and listeners in it: whatever its image holds."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

Address = tuple[str, int, str]  # IP address, port, TCP or UDP

# Standard library only. A closed port answers too: what counts is whether the packet came through.
_SEND = """
import json, select, socket, sys, time
QUERY = bytes.fromhex("1234010000010000000000000a6b756265726e657465730764656661756c7403737663"
                      "07636c7573746572056c6f63616c0000010001")
open_, seen, give_up = {}, [], time.monotonic() + SECONDS
for name, (address, port, protocol) in json.load(sys.stdin).items():
    kind = socket.SOCK_DGRAM if protocol == "UDP" else socket.SOCK_STREAM
    each = socket.socket(socket.AF_INET, kind)
    each.setblocking(False)
    code = each.connect_ex((address, port))
    if code not in (0, 115):
        continue  # no route to it
    if protocol == "UDP":
        each.send(QUERY)
    open_[each] = (name, protocol)
while open_ and time.monotonic() < give_up:
    udp = [each for each, (_, protocol) in open_.items() if protocol == "UDP"]
    tcp = [each for each, (_, protocol) in open_.items() if protocol == "TCP"]
    readable, writable, _ = select.select(udp, tcp, [], 0.2)
    for each in readable + writable:
        name, _ = open_.pop(each)
        if each.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
            seen.append(name)
print(json.dumps(seen))
"""
_LISTEN = """
import socket, sys
listening = []
for port in map(int, sys.argv[1:]):
    each = socket.socket()
    each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    each.bind(("0.0.0.0", port))
    each.listen(64)
    listening.append(each)
print("listening", flush=True)
sys.stdin.read()
"""


def process_of(pod_uid: str) -> int:
    """A process of the pod, as this machine numbers it."""
    for process in psutil.process_iter():
        try:
            groups = Path(f"/proc/{process.pid}/cgroup").read_text()
        except OSError:
            continue
        if f"pod{pod_uid}" in groups:
            return process.pid
    raise LookupError(f"no process of pod {pod_uid}")


def reached(pod_uid: str | None, targets: Mapping[str, Address], *, seconds: float = 1.5) -> set[str]:
    """Those of `targets` that answer a pod, or this machine without one: a connection made, or a DNS query answered."""
    command = (*_inside(pod_uid), sys.executable, "-c", _SEND.replace("SECONDS", str(seconds)))
    ended = subprocess.run(
        command, input=json.dumps(targets), capture_output=True, text=True, timeout=seconds + 20, check=True
    )
    return set(json.loads(ended.stdout))


@contextmanager
def listening(pod_uid: str | None, *ports: int) -> Iterator[None]:
    """Somebody accepts connections on these ports of the pod, or of this machine."""
    command = (*_inside(pod_uid), sys.executable, "-c", _LISTEN, *map(str, ports))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == "listening\n"
            yield
        finally:
            process.kill()


@contextmanager
def addresses_of_this_machine(device: str, *addresses: str) -> Iterator[None]:
    """Addresses that nobody here has, so that a packet to one of them is answered when nothing stops it."""
    for address in addresses:
        subprocess.run(("ip", "address", "add", f"{address}/32", "dev", device), check=True)
    try:
        yield
    finally:
        for address in addresses:
            subprocess.run(("ip", "address", "del", f"{address}/32", "dev", device), check=True)


def _inside(pod_uid: str | None) -> tuple[str, ...]:
    return ("nsenter", f"--net=/proc/{process_of(pod_uid)}/ns/net") if pod_uid else ()
