"""Utilisation: what is used, sampled every hour, and the week that follows from it."""

from __future__ import annotations

from domain.clock import UtcDatetime, utc_now
from domain.record import Record
from environments import EnvironmentName, load_environment
from flows.chapter import chapter
from plans.utilisation import (
    WEEK,
    judge_utilisation,
    measures_of,
    missing_findings,
    report_figures,
    report_summary,
    report_tables,
    sample_figures,
    sample_summary,
    weekly_report,
)
from tasks.records import record
from tasks.utilisation import keep_sample, last_sample, observe_week, publish_tables, send_figures, take_sample


@chapter(name="sample-utilisation")
def sample_utilisation(environment: EnvironmentName = "local") -> Record:
    """Look at what is used now, keep it in the bucket, and send its figures to CloudWatch.

    Run it when: every hour by schedule. Trends and the week's table are made of these samples.
    It changes nothing: a sample is written once, and a second one of the same minute is not kept.
    If it is Partial: the findings name what could not be seen and why; the rest of the sample is kept.
    """
    env, started = load_environment(environment), utc_now()
    sample = take_sample(env)
    before = last_sample(env.objects, sample.taken_at)
    key = keep_sample(env.objects, sample)
    sent = send_figures(env, sample_figures(sample, before))
    return record(
        flow="sample-utilisation",
        environment=env,
        started_at=started,
        executed=True,
        findings=[*missing_findings(sample.missing), sent],
        links={"sample": f"s3://{env.objects.bucket}/{key}"} if key else {},
        summary=sample_summary(sample) + ("" if key else "; not kept: there is one of this minute already"),
    )


@chapter(name="utilisation-report")
def utilisation_report(environment: EnvironmentName = "local", until: UtcDatetime | None = None) -> Record:
    """Tell the week: who worked and how long, what was asked for and used, how spawns went, and when what is full.

    Run it when: every Monday by schedule; before room is bought or quotas are changed.
    It changes nothing. Users are named in the artifact and in `riskhub sessions utilisation`, not in any metric.
    If it is Partial: something is full within a month, or could not be read; each finding has its next step.

    Args:
        until: the end of the week to tell; now by default.
    """
    env, started = load_environment(environment), utc_now()
    ends = until or started
    seen = observe_week(env, ends - WEEK, ends)
    report = weekly_report(seen, ends, synthetic_user=env.health.synthetic_user)
    publish_tables("utilisation-report-week", f"Utilisation of {env.name} until {ends:%Y-%m-%d}", report_tables(report))
    sent = send_figures(env, report_figures(report))
    return record(
        flow="utilisation-report",
        environment=env,
        started_at=started,
        executed=True,
        findings=[*judge_utilisation(report, env.utilisation), *missing_findings(seen.missing), sent],
        measures=measures_of(report),
        summary=report_summary(report),
    )
