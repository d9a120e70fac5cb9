"""Reports as tasks: the API and the bucket are asked again when they do not answer, a notebook never is.

A notebook that failed fails again on the same inputs; the one thing worth a second try, a kernel that never
starts, is tried again below (`systems.kernels`).
"""

from __future__ import annotations

import platform
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from domain.clock import utc_now
from domain.errors import Refused, RiskhubError
from domain.health import Finding
from domain.plan import Action, Outcome, OutcomeState, Plan
from domain.reports import Parameter, ReportRun
from environments.loader import PROJECT, state_folder
from environments.settings import Environment, RiskApiSettings
from systems import published_reports, risk_platform
from systems.kernels import reports as notebooks
from systems.kernels.executors import NOTEBOOK
from systems.kernels.reports import NotebookRun
from systems.published_reports import Lineage, file_sha256
from tasks.retries import while_unreachable

NOTEBOOKS = PROJECT / "notebooks"
LIBRARIES = NOTEBOOKS / "libs"
LOCK = PROJECT / "requirements.lock"
DEADLINE = timedelta(minutes=10)


@dataclass(frozen=True)
class MadeReport:
    """What became of one planned report."""

    outcome: Outcome
    findings: tuple[Finding, ...] = ()
    figures: Mapping[str, Parameter] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)


read_coverage = task(name="read-coverage", cache_policy=NO_CACHE, **while_unreachable(1, 3, 9))(
    risk_platform.read_coverage
)
publish_report = task(name="publish-report", cache_policy=NO_CACHE, **while_unreachable(2, 2))(
    published_reports.publish_report
)
keep_failed_report = task(name="keep-failed-report", cache_policy=NO_CACHE, **while_unreachable(2, 2))(
    published_reports.keep_failed_report
)
verify_report = task(name="verify-report", cache_policy=NO_CACHE, **while_unreachable(2, 2))(
    published_reports.verify_report
)


def new_run_id(now: datetime) -> str:
    """`20261123T060000Z-1f2e3d4c`: sorts by time, and never comes twice."""
    return f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def notebook_sha256(notebook: str) -> str:
    """Of the report's notebook as it lies there now."""
    return file_sha256(NOTEBOOKS / "reports" / notebook)


@task(name="run-notebook", task_run_name="run-notebook-{run.report}", cache_policy=NO_CACHE)
def run_notebook(api: RiskApiSettings, run: ReportRun, folder: Path) -> NotebookRun:
    """Execute the notebook of `run` in `folder`; a failed one is a result, not an exception.

    Raises:
        Refused: the notebook is not the planned one, or does not declare the parameters.
    """
    source = NOTEBOOKS / "reports" / run.notebook
    if file_sha256(source) != run.notebook_sha256:
        raise Refused(f"report {run.report!r}", f"{run.notebook} changed since the plan", "run it again")
    return notebooks.run_notebook(
        source,
        folder,
        run.parameters,
        environment={**notebooks.inherited(), "RISK_API_URL": api.url, "PYTHONPATH": str(LIBRARIES)},
        secrets={"RISK_API_TOKEN": api.token.get_secret_value()},
        deadline=DEADLINE,
    )


def make_reports(environment: Environment, plan: Plan[ReportRun]) -> list[MadeReport]:
    """Run and publish every report of `plan`; a failed one is kept, and never published."""
    return [_make(environment, action) for action in plan.actions]


def _make(environment: Environment, action: Action[ReportRun]) -> MadeReport:
    run, started = action.on, utc_now()
    folder = state_folder() / "reports" / run.run_id
    folder.mkdir(parents=True, mode=0o700)
    made = run_notebook(environment.risk_api, run, folder)
    try:
        result = _published(environment, action, made, _lineage(started))
    except RiskhubError as error:
        detail = f"{made.state} but not in the bucket: {error} It is kept in {folder}"
        return MadeReport(_outcome(action, made, "failed", detail), links={"notebook": str(made.notebook)})
    shutil.rmtree(folder)
    return result


def _published(environment: Environment, action: Action[ReportRun], made: NotebookRun, lineage: Lineage) -> MadeReport:
    store = environment.objects
    bucket = f"s3://{store.bucket}"
    if made.state == "failed":
        key = keep_failed_report(store, action.on, made, lineage)
        return MadeReport(_outcome(action, made, "failed", _why(made)), links={"failed notebook": f"{bucket}/{key}"})
    manifest = publish_report(store, action.on, made, lineage)
    return MadeReport(
        outcome=_outcome(action, made, "done", f"manifest {manifest}"),
        findings=(_verified(environment, manifest),),
        figures=made.figures,
        links={
            "report": f"{bucket}/{action.on.key}/{notebooks.PAGE}",
            "notebook": f"{bucket}/{action.on.key}/{NOTEBOOK}",
            "manifest": f"{bucket}/{manifest}",
        },
    )


def _verified(environment: Environment, manifest: str) -> Finding:
    try:
        size = verify_report(environment.objects, manifest)
    except RiskhubError as error:
        return Finding("published-report", "failed", f"{error.thing}: {error.cause}", error.next_step)
    return Finding("published-report", "ok", f"its {size} bytes read back as the manifest names them")


def _why(made: NotebookRun) -> str:
    cell = made.failed_cell
    where = f" (code cell {cell.number}, {cell.first_line!r}; {cell.ename}: {cell.evalue})" if cell else ""
    return f"{made.problem}{where}. Next: open the notebook that is kept, correct the cause, run it again"


def _outcome(action: Action[ReportRun], made: NotebookRun, state: OutcomeState, detail: str) -> Outcome:
    return Outcome(action.verb, action.target, state, detail, round(made.seconds, 3))


def _lineage(started: datetime) -> Lineage:
    libraries = {str(path.relative_to(PROJECT)): file_sha256(path) for path in sorted(LIBRARIES.rglob("*.py"))}
    return Lineage(libraries, platform.python_version(), file_sha256(LOCK), started, utc_now())
