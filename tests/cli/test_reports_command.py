"""`riskhub reports execute`, as its users have it: one batch in which everything happens at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest

from domain.errors import Refused
from systems.kernels.batch import read_requests

PLOT = """\
import numpy as np
import pandas as pd
import matplotlib.pyplot as plt
losses = pd.Series(np.linspace(-0.1, 0.1, 1001))
print(f"VaR {losses.quantile(confidence):.4f}")
_, axes = plt.subplots()
losses.plot(ax=axes)
"""
CHANCE = "import numpy as np, random, uuid\nprint(np.random.rand(), random.random())"
CELLS = {
    "good": PLOT,
    "chance": CHANCE,
    "reads": "print(open('beside.txt').read())",
    "raises": "1 / 0",
    "killed": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
    "endless": "while True: pass",
    "hoards": "hoard = bytearray(3 * 2**30)",
    "tells": "import os\nprint(os.environ['RISK_API_TOKEN'])",
    "pool": "import multiprocessing as m\nwith m.Pool(2) as pool:\n    print(sum(pool.map(abs, [-1, -2])))",
}


@dataclass(frozen=True)
class Batch:
    folder: Path
    code: int
    answer: dict[str, Any]
    said: str

    def of(self, name: str) -> dict[str, Any]:
        (found,) = [each for each in self.answer["reports"] if Path(each["output"]).stem == name]
        return found

    def printed(self, name: str) -> list[Any]:
        cells = nbformat.read(self.of(name)["kept"], as_version=4).cells
        return [output for cell in cells if cell.cell_type == "code" for output in cell.outputs]


def write_notebook(path: Path, cell: str) -> None:
    cells = [nbformat.v4.new_code_cell("confidence = 0.95\nwindow = 250"), nbformat.v4.new_code_cell(cell)]
    cells[0].metadata["tags"] = ["parameters"]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)


def request(folder: Path, notebook: str, output: str = "", parameters: str = "") -> str:
    name = output or notebook
    told = {"notebook": f"{notebook}.ipynb", "output": str(folder / f"{name}.ipynb")}
    return json.dumps({**told, "html": str(folder / f"{name}.html"), "params_yaml": parameters})


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Batch:
    where = tmp_path_factory.mktemp("batch")
    out = where / "out"
    out.mkdir()
    for name, cell in CELLS.items():
        write_notebook(where / f"{name}.ipynb", cell)
    (where / "beside.txt").write_text("from the folder of the command")
    (out / "raises.ipynb").write_text("yesterday's")
    (out / "good.failed.ipynb").write_text("yesterday's")
    lines = [request(out, name) for name in CELLS]
    lines += [
        request(out, "good", "good-99", "{confidence: 0.99}"),
        request(out, "chance", "chance-again"),
        request(out, "good", "unknown", "{windows: 500}"),
        request(out, "good", "wrong", "{window: true}"),
        request(out, "absent"),
    ]
    (where / "requests.jsonl").write_text("\n".join(lines))
    command = (
        Path(sys.executable).with_name("riskhub"),
        "reports",
        "execute",
        "--requests",
        "requests.jsonl",
        "--json",
    )
    done = subprocess.run(
        (*command, "--processes", "3", "--timeout", "30", "--memory", "2048"),
        cwd=where,
        env={**os.environ, "RISK_API_TOKEN": "token-5b1c", "TMPDIR": str(where)},
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    return Batch(where, done.returncode, json.loads(done.stdout), done.stderr)


def test_what_runs_whole_is_there_as_notebook_and_page(batch: Batch) -> None:
    for name, value in (("good", "VaR 0.0900"), ("good-99", "VaR 0.0980")):
        told = batch.of(name)
        assert (told["state"], told["problem"], told["kept"]) == ("complete", "", told["output"])
        assert value in Path(told["html"]).read_text() and "image/png" in Path(told["html"]).read_text()
        assert 50 * 2**20 < told["peak_memory"] < 2**30


def test_the_outputs_are_those_of_a_cold_papermill(batch: Batch, tmp_path: Path) -> None:
    cold = tmp_path / "cold.ipynb"
    command = (sys.executable, "-m", "papermill", "good.ipynb", str(cold), "-p", "confidence", "0.99")
    subprocess.run((*command, "--no-progress-bar"), cwd=batch.folder, check=True, capture_output=True)
    of_cold = [cell.outputs for cell in nbformat.read(cold, as_version=4).cells if cell.cell_type == "code"]
    assert [output for outputs in of_cold for output in outputs] == batch.printed("good-99") != []


def test_no_two_kernels_draw_the_same_numbers(batch: Batch) -> None:
    (one,), (other,) = batch.printed("chance"), batch.printed("chance-again")
    assert not set(one.text.split()) & set(other.text.split())


def test_a_notebook_works_where_the_command_was_given_and_may_start_processes(batch: Batch) -> None:
    assert batch.printed("reads")[0].text == "from the folder of the command\n"
    assert batch.printed("pool")[0].text == "3\n"


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("raises", "cell 2 raised ZeroDivisionError"),
        ("killed", "the kernel died"),
        ("endless", "it was stopped after its deadline of 30 s"),
        ("hoards", "cell 2 raised MemoryError"),
        ("tells", "it printed the value of RISK_API_TOKEN, masked here"),
    ],
)
def test_what_fails_is_kept_under_another_name_and_says_so(batch: Batch, name: str, problem: str) -> None:
    told = batch.of(name)
    assert (told["state"], told["problem"]) == ("failed", problem)
    assert told["kept"] == str(batch.folder / "out" / f"{name}.failed.ipynb")
    assert "This report failed" in nbformat.read(told["kept"], as_version=4).cells[0].source
    assert "This report failed" in (batch.folder / "out" / f"{name}.failed.html").read_text()


def test_an_earlier_good_one_stays_and_an_earlier_failed_one_goes(batch: Batch) -> None:
    assert (batch.folder / "out" / "raises.ipynb").read_text() == "yesterday's"
    assert not (batch.folder / "out" / "good.failed.ipynb").exists()


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("unknown", "its parameters cell does not declare windows"),
        ("wrong", "parameter window is of type bool, its default of type int"),
        ("absent", "it cannot be read as a notebook"),
    ],
)
def test_what_the_notebook_does_not_take_is_refused_and_the_others_run(batch: Batch, name: str, cause: str) -> None:
    told = batch.of(name)
    assert (told["state"], told["kept"], told["seconds"]) == ("refused", None, 0)
    assert cause in told["problem"] and "Next: " in told["problem"]


def test_the_command_tells_all_of_it_and_ends_as_partial(batch: Batch) -> None:
    assert (batch.code, batch.answer["state"]) == (3, "partial")
    assert batch.answer["summary"].count(",") == 2
    assert len(batch.said.splitlines()) == len(batch.answer["reports"]) == 14
    assert "token-5b1c" not in batch.said + json.dumps(batch.answer)


def test_nothing_is_left_but_what_was_asked_for(batch: Batch) -> None:
    names = {path.name for path in batch.folder.iterdir()}
    assert names == {*(f"{name}.ipynb" for name in CELLS), "beside.txt", "requests.jsonl", "out"}
    assert not [path for path in (batch.folder / "out").iterdir() if path.suffix not in (".ipynb", ".html")]
    for path in (batch.folder / "out").iterdir():
        assert "token-5b1c" not in path.read_text()


@pytest.mark.parametrize(
    ("lines", "cause"),
    [
        (["{"], "request in line 1: it is no object of notebook, output, html"),
        (['{"notebook": "a.ipynb"}'], "request in line 1: .*KeyError: 'output'"),
        (["[]"], "request in line 1: it is no object"),
        (['{"notebook": "a", "output": "b", "html": "c", "params": ""}'], "nobody knows params"),
        (['{"notebook": "a", "output": "b", "html": "c", "params_yaml": "[1]"}'], "params_yaml maps no names"),
        (['{"notebook": "a", "output": "b", "html": "c", "params_yaml": "{"}'], "request in line 1: it is no object"),
        (
            [
                '{"notebook": "a", "output": "b", "html": "c"}',
                '{"notebook": "a", "output": "./b", "html": "d"}',
            ],
            "two of them write to it",
        ),
        (['{"notebook": "a", "output": "./a", "html": "b"}'], "it is to be run, and would be written over"),
    ],
)
def test_requests_that_are_none_are_refused_whole(lines: list[str], cause: str) -> None:
    with pytest.raises(Refused, match=cause):
        read_requests("\n".join(lines))
