"""What a flow would do, before it does it: a frozen plan, every action with its reason.

A plan is data. The dry run prints it, the Prefect UI shows it, `apply` works through it, and its
digest ties an approval and the evidence to exactly these actions.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from math import floor
from typing import Generic, Literal, TypeVar

T = TypeVar("T")

OutcomeState = Literal["done", "skipped", "failed"]


@dataclass(frozen=True)
class Action(Generic[T]):
    """One thing to do (or, among `left_alone`, to leave).

    `verb` and `target` are what people read ("stop", "ana/"); `on` is the object that `apply` works with.
    """

    verb: str
    target: str
    reason: str
    on: T


@dataclass(frozen=True)
class Plan(Generic[T]):
    """Everything one run would do, in order, and what it looked at and leaves alone."""

    title: str
    actions: Collection[Action[T]]
    left_alone: Collection[Action[T]] = ()

    @property
    def digest(self) -> str:
        """SHA-256 over title, verbs, targets and reasons, in order (hex)."""
        lines = [[a.verb, a.target, a.reason] for a in self.actions]
        return hashlib.sha256(json.dumps([self.title, lines]).encode()).hexdigest()


def most_at_once(count: int, *, max_share: float, at_least: int) -> int:
    """How many of `count` things one run may take away: a plan for more is mostly a wrong list or a wrong clock.

    `at_least` so many always, since a share of few is nothing.
    """
    return max(at_least, floor(max_share * count))


@dataclass(frozen=True)
class Outcome:
    """What became of one action. `skipped` means that a look right before the act said no."""

    verb: str
    target: str
    state: OutcomeState
    detail: str = ""
    seconds: float = 0.0
