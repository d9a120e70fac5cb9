"""What a node makes on the machine that runs it: looked at before it comes up and after it is down."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")


def of_this_machine() -> dict[str, set[str]]:
    """Network namespaces and devices, mounts, loop devices, packet filter rules and cgroups that there are now."""
    return {
        "network namespaces": {line.split()[0] for line in _lines("ip", "netns")},
        "network devices": {line.split()[1].split("@")[0] for line in _lines("ip", "-oneline", "link")},
        "mounts": {line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()},
        "loop devices": set(_lines("losetup", "--list", "--noheadings", "--output=BACK-FILE")),
        "rules": {line for line in _lines("iptables-save") if re.match(r"-A |:\S+ - ", line)},
        "cgroups": {str(path) for pattern in ("*", "*/*") for path in CGROUPS.glob(pattern) if path.is_dir()},
    }


def new_since(before: dict[str, set[str]]) -> dict[str, set[str]]:
    """What there was not `before`, by its kind; empty when nothing is left."""
    now = of_this_machine()
    return {kind: now[kind] - there for kind, there in before.items() if now[kind] - there}


def _lines(*command: str) -> list[str]:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.splitlines()
