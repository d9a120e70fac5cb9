"""What a report tells machines: its headline figures, and the checks it passed on the way to them."""

from __future__ import annotations

import math
from collections.abc import Mapping

from IPython.display import display

FIGURES = "application/vnd.riskhub.figures+json"


def emit_figures(figures: Mapping[str, float | int | str]) -> None:
    """Show the report's headline figures and leave them in the notebook's outputs for machines.

    The report run reads the output of type `application/vnd.riskhub.figures+json`, and keeps the figures
    beside the report. Units belong in the names: `var_usd`, `loss_share`.

    Raises:
        ValueError: a figure is NaN or infinite.
    """
    unusable = [name for name, value in figures.items() if isinstance(value, float) and not math.isfinite(value)]
    if unusable:
        raise ValueError(f"not finite: {', '.join(unusable)}")
    plain = "\n".join(f"{name}: {value}" for name, value in figures.items())
    display({FIGURES: dict(figures), "text/plain": plain}, raw=True)


def require(holds: object, what: str) -> None:
    """Stop the report when a check does not hold: a wrong figure is worse than none.

    Raises:
        ValueError: `holds` is false; the message is `what`.
    """
    if not holds:
        raise ValueError(f"implausible: {what}")
