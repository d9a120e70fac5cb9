"""The fault matrix: every fault injected one by one into the real parts, and the root cause that it is told as.

    python -m benchmarks.faults [--only WORDS] [--healthy 50] [--json]

Brings up an embedded stack of its own, looks at it healthy so many times in a row, then breaks it part by part; as
root, since some faults mount a file system. Red when a fault is told as anything but its one cause, when a healthy
look finds a cause, or when the median pulse takes longer than its goal.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.embedded import embedded_stack
from devstack.faults import FAULTS, Fault
from devstack.faults.fault import diagnosed
from devstack.stack import Stack
from domain.errors import Failed
from environments import Environment, load_environment

PULSE_GOAL = 2.0  # seconds
_BACK = 180.0  # seconds, for a part to be well again


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="faults whose name holds these words")
    parser.add_argument("--healthy", type=int, default=50, help="looks at the healthy stack (default 50)")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    arguments = parser.parse_args()
    with embedded_stack() as stack:
        env = load_environment("local")
        pulses = [look(lambda: diagnosed(env)) for _ in range(arguments.healthy)]
        chosen = [fault for fault in FAULTS if arguments.only in fault.name]
        rows = [broken(fault, stack, env) for fault in chosen]
    seconds = [each["seconds"] for each in pulses]
    alarms = sum(bool(each["causes"]) for each in pulses)
    wrong = sum(row["causes"] != [row["expected"]] for row in rows)
    median = statistics.median(seconds) if seconds else 0.0
    if arguments.json:
        print(json.dumps({"healthy": pulses, "faults": rows}))
    else:
        print("| fault | told as | explains | seconds |\n|---|---|---|---|")
        for row in rows:
            mark = "" if row["causes"] == [row["expected"]] else f" (WRONG, is {row['expected']})"
            explains = ", ".join(row["explains"]) or "-"
            print(f"| {row['fault']} | {', '.join(row['causes'])}{mark} | {explains} | {row['seconds']:.1f} |")
        print(f"\n{len(rows)} faults, {wrong} told wrong; {len(pulses)} healthy looks, {alarms} false alarms")
        print(f"healthy look: median {median:.2f} s, slowest {max(seconds, default=0):.2f} s, goal {PULSE_GOAL:.0f} s")
    return int(bool(wrong or alarms or median > PULSE_GOAL))


def look(at: Callable[[], Any]) -> dict[str, Any]:
    """The causes that a look finds, and how long it takes."""
    started = time.monotonic()
    causes = at()
    return {
        "causes": [cause.kind for cause in causes],
        "explains": [probe for cause in causes for probe in cause.explains],
        "seconds": round(time.monotonic() - started, 3),
    }


def broken(fault: Fault, stack: Stack, env: Environment) -> dict[str, Any]:
    """The look at the stack with the fault; afterwards it is well again."""
    print(fault.name, file=sys.stderr)
    with fault.inject(stack, env) as changed:
        seen = look(lambda: diagnosed(changed, fault.more))
    give_up = time.monotonic() + _BACK
    while left := diagnosed(env):
        if time.monotonic() > give_up:
            raise Failed(fault.name, f"it is not well again: {left}", "look at that part's log")
        time.sleep(0.2)
    return {"fault": fault.name, "expected": fault.kind, **seen}


if __name__ == "__main__":
    sys.exit(main())
