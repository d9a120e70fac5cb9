"""Utilisation: the week as a report, and how it is told in findings, tables and figures."""

from plans.utilisation.report import WEEK, Report, weekly_report
from plans.utilisation.spawns import spawns_of
from plans.utilisation.told import (
    Table,
    judge_utilisation,
    measures_of,
    missing_findings,
    report_figures,
    report_summary,
    report_tables,
    sample_figures,
    sample_summary,
)

__all__ = [
    "WEEK",
    "Report",
    "Table",
    "judge_utilisation",
    "measures_of",
    "missing_findings",
    "report_figures",
    "report_summary",
    "report_tables",
    "sample_figures",
    "sample_summary",
    "spawns_of",
    "weekly_report",
]
