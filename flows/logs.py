"""The log watch: what the logs tell of trouble, counted since the last time."""

from __future__ import annotations

from datetime import timedelta

from domain.clock import UtcDatetime, utc_now
from domain.record import Record
from environments import EnvironmentName, load_environment
from flows.chapter import chapter
from plans.diagnosis import causes
from plans.health import in_order, judge
from plans.log_watch import WINDOW, judge_logs, span_in_words, usual_after
from tasks.logs import cursor_after, moving, read_log_cursor, read_logs
from tasks.records import record


@chapter(name="watch-logs")
def watch_logs(environment: EnvironmentName = "local", since: UtcDatetime | None = None) -> Record:
    """Count what the logs of Hub, proxy, servers, cluster and CloudWatch tell of trouble; a burst of it is a finding.

    Run it when: every 15 minutes by schedule; with `since` after an incident, to see what was logged then.
    It changes nothing but how far it has read, and with `since` not even that. Secrets in lines are masked.
    If it fails: the finding names the category, its page and what to look at; the samples name who and where.

    Args:
        since: count from this time on, e.g. 2026-03-01T09:00:00Z, and leave the cursor where it is.
    """
    env = load_environment(environment)
    started = utc_now()
    cursor = read_log_cursor(env)
    begin = since or (cursor.at if cursor else started - WINDOW)
    window = max(started - begin, timedelta(0))
    read = read_logs(env, None if since else cursor, begin, started)
    usual = cursor.usual if cursor else {}
    findings = in_order(judge_logs(read.counts, env.logs, usual, window, read.readings))
    verdict = judge(findings)
    moved = cursor_after(read, cursor, at=started, usual=usual_after(usual, read.counts, findings, window))
    return record(
        flow="watch-logs",
        environment=env,
        started_at=started,
        executed=True,
        findings=findings,
        causes=causes(findings),
        logged=read.logged,
        measures={
            "window_seconds": round(window.total_seconds(), 1),
            "lines_read": sum(each.lines for each in read.readings),
            "bytes_read": sum(each.size for each in read.readings),
            **{f"{category}_lines": count for category, count in read.counts.items()},
        },
        state=verdict.state,
        summary=f"{sum(read.counts.values())} lines of trouble in {span_in_words(window)}; {verdict.summary}",
        then=None if since else moving(env, cursor, moved),
    )
