"""The HTTP surface: `/api/v1`, read-only, paged.

Every list answers `{"items": [...], "total": N, "next_offset": N or null}`; dates are ISO, prices US dollars.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date
from http import HTTPStatus
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request, Response

from devstack.risk_api.access import Authentication, UserType, tell_problems
from devstack.risk_api.reference import Portfolio, Reference
from devstack.risk_api.tables import AMERICAN, ISO, Table, read_table

T = TypeVar("T")
Json = dict[str, Any]
Limit = Annotated[int, Query(ge=1, le=10_000, description="rows a page")]
Offset = Annotated[int, Query(ge=0, description="rows to leave out at the start")]
From = Annotated[date | None, Query(alias="from", description="first day, included")]
To = Annotated[date | None, Query(description="last day, included")]

log = logging.getLogger("risk_api")


def create_app(reference: Reference, tokens: Mapping[str, UserType]) -> FastAPI:
    """The application over the wheels' data; all of it is read here, once."""
    prices = read_table("skfolio", "datasets/data/sp500_dataset.csv.gz")
    series = {
        name: read_table(one.package, one.file, ISO if one.package == "skfolio" else AMERICAN)
        for name, one in reference.series.items()
    }
    app = FastAPI(title="Risk Platform API", version="1", openapi_url="/api/v1/openapi.json")
    tell_problems(app)
    app.middleware("http")(_log_access)
    app.get("/health")(lambda: {"status": "ok"})
    api = APIRouter(prefix="/api/v1", dependencies=[Depends(Authentication(tokens))])
    _serve_portfolios(api, reference, prices)
    _serve_prices(api, reference, prices)
    _serve_series(api, reference, series)
    _serve_models(api, reference)
    app.include_router(api)
    return app


def _serve_portfolios(api: APIRouter, reference: Reference, prices: Table) -> None:
    @api.get("/portfolios")
    def portfolios(limit: Limit = 100, offset: Offset = 0) -> Json:
        return _page([_portfolio(key, one) for key, one in reference.portfolios.items()], limit, offset)

    @api.get("/portfolios/{portfolio_id}")
    def portfolio(portfolio_id: str) -> Json:
        return _portfolio(portfolio_id, _known("portfolio", portfolio_id, reference.portfolios))

    @api.get("/portfolios/{portfolio_id}/positions")
    def positions(portfolio_id: str, as_of: date | None = None, limit: Limit = 1000, offset: Offset = 0) -> Json:
        held = _known("portfolio", portfolio_id, reference.portfolios)
        row = _last_row(prices, as_of)
        items = []
        for instrument, quantity in held.positions.items():
            price = prices.columns[instrument][row]
            value = None if price is None else round(quantity * price, 2)
            items.append(
                {"instrument": instrument, "quantity": quantity, "price": price, "market_value": value}
                | {"currency": held.currency, "as_of": prices.dates[row]}
            )
        return _page(items, limit, offset)

    @api.get("/portfolios/{portfolio_id}/coverage")
    def coverage(portfolio_id: str, as_of: date | None = None) -> Json:
        """How much price history the portfolio has up to `as_of`."""
        held = _known("portfolio", portfolio_id, reference.portfolios)
        row = _last_row(prices, as_of)
        return {
            "portfolio": portfolio_id,
            "instruments": len(held.positions),
            "first_date": prices.dates[0],
            "last_date": prices.dates[-1],
            "last_trading_day": prices.dates[row],
            "trading_days": row + 1,
        }


def _serve_prices(api: APIRouter, reference: Reference, prices: Table) -> None:
    @api.get("/instruments")
    def instruments(limit: Limit = 100, offset: Offset = 0) -> Json:
        return _page([{"id": key, **one.model_dump()} for key, one in reference.instruments.items()], limit, offset)

    @api.get("/instruments/{instrument_id}")
    def instrument(instrument_id: str) -> Json:
        one = _known("instrument", instrument_id, reference.instruments)
        return {"id": instrument_id, **one.model_dump(), "first_date": prices.dates[0], "last_date": prices.dates[-1]}

    @api.get("/prices")
    def price_rows(
        instrument: Annotated[list[str], Query(min_length=1, description="repeat it for more")],
        *,
        start: From = None,
        to: To = None,
        layout: Literal["long", "wide"] = "long",
        limit: Limit = 1000,
        offset: Offset = 0,
    ) -> Json:
        """Daily closes, adjusted for splits and dividends, by day and then by instrument."""
        names = list(dict.fromkeys(instrument))
        for name in names:
            _known("instrument", name, reference.instruments)
        span = _span(prices, start, to)
        if layout == "wide":
            return _page(span, limit, offset, lambda row: prices.row(row, names))
        cells = [(row, name) for row in span for name in names]
        return _page(
            cells,
            limit,
            offset,
            lambda cell: {
                "date": prices.dates[cell[0]],
                "instrument": cell[1],
                "price": prices.columns[cell[1]][cell[0]],
            },
        )


def _serve_series(api: APIRouter, reference: Reference, tables: Mapping[str, Table]) -> None:
    def described(key: str) -> Json:
        one, table = reference.series[key], tables[key]
        return {"id": key, "name": one.name, "unit": one.unit, "frequency": one.frequency} | {
            "columns": list(table.columns),
            "first_date": table.dates[0],
            "last_date": table.dates[-1],
        }

    @api.get("/market-data")
    def series(limit: Limit = 100, offset: Offset = 0) -> Json:
        return _page(list(reference.series), limit, offset, described)

    @api.get("/market-data/{series_id}")
    def observations(
        series_id: str, start: From = None, to: To = None, limit: Limit = 1000, offset: Offset = 0
    ) -> Json:
        _known("series", series_id, reference.series)
        table = tables[series_id]
        return described(series_id) | _page(_span(table, start, to), limit, offset, table.row)


def _serve_models(api: APIRouter, reference: Reference) -> None:
    @api.get("/models")
    def models(limit: Limit = 100, offset: Offset = 0) -> Json:
        items = [{"id": key, **one.model_dump(exclude={"parameters"})} for key, one in reference.models.items()]
        return _page(items, limit, offset)

    @api.get("/models/{model_id}/parameters")
    def parameters(model_id: str) -> Json:
        return {"id": model_id, "parameters": _known("model", model_id, reference.models).parameters}

    @api.get("/benchmarks/regulatory")
    def regulatory() -> Json:
        return reference.regulatory.model_dump()


async def _log_access(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await answer(request)
    user_type = getattr(request.state, "user_type", "-")
    log.info("%s %s %s %s", request.method, request.url.path, response.status_code, user_type)
    return response


def _page(items: Sequence[T], limit: int, offset: int, show: Callable[[T], object] = lambda item: item) -> Json:
    rows = [show(item) for item in items[offset : offset + limit]]
    following = offset + len(rows)
    return {"items": rows, "total": len(items), "next_offset": following if following < len(items) else None}


def _portfolio(key: str, one: Portfolio) -> Json:
    fields = one.model_dump(exclude={"positions"})
    return {"id": key, **fields, "instruments": list(one.positions)}


def _known(kind: str, key: str, things: Mapping[str, T]) -> T:
    if key not in things:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"there is no {kind} {key!r}; known: {', '.join(things)}")
    return things[key]


def _span(table: Table, start: date | None, end: date | None) -> range:
    if start and end and start > end:
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, f"from ({start}) is after to ({end})")
    return table.span(start, end)


def _last_row(prices: Table, as_of: date | None) -> int:
    """The row of the last trading day on or before `as_of`."""
    first, last = prices.dates[0], prices.dates[-1]
    if as_of and not first <= as_of <= last:
        detail = f"as_of {as_of} is outside the prices' dates, {first} to {last}"
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
    return prices.span(None, as_of).stop - 1
