"""The mirror's look at a file system: a million files, and a file system where every call takes two milliseconds.

`python -m benchmarks.mirror_scan` makes a tree of empty files on tmpfs, walks it, pushes it with nothing changed (its
point is written as if it had been pushed) and plans restores of it. With `libfuse3-dev` and a C compiler, and as root,
it mounts a small tree through `slow_files.c` and holds the walk against the same walk with one walker.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from benchmarks.mirror import BUCKET, running_store
from domain.clock import utc_now
from systems.mirror import MirrorLocation, parse_location, walk
from systems.mirror.bucket import Bucket
from systems.mirror.entry import Row, is_folder
from systems.mirror.manifest import Point
from systems.mirror.page_writer import PageWriter
from systems.mirror.points import win_point

LATE = 2000  # microseconds

# the command, and at its end its peak memory (kB): what wait4 tells of a child counts the parent it was forked from
MEASURED = """
import atexit, sys
from cli.main import main
atexit.register(lambda: print(open("/proc/self/status").read().split("VmHWM:")[1].split()[0], file=sys.stderr))
main()
"""


def make_tree(root: Path, files: int) -> int:
    """Empty files, a hundred a folder, a thousand a home; how many entries with the folders."""
    entries = 1
    for folder in range(files // 100):
        path = root / f"user-{folder // 10:04d}" / f"work-{folder % 10}"
        path.mkdir(parents=True)
        entries += 1 + (folder % 10 == 0)
        for number in range(100):
            os.close(os.open(path / f"notebook-{number:03d}.ipynb", os.O_CREAT | os.O_WRONLY))
            entries += 1
    return entries


def walked(root: Path) -> tuple[int, float]:
    """Entries and seconds of a walk."""
    descriptor = os.open(root, os.O_RDONLY)
    began = time.perf_counter()
    count = sum(len(batch.rows) for batch in walk.walk(descriptor, []))
    took = time.perf_counter() - began
    os.close(descriptor)
    return count, took


def record_as_pushed(root: Path, location: MirrorLocation) -> None:
    """A point of `root` as a push would have made it, without sending a million objects."""
    bucket = Bucket(location)
    descriptor = os.open(root, os.O_RDONLY)
    pages = PageWriter(bucket, "0000000001-prepared", time.time_ns())
    for batch in walk.walk(descriptor, []):
        for path, look in batch.rows:
            sent = not is_folder(look)
            pages.add(Row(path, look, hashlib.sha256().digest() if sent else b"", os.urandom(16).hex() if sent else ""))
    os.close(descriptor)
    written = pages.close()
    entries, files = sum(page.entries for page in written), sum(page.files for page in written)
    point = Point(
        sequence=1,
        created_at=utc_now(),
        source=str(root),
        source_id=None,
        entries=entries,
        files=files,
        bytes=0,
        skipped=0,
        pages=written,
    )
    win_point(bucket, point)


def ran(*arguments: str) -> tuple[str, float, int]:
    """What `riskhub mirror` answered in a process of its own, its seconds and its peak memory (MB)."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, "mirror", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise click.ClickException(f"{arguments[0]} was to succeed: {done.stdout[-300:]} {done.stderr[-300:]}")
    return done.stdout, time.perf_counter() - began, int(done.stderr.split()[-1]) // 1024


def on_intact(root: Path, prefix: str) -> dict[str, Any]:
    """A push with nothing changed, and plans of a restore that finds all of it and of one that finds nothing."""
    url = f"s3://{BUCKET}/{prefix}"
    facts: dict[str, Any] = {}
    for name, said, arguments in (
        ("push of nothing", '"uploaded": 0', ("push", str(root), url, "--json")),
        ("plan of a restore onto it", '"actions": []', ("restore", url, str(root), "--json")),
        ("plan of a restore elsewhere", " 0 entries are as in the point", ("restore", url, f"{root}-elsewhere")),
    ):
        answer, seconds, memory = ran(*arguments)
        if said not in answer:
            raise click.ClickException(f"{name} was to answer {said}: {answer[-300:]}")
        facts |= {f"{name}, seconds": round(seconds, 2), f"{name}, peak MB": memory}
    return facts


@contextmanager
def late_files(root: Path, work: Path) -> Iterator[Path]:
    """`root` through a file system that answers every call `LATE` microseconds late."""
    program, mount = work / "slow_files", work / "mount"
    mount.mkdir()
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "fuse3"], capture_output=True, text=True, check=True)
    source = Path(__file__).with_name("slow_files.c")
    subprocess.run(["cc", "-O2", "-o", program, source, *flags.stdout.split()], check=True)
    served = subprocess.Popen(
        [program, root, str(LATE), mount, "-f", "-o", "ro,max_threads=128"], stderr=subprocess.DEVNULL
    )
    try:
        while not mount.is_mount():
            if served.poll() is not None:
                raise click.ClickException("the slow file system could not be mounted")
            time.sleep(0.05)
        yield mount
    finally:
        subprocess.run(["fusermount3", "-u", mount], check=False)
        served.wait()


def late_walks(work: Path) -> dict[str, Any]:
    """Seconds of one walker and of as many as it takes, on a tree of four thousand files."""
    (work / "small").mkdir()
    make_tree(work / "small", 4000)
    with late_files(work / "small", work) as mount:
        _, many = walked(mount)
        most, walk._WALKERS = walk._WALKERS, 0
        entries, one = walked(mount)
        walk._WALKERS = most
    return {"entries": entries, "one walker": round(one, 2), "walkers": round(many, 2), "ratio": round(one / many, 1)}


@click.command()
@click.option("--files", default=1_000_000, show_default=True)
@click.option("--work", type=click.Path(path_type=Path), default=Path("/dev/shm"), show_default=True)  # noqa: S108
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def main(files: int, work: Path, as_json: bool) -> None:
    """Walk a large tree, push it with nothing changed, plan its restore, and walk a slow file system."""
    with tempfile.TemporaryDirectory(prefix="riskhub-benchmark-", dir=work) as folder:
        tree = Path(folder) / "tree"
        tree.mkdir()
        entries = make_tree(tree, files)
        scans = [round(walked(tree)[1], 2) for _ in range(3)]
        with running_store(Path(folder) / "store") as endpoint:
            record_as_pushed(tree, parse_location(f"s3://{BUCKET}/scan", endpoint))
            measured = on_intact(tree, "scan")
        shutil.rmtree(tree)
        able = shutil.which("fusermount3") and shutil.which("pkg-config") and shutil.which("cc")
        late = late_walks(Path(folder)) if able else "not measured: needs fuse3, libfuse3-dev, pkg-config and cc"
    facts = {
        "entries": entries,
        "walk seconds": scans,
        **measured,
        "walk with 2 ms a call": late,
    }
    if as_json:
        click.echo(json.dumps(facts))
    else:
        for name, value in facts.items():
            click.echo(f"{name}: {value}")


if __name__ == "__main__":
    main()
