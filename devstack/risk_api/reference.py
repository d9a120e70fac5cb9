"""What the API serves besides prices: instruments, portfolios, series, models, regulatory benchmarks.

All of it is in `reference.toml`, so that a portfolio is added without touching code.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

FILE = Path(__file__).with_name("reference.toml")


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Instrument(Strict):
    name: str
    sector: str
    currency: str = "USD"


class Portfolio(Strict):
    """`positions` are shares held, by instrument."""

    name: str
    description: str
    currency: str = "USD"
    positions: dict[str, float] = Field(min_length=1)


class Series(Strict):
    """A market data series: a csv file inside an installed wheel."""

    name: str
    unit: str
    frequency: Literal["daily", "monthly"]
    package: str
    file: str


class Model(Strict):
    name: str
    description: str
    parameters: dict[str, float | int | str]


class TrafficLight(Strict):
    exceptions: int
    zone: Literal["green", "yellow", "red"]
    multiplier: float
    cumulative_percent: float


class Regulatory(Strict):
    source: str
    expected_shortfall_confidence: float
    backtesting_confidence: float
    backtesting_days: int
    traffic_light: tuple[TrafficLight, ...]


class Reference(Strict):
    instruments: dict[str, Instrument]
    portfolios: dict[str, Portfolio]
    series: dict[str, Series]
    models: dict[str, Model]
    regulatory: Regulatory


def read_reference(file: Path = FILE) -> Reference:
    """The reference data of `file`."""
    return Reference.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
