"""Samples and weeks as tasks: asked again when the other side does not answer."""

from __future__ import annotations

from collections.abc import Sequence

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from domain.errors import RiskhubError
from domain.health import Finding
from domain.metrics import Figure
from environments import Environment
from plans.utilisation import Table
from systems import metrics, utilisation
from tasks.markdown import table_part
from tasks.retries import while_unreachable

# Not retried: what does not answer is part of what a sample tells.
take_sample = task(name="take-sample", timeout_seconds=600, cache_policy=NO_CACHE)(utilisation.take_sample)

last_sample = task(name="last-sample", timeout_seconds=120, cache_policy=NO_CACHE, **while_unreachable(2, 4))(
    utilisation.last_sample
)

keep_sample = task(name="keep-sample", timeout_seconds=120, cache_policy=NO_CACHE, **while_unreachable(2, 4, 8))(
    utilisation.keep_sample
)

observe_week = task(name="observe-week", timeout_seconds=1800, cache_policy=NO_CACHE, **while_unreachable(2, 4))(
    utilisation.observe_week
)


@task(name="send-figures", timeout_seconds=120, cache_policy=NO_CACHE)
def send_figures(env: Environment, figures: Sequence[Figure]) -> Finding:
    """The figures to CloudWatch. Where it does not take them the run has them all the same, and says so."""
    try:
        count = metrics.send_to_cloudwatch(env.aws, figures, env.name)
    except RiskhubError as error:
        return Finding("cloudwatch", "degraded", f"{error.thing}: {error.cause}", error.next_step)
    emulated = " (emulated)" if env.aws.emulated else ""
    return Finding("cloudwatch", "ok", f"{count} figures sent to namespace {metrics.NAMESPACE}{emulated}")


def publish_tables(key: str, title: str, tables: Sequence[Table]) -> None:
    """Show the tables in the UI as the artifact `key`."""
    parts = [f"# {title}", *(table_part(table.title, table.head, table.rows) for table in tables)]
    create_markdown_artifact("\n\n".join(parts), key=key, description=title)
