"""Reports a minute: one notebook on 40 parameter sets, by the tools people use and by the warm engine, in one run.

    python -m benchmarks.reports [--sets 40] [--sample 40] [--rounds 1] [--json]

The notebook reads 30 years of prices of 20 stocks and makes value at risk, expected shortfall, volatility and three
plots. Each way ends in an executed notebook and a page of HTML for each set:

- `papermill` and `jupyter nbconvert`, commands one after another (of `--sample` sets, they take the longest)
- a pool of two processes that call papermill and nbconvert, a cold kernel for each set
- `riskhub reports execute`, as it comes

Red when a goal is missed, or when an output of the warm engine differs from the cold one's.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import nbformat
import yaml

BY_COMMANDS, BY_POOL, BY_ENGINE = "papermill and nbconvert", "pool of two, cold", "riskhub reports execute"
GOALS = {BY_COMMANDS: 8.0, BY_POOL: 3.0}  # times as many a minute
POOL = 2
PARAMETERS = "confidence = 0.95\nwindow = 250\nprices = ''"
CELLS = (
    """\
import numpy as np
import pandas as pd
import matplotlib.pyplot as plt

frame = pd.read_csv(prices, index_col=0, parse_dates=True)
returns = frame.pct_change().iloc[1:].mean(axis=1)
""",
    """\
value_at_risk = -returns.rolling(window).quantile(1 - confidence)
beyond = returns[returns < returns.quantile(1 - confidence)]
print(f"VaR {-returns.quantile(1 - confidence):.6f}, ES {-beyond.mean():.6f}")
""",
    "_, axes = plt.subplots(figsize=(10, 4))\n(1 + returns).cumprod().plot(ax=axes, title='Value');",
    "_, axes = plt.subplots(figsize=(10, 4))\nvalue_at_risk.plot(ax=axes, title='VaR');",
    "_, axes = plt.subplots(figsize=(10, 4))\n(returns.rolling(21).std() * 252**0.5).plot(ax=axes, title='Vola');",
    "returns.describe()",
)

Parameters = dict[str, Any]


@dataclass(frozen=True)
class Took:
    """How long one way took for so many reports."""

    reports: int
    seconds: float

    @property
    def a_minute(self) -> float:
        return 60 * self.reports / self.seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=40, help="parameter sets (default 40)")
    parser.add_argument("--sample", type=int, default=40, help="of them for the commands one by one (default 40)")
    parser.add_argument("--rounds", type=int, default=1, help="of all three ways (default 1)")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="riskhub-reports-") as folder:
        work = Path(folder)
        notebook, sets = write_notebook(work), parameter_sets(arguments.sets)
        ways: dict[str, Callable[[Path], Took]] = {
            BY_COMMANDS: lambda out: by_commands(notebook, out, sets[: arguments.sample]),
            BY_POOL: lambda out: by_pool(notebook, out, sets),
            BY_ENGINE: lambda out: by_engine(notebook, out, sets),
        }
        taken: dict[str, list[Took]] = {name: [] for name in ways}
        for number in range(arguments.rounds):
            names = list(ways)[number % 3 :] + list(ways)[: number % 3]
            for name in names:
                out = work / f"{number}-{name.replace(' ', '-')}"
                out.mkdir()
                taken[name].append(ways[name](out))
                print(f"round {number + 1}  {name:24} {taken[name][-1].a_minute:6.1f} a minute", file=sys.stderr)
        differ = [number for number in range(len(sets)) if differs(work, number)]
        peaks = [each["peak_memory"] for each in json.loads((work / "engine.json").read_text())["reports"]]
    rates = {name: statistics.median(each.a_minute for each in took) for name, took in taken.items()}
    ratios = {name: rates[BY_ENGINE] / rates[name] for name in GOALS}
    facts = {
        "reports_a_minute": rates,
        "ratios": ratios,
        "differing": differ,
        "peak_memory_of_a_kernel": max(peaks),
        "machine": f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}",
    }
    print(json.dumps(facts) if arguments.json else told(facts, len(sets)))
    return int(bool(differ) or any(ratios[name] < goal for name, goal in GOALS.items()))


def told(facts: dict[str, Any], sets: int) -> str:
    """A table for the docs."""
    lines = ["| | reports a minute | the engine makes | goal |", "|---|---|---|---|"]
    for name, rate in facts["reports_a_minute"].items():
        times = f"{facts['ratios'][name]:.1f} times as many | {GOALS[name]:g}" if name in GOALS else " | "
        lines.append(f"| {name} | {rate:.0f} | {times} |")
    peak = facts["peak_memory_of_a_kernel"] / 2**20
    lines.append(
        f"\n{sets} parameter sets, HTML included; {len(facts['differing'])} outputs differ from the cold ones; "
        f"peak memory of a kernel {peak:.0f} MiB; {facts['machine']}"
    )
    return "\n".join(lines)


def write_notebook(work: Path) -> Path:
    """The notebook, and its prices as the wheel ships them."""
    cells: list[dict[str, Any]] = [
        {"cell_type": "code", "id": f"cell-{number}", "source": source, "outputs": [], "execution_count": None}
        | {"metadata": {"tags": ["parameters"] if source == PARAMETERS else []}}
        for number, source in enumerate((PARAMETERS, *CELLS))
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path = work / "report.ipynb"
    path.write_text(
        json.dumps({"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5})
    )
    return path


def parameter_sets(number: int) -> list[Parameters]:
    """As many, each another confidence."""
    spec = importlib.util.find_spec("skfolio")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("the prices are in the wheel of skfolio: make install")
    prices = str(Path(spec.submodule_search_locations[0]) / "datasets/data/sp500_dataset.csv.gz")
    return [{"confidence": round(0.9 + 0.002 * each, 4), "prices": prices} for each in range(number)]


def by_commands(notebook: Path, out: Path, sets: Sequence[Parameters]) -> Took:
    """As people do it from a shell."""
    began = time.perf_counter()
    for number, parameters in enumerate(sets):
        target = out / f"{number}.ipynb"
        papermill = (sys.executable, "-m", "papermill", notebook, target, "-y", yaml.safe_dump(parameters))
        _run(*papermill, "--no-progress-bar")
        _run(sys.executable, "-m", "nbconvert", "--to", "html", target)
    return Took(len(sets), time.perf_counter() - began)


def by_pool(notebook: Path, out: Path, sets: Sequence[Parameters]) -> Took:
    """As a careful script does it: processes that stay, and a cold kernel for each."""
    began = time.perf_counter()
    with ProcessPoolExecutor(POOL, get_context("spawn")) as pool:
        running = [pool.submit(_cold, notebook, out / f"{number}", each) for number, each in enumerate(sets)]
        for each in running:
            each.result()
    return Took(len(sets), time.perf_counter() - began)


def _cold(notebook: Path, target: Path, parameters: Parameters) -> None:
    import papermill  # type: ignore[import-untyped] # noqa: PLC0415 - of the pool's processes alone
    from nbconvert import HTMLExporter  # noqa: PLC0415

    executed = papermill.execute_notebook(notebook, f"{target}.ipynb", parameters=parameters, progress_bar=False)
    body, _ = HTMLExporter().from_notebook_node(executed)  # type: ignore[no-untyped-call]
    Path(f"{target}.html").write_text(body, encoding="utf-8")


def by_engine(notebook: Path, out: Path, sets: Sequence[Parameters]) -> Took:
    """Ours, with the start of its program."""
    requests = [
        {
            "notebook": str(notebook),
            "output": str(out / f"{number}.ipynb"),
            "html": str(out / f"{number}.html"),
            "params_yaml": yaml.safe_dump(each),
        }
        for number, each in enumerate(sets)
    ]
    asked = "\n".join(json.dumps(each) for each in requests)
    began = time.perf_counter()
    riskhub = Path(sys.executable).with_name("riskhub")
    said = _run(riskhub, "reports", "execute", "--requests=-", "--json", given=asked)
    took = Took(len(sets), time.perf_counter() - began)
    (notebook.parent / "engine.json").write_text(said)
    return took


def differs(work: Path, number: int) -> bool:
    """Whether the warm notebook's outputs of a set are not those of the cold one."""
    warm, cold = (_outputs(work / f"0-{name.replace(' ', '-')}" / f"{number}.ipynb") for name in (BY_ENGINE, BY_POOL))
    return warm != cold or not any(cold)


def _outputs(path: Path) -> list[Any]:
    cells = nbformat.read(path, as_version=4).cells  # type: ignore[no-untyped-call]
    return [cell.outputs for cell in cells if cell.cell_type == "code"]


def _run(*command: str | Path, given: str | None = None) -> str:
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{command[0]} ended with {done.returncode}: {done.stderr[-500:]}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
