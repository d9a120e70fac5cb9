"""Where alerts go, how long one lasts without news, and when nobody wants to hear of any."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from environments.base import Seconds, Settings, Url
from environments.culling import Calendar, Hold


def _no_password(url: str) -> str:
    if "@" in urlsplit(url).netloc:
        raise ValueError("it holds a user or password, which every message about it would tell")
    return url


class Weekly(Settings):
    """A maintenance window that comes again: whenever the calendar holds."""

    name: str = Field(min_length=1, max_length=60)
    when: Calendar


class AlertsSettings(Settings):
    """Alertmanager, and when it stays silent.

    Attributes:
        url: of the Alertmanager; without it nobody is alerted.
        pulse_every: how often the pulse looks, as its schedule says. Three of them without one is an alert, and
            so long an alert lasts that nobody renews.
        windows: maintenance, once each: nobody is told of what fires from `begins` to `ends`.
        weekly: maintenance that comes again.
    """

    url: Annotated[Url, AfterValidator(_no_password)] | None = None
    pulse_every: Seconds = timedelta(minutes=5)
    windows: tuple[Hold, ...] = ()
    weekly: tuple[Weekly, ...] = ()

    @property
    def patience(self) -> timedelta:
        """How long silence of the pulse is borne."""
        return 3 * self.pulse_every

    @model_validator(mode="after")
    def _each_has_its_name(self) -> AlertsSettings:
        names = [each.name for each in self.windows] + [each.name for each in self.weekly]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two windows are called {twice[0]!r}: silences must tell them apart")
        return self
