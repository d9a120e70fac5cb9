"""What every settings model is made of."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, HttpUrl, TypeAdapter


def _seconds(value: object) -> timedelta:
    return TypeAdapter(timedelta).validate_python(value)


def _http_url(value: object) -> str:
    return str(TypeAdapter(HttpUrl).validate_python(value)).rstrip("/")


Seconds = Annotated[timedelta, BeforeValidator(_seconds)]
Url = Annotated[str, BeforeValidator(_http_url)]


class Settings(BaseModel):
    """Frozen, and a key that nobody reads is an error, since it is a typo more often than not."""

    model_config = ConfigDict(frozen=True, extra="forbid")
