"""The market data behind the API: dated tables read from the csv files that two wheels ship.

The packages of the wheels (`arch`, `skfolio`) are located and never imported: that takes seconds, and `skfolio` is
installed without what it needs.
"""

from __future__ import annotations

import csv
import gzip
import importlib.util
import io
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from domain.errors import Refused

ISO = "%Y-%m-%d"
AMERICAN = "%m/%d/%Y"


@dataclass(frozen=True)
class Table:
    """Dates in ascending order, and one column of values a name; `None` where nothing was observed."""

    dates: tuple[date, ...]
    columns: dict[str, tuple[float | None, ...]]

    def span(self, start: date | None, end: date | None) -> range:
        """The row numbers from `start` to `end`, both included."""
        first = bisect_left(self.dates, start) if start else 0
        last = bisect_right(self.dates, end) if end else len(self.dates)
        return range(first, max(first, last))

    def row(self, number: int, names: list[str] | None = None) -> dict[str, date | float | None]:
        """One row as `{"date": ..., name: value}`."""
        values = {name: self.columns[name][number] for name in names or self.columns}
        return {"date": self.dates[number], **values}


def read_table(package: str, file: str, date_format: str = ISO) -> Table:
    """The csv (gzip) at `file` inside the installed `package`: a `Date` column, the rest numbers.

    Raises:
        Refused: the package is not installed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise Refused(f"market data of {package!r}", "the package is not installed", "run `make install`")
    path = Path(spec.submodule_search_locations[0]) / file
    reader = csv.reader(io.StringIO(gzip.decompress(path.read_bytes()).decode("utf-8-sig")))
    names = [_plain(name) for name in next(reader)[1:]]
    rows = [(datetime.strptime(day, date_format).date(), values) for day, *values in reader]  # noqa: DTZ007
    columns = zip(*(values for _, values in rows), strict=True)
    return Table(
        dates=tuple(day for day, _ in rows),
        columns={name: tuple(map(_number, column)) for name, column in zip(names, columns, strict=True)},
    )


def _plain(name: str) -> str:
    return name if name.isupper() else name.lower().replace("adj ", "adjusted_")


def _number(text: str) -> float | None:
    return float(text) if text not in ("", ".") else None
