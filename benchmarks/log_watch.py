"""How fast the log watch reads, and how much memory it takes: `python -m benchmarks.log_watch [--megabytes 200]`.

The log is a Hub's as an embedded stack writes it: of a hundred lines one tells of trouble. A second file is nothing but
trouble, every line of it different, which is the most that anybody can make it work.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

ORDINARY = (
    "[I 2026-11-28 02:03:10.755 JupyterHub log:192] 200 GET /hub/api/users?offset=0 (riskhub@10.0.0.5) 16.00ms",
    "[I 2026-11-28 02:05:24.083 JupyterHub roles:281] Adding role user for User: dina",
    "[I 2026-11-28 02:05:29.101 ServerApp] Kernel started: 2f1c7a0e-63f7-4c7c-9c0f-8a1b8a8a2f10",
    "[W 2026-11-28 03:19:43.232 ServerApp] Skipping XSRF check for insecure request GET /user/dina/oauth_callback",
    "    Traceback (most recent call last):",
)
TROUBLE = "[W 2026-11-28 03:19:34.001 JupyterHub log:192] 403 GET /hub/api/{} (@10.0.{}.{}) 3.40ms"

# in a process of its own, whose peak memory (kB) is its own
MEASURED = """
import json, sys, time
from pathlib import Path
from domain.clock import utc_now
from plans.log_watch import Tally
from systems.logs import read_files
resting = int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
tally = Tally(utc_now())
began = time.perf_counter()
reading = read_files(Path(sys.argv[1]), {}, tally.take)
seconds = time.perf_counter() - began
peak = int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
print(json.dumps({
    "lines": reading.lines, "bytes": reading.size, "seconds": round(seconds, 2),
    "lines_a_second": round(reading.lines / seconds), "counted": tally.counts.total(),
    "peak_kilobytes": peak, "more_than_at_rest_kilobytes": peak - resting,
}))
"""


def write_log(path: Path, size: int, share: float) -> None:
    """A log of `size` bytes, of whose lines `share` tell of trouble."""
    chance = random.Random(20261128)  # noqa: S311 - content, the same in every run
    with path.open("w", encoding="utf-8") as file:
        while file.tell() < size:
            lines = (
                TROUBLE.format(f"{chance.getrandbits(64):x}", chance.randrange(256), chance.randrange(256))
                if chance.random() < share
                else chance.choice(ORDINARY)
                for _ in range(10_000)
            )
            file.write("\n".join(lines) + "\n")


@click.command(help=__doc__)
@click.option("--megabytes", default=200, show_default=True)
def main(megabytes: int) -> None:
    for name, share in (("a hundredth is trouble", 0.01), ("all is trouble", 1.0)):
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            write_log(Path(folder) / "hub.log", megabytes * 1024 * 1024, share)
            click.echo(f"{name}: written in {time.perf_counter() - began:.0f} s", err=True)
            told = subprocess.run([sys.executable, "-c", MEASURED, folder], check=True, capture_output=True, text=True)
            click.echo(json.dumps({"log": name, **json.loads(told.stdout)}))


if __name__ == "__main__":
    main()
