"""The few ways a runbook chapter can end badly, as types.

Every message names the thing, the cause and the next step, since it is read by someone on call
who did not write the code. Exit codes follow from the type (see `cli`).
"""

from __future__ import annotations

from domain.health import KindIfAny


class RiskhubError(Exception):
    """An error with a message fit for the person on call.

    Args:
        thing: what it is about, as the operator knows it ("Hub at http://...", "environment 'uat'").
        cause: what was seen, in words; never a secret's value.
        next_step: what to do now.
        kind: of the trouble, where the one who raises it knows; the health check tells causes by it.
    """

    def __init__(self, thing: str, cause: str, next_step: str, *, kind: KindIfAny = "") -> None:
        super().__init__(thing, cause, next_step)
        self.kind = kind
        self.thing = thing
        self.cause = cause
        self.next_step = next_step

    def __str__(self) -> str:
        return f"{self.thing}: {self.cause}. Next: {self.next_step}"


class Refused(RiskhubError):
    """We will not do this; nothing was changed. A retry without a change is refused again."""


class Unreachable(RiskhubError):
    """The other side did not answer, or answered that it cannot now. Worth a retry."""


class Damaged(RiskhubError):
    """Data is not what was stored. A retry reads the same damage."""


class Failed(RiskhubError):
    """The work was tried and did not succeed; the message says what was left behind."""
