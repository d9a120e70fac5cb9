"""What an executed notebook says, and what has to be made to say.

papermill leaves every cell marked `completed` and no exception when the kernel was killed, and a cell
`running` for ever when papermill was. A notebook that is kept always tells its own state: in its metadata
(`riskhub`), and when it failed in a banner above everything else.
"""

from __future__ import annotations

import ast
import html
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from domain.errors import Refused
from domain.reports import Parameter

FIGURES = "application/vnd.riskhub.figures+json"  # notebooks/libs/risk_platform_client emits it
SHORT = 300
MASK = "*" * 8
_PAPERMILL_MARKER = "papermill-error-cell-tag"


@dataclass(frozen=True)
class FailedCell:
    """The cell a notebook stopped in; `number` counts code cells from 1, `evalue` is cut to 300 characters."""

    number: int
    first_line: str
    ename: str
    evalue: str


def read_notebook(path: Path) -> NotebookNode:
    """The notebook at `path`.

    Raises:
        Refused: there is none, or it is no notebook (a full disk leaves 64 KiB that are not JSON).
    """
    try:
        return nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call, no-any-return]
    except (OSError, ValueError, nbformat.ValidationError) as error:
        cause = f"it cannot be read as a notebook ({type(error).__name__})"
        raise Refused(f"notebook {path.name}", cause, "check the file") from None


def check_parameters(notebook: NotebookNode, name: str, parameters: Mapping[str, Parameter]) -> None:
    """Hold `parameters` against the defaults that the cell tagged `parameters` declares.

    Raises:
        Refused: a name is not declared, or a value has another type than the default. papermill would run
            the notebook on its defaults, under the wanted name.
    """
    declared = _declared(notebook)
    thing = f"notebook {name}"
    unknown = sorted(set(parameters) - set(declared))
    if unknown:
        cause = f"its parameters cell does not declare {', '.join(unknown)}"
        raise Refused(thing, cause, f"choose from {', '.join(sorted(declared)) or 'none'}")
    for key, value in parameters.items():
        wanted = type(declared[key])
        fits = type(value) is wanted or (wanted is float and type(value) is int)
        if declared[key] is not None and not fits:
            cause = f"parameter {key} is of type {type(value).__name__}, its default of type {wanted.__name__}"
            raise Refused(thing, cause, f"give {key} as {wanted.__name__}")


def figures_in(notebook: NotebookNode) -> dict[str, Parameter]:
    """The headline figures that the cells emitted; a later figure replaces an earlier one of the same name."""
    bundles = (output.data[FIGURES] for output in _outputs(notebook) if FIGURES in output.get("data", {}))
    return {name: value for bundle in bundles for name, value in bundle.items()}


def failed_cell(notebook: NotebookNode, problem: str) -> FailedCell | None:
    """The cell that raised; else the last one that was begun, with `problem` for its value."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    begun = None
    for number, cell in enumerate(cells, start=1):
        for output in cell.outputs:
            if output.output_type == "error":
                return FailedCell(number, _first_line(cell), output.ename, output.evalue[:SHORT])
        if cell.metadata.get("papermill", {}).get("start_time"):
            begun = FailedCell(number, _first_line(cell), "stopped", problem[:SHORT])
    return begun


def mark_complete(notebook: NotebookNode) -> None:
    """Let the notebook say that it ran to its end."""
    notebook.metadata["riskhub"] = {"state": "complete"}


def mark_failed(notebook: NotebookNode, problem: str, failed: FailedCell | None) -> None:
    """Let the notebook say, first thing, that its figures must not be used."""
    notebook.metadata["riskhub"] = {"state": "failed", "problem": problem}
    notebook.cells = [cell for cell in notebook.cells if _PAPERMILL_MARKER not in cell.metadata.get("tags", [])]
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for number, cell in enumerate(code, start=1):
        if failed and number >= failed.number and "papermill" in cell.metadata:
            cell.metadata.papermill.status = "failed" if number == failed.number else "pending"
    detail = f"<br><code>{html.escape(f'{failed.ename}: {failed.evalue}')}</code>" if failed else ""
    where = f"It stopped in code cell {failed.number}; nothing" if failed else "Nothing"
    banner = (
        f'<div class="riskhub-failed"><strong>This report failed: {html.escape(problem)}.</strong>'
        f"{detail}<br>{where} below is a result.</div>"
    )
    cell = {"cell_type": "markdown", "id": "riskhub-state", "metadata": {"tags": ["failed"]}, "source": banner}
    notebook.cells.insert(0, nbformat.from_dict(cell))  # type: ignore[no-untyped-call]


def masked(notebook: NotebookNode, secrets: Iterable[str]) -> NotebookNode:
    """The notebook with each of `secrets` replaced by stars, wherever it stood."""
    text = notebook_text(notebook)
    for secret in filter(None, secrets):
        text = text.replace(json.dumps(secret)[1:-1], MASK)
    return nbformat.reads(text, as_version=4)  # type: ignore[no-untyped-call, no-any-return]


def notebook_text(notebook: NotebookNode) -> str:
    """The notebook as its file holds it."""
    return str(nbformat.writes(notebook))  # type: ignore[no-untyped-call]


def _declared(notebook: NotebookNode) -> dict[str, Any]:
    """Names and defaults of the parameters cell; `None` where the default is not a literal."""
    tagged = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    declared: dict[str, Any] = {}
    for cell in tagged:
        for statement in ast.parse(cell.source).body:
            match statement:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    declared[name] = _literal(value)
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                    declared[name] = _literal(value)
    return declared


def _literal(value: ast.expr) -> Any:
    try:
        return ast.literal_eval(value)
    except ValueError:
        return None


def _outputs(notebook: NotebookNode) -> Iterable[Any]:
    return (output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs)


def _first_line(cell: NotebookNode) -> str:
    lines = [line for line in cell.source.splitlines() if line.strip()]
    return lines[0][:SHORT] if lines else ""
