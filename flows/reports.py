"""Reports: run a notebook of the catalogue, and publish what it made."""

from __future__ import annotations

from domain.clock import utc_now
from domain.record import Record
from environments import EnvironmentName, load_environment
from flows.chapter import chapter
from plans.reports import CATALOGUE, DailyMarketRisk, ReportName, plan_report
from tasks.records import publish_plan, record
from tasks.reports import MadeReport, make_reports, new_run_id, notebook_sha256, read_coverage


@chapter(name="run-report")
def run_report(
    environment: EnvironmentName = "local",
    report: ReportName = "daily-market-risk",
    parameters: DailyMarketRisk | None = None,
    execute: bool = False,
) -> Record:
    """Run a report's notebook on the Risk Platform's data and publish it to the bucket.

    Run it when: every morning by schedule; by hand for another portfolio, day or confidence, or after a failed run.
    It never publishes a part of a report, nor a failed one, and never replaces an earlier one: every run has a key
    of its own, `reports/<name>/<as of>/<run id>/`, and what has no `manifest.json` there is not published.
    If it fails: the outcome names the cell and its error, and links the notebook, kept below `failed/`. Refused
    before a kernel started: the message says which parameter the data does not allow, and what would do.
    """
    env, started = load_environment(environment), utc_now()
    wanted = parameters or CATALOGUE[report].parameters()
    coverage = read_coverage(env.risk_api, wanted.portfolio, wanted.as_of)
    digest = notebook_sha256(CATALOGUE[report].notebook)
    plan = plan_report(report, wanted, coverage, notebook_sha256=digest, run_id=new_run_id(started))
    publish_plan(plan, environment=env)
    made = make_reports(env, plan) if execute else []
    return record(
        flow="run-report",
        environment=env,
        started_at=started,
        plan=plan,
        executed=execute,
        outcomes=[one.outcome for one in made],
        findings=[finding for one in made for finding in one.findings],
        measures={name: figure for one in made for name, figure in one.figures.items()},
        links={name: link for one in made for name, link in one.links.items()},
        summary=_summary(plan.title, made),
    )


def _summary(title: str, made: list[MadeReport]) -> str:
    if not made:
        return f"{title}: would be run and published"
    failed = [one.outcome.detail for one in made if one.outcome.state == "failed"]
    return f"{title}: failed, {failed[0]}" if failed else f"{title}: published"
