"""A drill's page, written beside its evidence. As the evidence it is no task: a server that died must not cost it."""

from __future__ import annotations

from domain.errors import RiskhubError
from domain.health import Finding
from domain.record import Record
from environments import Environment
from plans.drill import NOT_SHOWN
from systems.scorecard import store_scorecard


def add_scorecard(env: Environment, kept: Record) -> Record:
    """A drill's record with the link to its page, or with the finding why there is none."""
    try:
        key = store_scorecard(env.objects, kept, NOT_SHOWN)
    except RiskhubError as error:
        later = "riskhub recovery scorecard draws it again from the evidence"
        finding = Finding("scorecard", "failed", f"{error.thing}: {error.cause}", later)
        return kept.model_copy(update={"findings": (*kept.findings, finding)})
    return kept.model_copy(update={"links": {**kept.links, "scorecard": f"s3://{env.objects.bucket}/{key}"}})
