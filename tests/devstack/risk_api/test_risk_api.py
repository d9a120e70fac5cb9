"""The Risk Platform API stand-in, through its real process."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from math import comb

import httpx
import psutil
import pytest

from devstack.process import free_ports, start, stop, wait_ready
from devstack.risk_api.part import risk_api

TOKENS = {"token-of-a-business-user": "business-user", "token-of-the-platform": "platform"}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    state = tmp_path_factory.mktemp("risk-api")
    (port,) = free_ports(1)
    part = risk_api(state, port, TOKENS)
    began = time.monotonic()
    process = start(part, state)
    try:
        wait_ready(part, process, state)
        assert time.monotonic() - began < 20  # 1.4 s on an idle machine
        assert psutil.Process(process.pid).memory_info().rss < 200e6
        headers = {"Authorization": "Bearer token-of-the-platform"}
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1/", headers=headers, timeout=10) as client:
            yield client
    finally:
        stop(part, process)


def test_health_asks_for_no_token(api: httpx.Client) -> None:
    assert httpx.get(api.base_url.join("/health")).json() == {"status": "ok"}


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Bearer", "token token-of-the-platform", "Bearer nö"])
def test_whoever_brings_no_known_token_is_told_so_as_a_problem(api: httpx.Client, header: str | None) -> None:
    headers = {"Authorization": header.encode()} if header else {}
    response = httpx.get(api.base_url.join("portfolios"), headers=headers)
    assert response.status_code == 401
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.json()["status"] == 401


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("token", TOKENS)
def test_nobody_changes_anything(api: httpx.Client, method: str, token: str) -> None:
    response = api.request(method, "portfolios/us-equity-core", headers={"Authorization": f"Bearer {token}"})
    assert response.status_code == 405


def test_prices_are_those_of_the_data_set(api: httpx.Client) -> None:
    query = {"instrument": ["AAPL", "XOM"], "from": "2022-12-28", "to": "2022-12-31"}
    assert api.get("prices", params=query).json()["items"] == [
        {"date": "2022-12-28", "instrument": "AAPL", "price": 125.674},
        {"date": "2022-12-28", "instrument": "XOM", "price": 106.627},
    ]
    wide = api.get("prices", params={**query, "layout": "wide"}).json()["items"]
    assert wide == [{"date": "2022-12-28", "AAPL": 125.674, "XOM": 106.627}]


def test_pages_put_together_are_the_whole(api: httpx.Client) -> None:
    query = {"instrument": "KO", "from": "2022-01-01", "layout": "wide"}
    whole = api.get("prices", params=query).json()
    pages, offset = [], 0
    while offset is not None:
        page = api.get("prices", params={**query, "limit": 100, "offset": offset}).json()
        pages, offset = pages + page["items"], page["next_offset"]
    assert pages == whole["items"]
    assert len(pages) == whole["total"] == 249


@pytest.mark.parametrize(
    ("path", "status", "detail"),
    [
        ("portfolios/none-such", 404, "there is no portfolio 'none-such'"),
        ("instruments/TSLA", 404, "there is no instrument 'TSLA'"),
        ("prices?instrument=TSLA", 404, "there is no instrument 'TSLA'"),
        ("prices", 422, "instrument: Field required"),
        ("prices?instrument=KO&limit=0", 422, "limit"),
        ("prices?instrument=KO&from=yesterday", 422, "from"),
        ("prices?instrument=KO&from=2022-02-01&to=2022-01-01", 422, "is after to"),
        ("portfolios/us-equity-core/positions?as_of=2023-06-01", 422, "outside the prices' dates"),
        ("portfolios/%2e%2e%2f/positions", 404, ""),
    ],
)
def test_a_bad_question_is_answered_clearly(api: httpx.Client, path: str, status: int, detail: str) -> None:
    response = api.get(path)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert detail in response.json()["detail"]


def test_positions_are_valued_at_the_last_close_before_a_holiday(api: httpx.Client) -> None:
    items = api.get("portfolios/us-growth-concentrated/positions", params={"as_of": "2022-12-25"}).json()["items"]
    apple = next(item for item in items if item["instrument"] == "AAPL")
    assert apple["as_of"] == "2022-12-23"
    assert apple["market_value"] == pytest.approx(apple["quantity"] * apple["price"], abs=0.01)


def test_every_portfolio_holds_instruments_with_prices(api: httpx.Client) -> None:
    known = {one["id"] for one in api.get("instruments").json()["items"]}
    portfolios = api.get("portfolios").json()["items"]
    assert len(portfolios) == 3
    assert all(set(portfolio["instruments"]) <= known for portfolio in portfolios)


@pytest.mark.parametrize(
    ("series", "rows", "first"),
    [
        ("sp500-index", 8313, "1990-01-02"),
        ("nasdaq", 5031, "1999-01-04"),
        ("vix", 1305, "2014-01-03"),
        ("corporate-yields", 1200, "1919-01-01"),
    ],
)
def test_market_data_is_served_whole(api: httpx.Client, series: str, rows: int, first: str) -> None:
    described = api.get(f"market-data/{series}", params={"limit": 1}).json()
    assert (described["total"], described["first_date"]) == (rows, first)


def test_the_traffic_light_is_the_binomial_distribution(api: httpx.Client) -> None:
    rows = api.get("benchmarks/regulatory").json()["traffic_light"]
    for row in rows:
        share = sum(comb(250, k) * 0.01**k * 0.99 ** (250 - k) for k in range(row["exceptions"] + 1))
        assert row["cumulative_percent"] == pytest.approx(100 * share, abs=0.006)


@pytest.mark.parametrize("tokens", ["", "{}", "not json", '{"secret-token": "king"}', '["secret-token"]'])
def test_it_does_not_start_without_good_tokens_and_does_not_print_them(tokens: str) -> None:
    command = (sys.executable, "-m", "devstack.risk_api", "--port", "1")
    ended = subprocess.run(
        command, env={"RISK_API_TOKENS": tokens}, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("variable RISK_API_TOKENS: ")
    assert "secret-token" not in ended.stderr
