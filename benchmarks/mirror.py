"""The mirror against the tools people use: first push, nothing changed, 1% changed, full restore.

`python -m benchmarks.mirror` starts one S3 server, makes one tree, and lets every tool do every step in turn, so
that a busy moment of the machine falls on all of them. Start-up of each program is part of its time. Ratios
are the mirror's median over the best median among the tools that keep plain objects; restic, which packs files
into blobs, is shown beside. A tool that is not installed is named, never passed over in silence.
"""

from __future__ import annotations

import json
import os
import platform
import random
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from devstack.object_store import PORTS, object_store
from devstack.process import free_ports, start, stop, wait_ready
from domain.errors import Failed
from systems.mirror import parse_location
from systems.mirror.bucket import Bucket

STEPS = ("first push", "nothing changed", "1% changed", "full restore")
GOALS = {"first push": 0.5, "nothing changed": 0.3, "1% changed": 0.35, "full restore": 0.7}
PACKING = frozenset({"restic"})
BUCKET = "benchmark"

Command = Callable[[Path, str], list[str]]


@dataclass(frozen=True)
class Tool:
    """How a tool pushes a folder to a prefix, brings it back, and tells its version. `begin`: before a first push."""

    name: str
    version: list[str]
    push: Command
    restore: Command
    begin: Command | None = None

    @property
    def program(self) -> str | None:
        return shutil.which(self.version[0])


def tools(endpoint: str) -> list[Tool]:
    """Every tool of the comparison, the mirror first; installed or not."""
    riskhub = str(Path(sys.executable).parent / "riskhub")
    s5cmd = ["s5cmd", "--endpoint-url", endpoint, "--log", "error"]
    aws = ["aws", "--endpoint-url", endpoint, "s3", "sync", "--delete", "--only-show-errors"]
    rclone = ["rclone", "sync", "--transfers=32", "--checkers=32", "--s3-no-check-bucket", "--log-level=ERROR"]

    def url(prefix: str) -> str:
        return f"s3://{BUCKET}/{prefix}"

    def restic(prefix: str, *verb: str) -> list[str]:
        return ["restic", f"--repo=s3:{endpoint}/{BUCKET}/{prefix}", "--quiet", *verb]

    return [
        Tool(
            "riskhub mirror",
            [riskhub, "--version"],
            lambda tree, prefix: [riskhub, "mirror", "push", str(tree), url(prefix)],
            lambda tree, prefix: [riskhub, "mirror", "restore", url(prefix), str(tree), "--execute"],
        ),
        Tool(
            "rclone",
            ["rclone", "version"],
            lambda tree, prefix: [*rclone, str(tree), f"store:{BUCKET}/{prefix}"],
            lambda tree, prefix: [*rclone, f"store:{BUCKET}/{prefix}", str(tree)],
        ),
        Tool(
            "s5cmd",
            ["s5cmd", "version"],
            lambda tree, prefix: [*s5cmd, "sync", "--delete", f"{tree}/", f"{url(prefix)}/"],
            lambda tree, prefix: [*s5cmd, "sync", "--delete", f"{url(prefix)}/*", f"{tree}/"],
        ),
        Tool(
            "aws s3 sync",
            ["aws", "--version"],
            lambda tree, prefix: [*aws, str(tree), url(prefix)],
            lambda tree, prefix: [*aws, url(prefix), str(tree)],
        ),
        Tool(
            "restic",
            ["restic", "version"],
            lambda tree, prefix: restic(prefix, "backup", str(tree)),
            lambda tree, prefix: restic(prefix, "restore", "latest", f"--target={tree}"),
            begin=lambda _, prefix: restic(prefix, "init"),
        ),
    ]


def make_tree(root: Path, files: int, users: int) -> None:
    """Homes of notebook-like files: 200 bytes to 400 kB, most around 6 kB, text that does not compress well."""
    chance = random.Random(1)  # noqa: S311 - the same tree every time
    for number in range(files):
        folder = root / f"user-{number % users:04d}" / ("work", "reports/2026", "data", "")[number // users % 4]
        if number < 4 * users:
            folder.mkdir(parents=True, exist_ok=True)
        size = int(min(400_000, max(200, chance.lognormvariate(8.7, 1.2))))
        (folder / f"notebook-{number:06d}.ipynb").write_bytes(chance.randbytes(size // 2).hex().encode())
    _age(root)


def change(root: Path, share: float, seed: int) -> int:
    """Edit every hundredth or so file, in every home; how many."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    chosen = random.Random(seed).sample(files, max(1, int(len(files) * share)))  # noqa: S311
    for path in chosen:
        with path.open("ab") as file:
            file.write(f"edited {seed}".encode())
    return len(chosen)


@contextmanager
def running_store(state: Path) -> Iterator[str]:
    """An S3 server with a versioned bucket, its keys in this process's AWS_* variables; its address."""
    ports, key, secret = free_ports(PORTS), secrets.token_hex(8), secrets.token_hex(16)
    part = object_store(state, ports, key, secret)
    process = start(part, state)
    try:
        wait_ready(part, process, state)
        endpoint = f"http://127.0.0.1:{ports[0]}"
        os.environ |= variables_of_tools(endpoint, key, secret, state / "restic")
        os.environ.pop("AWS_CA_BUNDLE", None)  # rclone of Debian cannot take one
        make_bucket(endpoint)
        yield endpoint
    finally:
        stop(part, process)


def variables_of_tools(endpoint: str, key: str, secret: str, cache: Path) -> dict[str, str]:
    """What every tool of the comparison reads of the store; `cache` is restic's."""
    return {
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
        "RCLONE_CONFIG": "/dev/null",
        "RCLONE_CONFIG_STORE_TYPE": "s3",
        "RCLONE_CONFIG_STORE_PROVIDER": "Other",
        "RCLONE_CONFIG_STORE_ENV_AUTH": "true",
        "RCLONE_CONFIG_STORE_ENDPOINT": endpoint,
        "RESTIC_PASSWORD": secret,
        "RESTIC_CACHE_DIR": str(cache),
    }


def make_bucket(endpoint: str) -> None:
    """The versioned bucket; the server answers before it can store, so it is asked until it can."""
    wire = Bucket(parse_location(f"s3://{BUCKET}/any", endpoint)).wire
    body = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    give_up = time.monotonic() + 30
    while wire.ask("PUT").status >= 300 or wire.ask("PUT", query={"versioning": ""}, body=body).status >= 300:
        if time.monotonic() > give_up:
            raise Failed("object store", "it takes no bucket", "read its log")
        time.sleep(0.2)


def measure(command: list[str], name: str) -> float:
    """Seconds that `command` takes.

    Raises:
        Failed: it did not end well.
    """
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, check=False)
    took = time.perf_counter() - began
    if done.returncode:
        raise Failed(name, (done.stderr or done.stdout).decode(errors="replace")[-500:], "run the command by hand")
    return took


def run(tree: Path, chosen: list[Tool], work: Path, *, rounds: int, restore: bool) -> dict[str, dict[str, list[float]]]:
    """Seconds by step and tool, one for each round."""
    times: dict[str, dict[str, list[float]]] = {step: {tool.name: [] for tool in chosen} for step in STEPS}

    def step(name: str, number: int, command: Callable[[Tool, str], list[str]]) -> None:
        for tool in chosen[number % len(chosen) :] + chosen[: number % len(chosen)]:
            prefix = f"{tool.name.replace(' ', '-')}-{number}"
            if name == "first push" and tool.begin:
                measure(tool.begin(tree, prefix), tool.name)
            took = measure(command(tool, prefix), f"{tool.name}, {name}")
            times[name][tool.name].append(took)
            click.echo(f"round {number + 1}  {name:16} {tool.name:15} {took:8.2f} s", err=True)

    for number in range(rounds):
        step("first push", number, lambda tool, prefix: tool.push(tree, prefix))
        step("nothing changed", number, lambda tool, prefix: tool.push(tree, prefix))
        change(tree, 0.01, number)
        step("1% changed", number, lambda tool, prefix: tool.push(tree, prefix))
        if restore:
            step("full restore", number, lambda tool, prefix: tool.restore(work / f"{prefix}-restored", prefix))
            for folder in work.glob("*-restored"):
                shutil.rmtree(folder)
    return {name: by_tool for name, by_tool in times.items() if any(by_tool.values())}


def summarise(times: dict[str, dict[str, list[float]]]) -> list[dict[str, Any]]:
    """A row a step: medians in seconds, the best plain tool, and the mirror's ratio to it."""
    rows = []
    for step, by_tool in times.items():
        medians = {tool: round(statistics.median(taken), 2) for tool, taken in by_tool.items()}
        plain = {tool: taken for tool, taken in medians.items() if tool not in PACKING and tool != "riskhub mirror"}
        best = min(plain, key=lambda tool: plain[tool], default="")
        ratio = round(medians["riskhub mirror"] / plain[best], 3) if best else None
        rows.append({"step": step, "medians": medians, "best": best, "ratio": ratio, "goal": GOALS[step]})
    return rows


def versions(found: list[Tool]) -> dict[str, str]:
    """What each tool says of itself, in one line."""
    told = {}
    for tool in found:
        done = subprocess.run(tool.version, capture_output=True, text=True, check=False)
        told[tool.name] = (done.stdout or done.stderr).strip().partition("\n")[0]
    return told


def _warm_up(endpoint: str) -> None:
    """The store's first writes make its volumes: nobody's time."""
    bucket = Bucket(parse_location(f"s3://{BUCKET}/warm-up", endpoint))
    for number in range(500):
        bucket.put(f"warm-up/{number}", bytes(10_000), 10_000, {})


def _age(root: Path) -> None:
    hour_ago = time.time() - 3600
    for path in root.rglob("*"):
        os.utime(path, (hour_ago, hour_ago))


@click.command()
@click.option("--files", default=20_000, show_default=True)
@click.option("--users", default=200, show_default=True)
@click.option("--rounds", default=3, show_default=True)
@click.option("--work", type=click.Path(path_type=Path), help="Folder for tree and store; a temporary one by default.")
@click.option("--without", multiple=True, help="Leave out this tool.")
@click.option("--restore/--no-restore", default=True, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def main(  # noqa: PLR0917 - click names them
    files: int, users: int, rounds: int, work: Path | None, without: tuple[str, ...], restore: bool, as_json: bool
) -> None:
    """Measure the mirror against rclone, s5cmd, aws s3 sync and restic on one S3 server."""
    with tempfile.TemporaryDirectory(prefix="riskhub-benchmark-", dir=work) as folder:
        tree = Path(folder) / "user-data"
        make_tree(tree, files, users)
        with running_store(Path(folder) / "store") as endpoint:
            every = tools(endpoint)
            chosen = [tool for tool in every if tool.program and tool.name not in without]
            _warm_up(endpoint)
            missing = [tool.name for tool in every if tool not in chosen]
            rows = summarise(run(tree, chosen, Path(folder), rounds=rounds, restore=restore))
    facts = {
        "files": files,
        "users": users,
        "rounds": rounds,
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}",
        "versions": versions(chosen),
        "not measured": missing,
    }
    if as_json:
        click.echo(json.dumps({**facts, "steps": rows}))
        return
    names = [tool.name for tool in chosen]
    click.echo(f"| step | {' | '.join(names)} | ratio to the best plain tool | goal |")
    click.echo("|---" * (len(names) + 3) + "|")
    for row in rows:
        taken = " | ".join(f"{row['medians'][name]:.2f} s" for name in names)
        click.echo(f"| {row['step']} | {taken} | {row['ratio']} ({row['best']}) | {row['goal']} |")
    click.echo(f"\n{files} files, {users} users, medians of {rounds} rounds; {facts['machine']}")
    for name, told in versions(chosen).items():
        click.echo(f"{name}: {told}")
    if missing:
        click.echo(f"not installed or left out: {', '.join(missing)}")


if __name__ == "__main__":
    main()
