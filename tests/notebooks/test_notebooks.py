"""The notebooks themselves: they run from top to bottom, are kept without outputs, and fit their models."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from environments.loader import PROJECT
from plans.reports import CATALOGUE, DailyMarketRisk, ReportDefinition
from systems.kernels.documents import check_parameters, read_notebook
from systems.kernels.reports import inherited, run_notebook

NOTEBOOKS = PROJECT / "notebooks"
ALL = sorted(NOTEBOOKS.rglob("*.ipynb"))


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path: Path) -> None:
    nbformat.validate(nbformat.read(path, as_version=4))
    cells = [cell for cell in read_notebook(path).cells if cell.cell_type == "code"]
    assert cells
    assert not any(cell.outputs or cell.execution_count for cell in cells)


@pytest.mark.parametrize("definition", CATALOGUE.values(), ids=CATALOGUE)
def test_a_report_declares_the_parameters_of_its_model(definition: ReportDefinition) -> None:
    values = DailyMarketRisk(as_of="2022-12-28").model_dump(mode="json")
    notebook = read_notebook(NOTEBOOKS / "reports" / definition.notebook)
    check_parameters(notebook, definition.notebook, values)
    assert set(values) == set(definition.parameters.model_fields)


def test_the_first_notebook_of_a_user_runs_and_shows_a_plot(risk_api_url: str, token: str, tmp_path: Path) -> None:
    made = run_notebook(
        NOTEBOOKS / "risk_analysis_business_user.ipynb",
        tmp_path,
        {},
        environment={**inherited(), "RISK_API_URL": risk_api_url, "PYTHONPATH": str(NOTEBOOKS / "libs")},
        secrets={"RISK_API_TOKEN": token},
    )
    assert made.problem == ""
    assert made.page.read_text().count("<img ") == 1
    assert "VaR 99 %, one day:      $170,612  (2.77%)" in made.notebook.read_text()
