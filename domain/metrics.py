"""A figure as those who scrape or alert read it; how it travels is `systems.metrics`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Unit = Literal["seconds", "bytes", "cores", "count"]


@dataclass(frozen=True)
class Figure:
    """One value of one metric.

    Attributes:
        name: without the prefix `riskhub_`; it ends in its unit, where it has one.
        what: one sentence.
        value: None where it was not seen: an age or a use of zero would be a lie that an alert believes.
        labels: few and never personal; a user's name is in no metric.
    """

    name: str
    what: str
    value: float | None
    unit: Unit = "count"
    labels: Mapping[str, str] = field(default_factory=dict)
