"""The users' libraries on the path, as in their servers, and a real Risk API for them."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pandas as pd
import pytest

from devstack.process import free_ports, start, stop, wait_ready
from devstack.risk_api.part import risk_api
from environments.loader import PROJECT

sys.path.insert(0, str(PROJECT / "notebooks" / "libs"))

from risk_metrics import simple_returns
from risk_platform_client import RiskPlatformAPI

TOKEN = "token-of-a-data-scientist"


@pytest.fixture(scope="session")
def risk_api_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Risk API that takes `TOKEN`."""
    state = tmp_path_factory.mktemp("risk-api")
    (port,) = free_ports(1)
    part = risk_api(state, port, {TOKEN: "data-scientist"})
    process = start(part, state)
    try:
        wait_ready(part, process, state)
        yield f"http://127.0.0.1:{port}"
    finally:
        stop(part, process)


@pytest.fixture(scope="session")
def token() -> str:
    return TOKEN


@pytest.fixture(scope="session")
def sp500(risk_api_url: str) -> pd.Series:
    """The S&P 500's simple daily returns in per cent, 1999-2018: the series of the arch documentation."""
    closes = RiskPlatformAPI(risk_api_url, TOKEN).market_data("sp500")[["adjusted_close"]]
    return 100 * simple_returns(closes)["adjusted_close"]


@pytest.fixture(scope="session")
def stocks(risk_api_url: str) -> pd.DataFrame:
    """Simple daily returns of six stocks, 2006-2022, as fractions."""
    names = ["AAPL", "BAC", "JNJ", "KO", "MSFT", "XOM"]
    return simple_returns(RiskPlatformAPI(risk_api_url, TOKEN).prices(names, start="2006-01-01"))


@pytest.fixture(scope="session")
def weights() -> pd.Series:
    """Of the six stocks, in another order than theirs."""
    return pd.Series({"XOM": 0.25, "KO": 0.2, "AAPL": 0.2, "MSFT": 0.15, "JNJ": 0.15, "BAC": 0.05})
