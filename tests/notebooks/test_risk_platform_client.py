"""The users' client, against the real stand-in."""

from __future__ import annotations

import os

import pandas as pd
import pytest
from risk_platform_client import RiskPlatformAPI, RiskPlatformError, emit_figures

from devstack.process import free_ports


@pytest.fixture
def api(risk_api_url: str, token: str) -> RiskPlatformAPI:
    return RiskPlatformAPI(risk_api_url, token)


def test_prices_of_many_pages_come_as_one_frame(api: RiskPlatformAPI) -> None:
    prices = api.prices(["XOM", "KO"])
    assert list(prices.columns) == ["XOM", "KO"]
    assert len(prices) == 8313
    assert prices.index.is_monotonic_increasing
    assert prices.index.is_unique
    assert prices.loc["2022-12-28", "XOM"] == 106.627


def test_days_may_be_text_dates_or_timestamps(api: RiskPlatformAPI) -> None:
    day = pd.Timestamp("2022-12-01")
    assert api.prices(["KO"], day, "2022-12-05").equals(api.prices(["KO"], day.date(), pd.Timestamp("2022-12-05")))
    assert len(api.prices(["KO"], "2022-12-24", "2022-12-26")) == 0


def test_weights_sum_to_one(api: RiskPlatformAPI) -> None:
    for portfolio in api.portfolios().index:
        assert api.positions(portfolio)["weight"].sum() == pytest.approx(1)


def test_market_data_tells_its_unit(api: RiskPlatformAPI) -> None:
    yields = api.market_data("corporate-yields", "2018-01-01")
    assert yields.attrs["unit"] == "per cent a year"
    assert list(yields.columns) == ["AAA", "BAA"]


def test_model_parameters_and_benchmarks_are_read(api: RiskPlatformAPI) -> None:
    assert api.model_parameters("ewma-var")["lambda"] == 0.94
    assert api.regulatory_benchmarks()["traffic_light"][10]["zone"] == "red"


def test_an_unknown_name_is_told_with_the_known_ones(api: RiskPlatformAPI) -> None:
    with pytest.raises(RiskPlatformError, match=r"answered 404 .* known: us-equity-core"):
        api.positions("us-equity")


def test_the_token_is_in_no_message(risk_api_url: str) -> None:
    api = RiskPlatformAPI(risk_api_url, "token-that-is-wrong")
    with pytest.raises(RiskPlatformError, match="answered 401") as caught:
        api.portfolios()
    assert "token-that-is-wrong" not in f"{caught.value!r} {api!r}"


def test_silence_is_told_after_three_attempts() -> None:
    (port,) = free_ports(1)
    with pytest.raises(RiskPlatformError, match="did not answer portfolios: ConnectError"):
        RiskPlatformAPI(f"http://127.0.0.1:{port}", "token").portfolios()


def test_without_an_address_it_says_which_variable_is_missing() -> None:
    assert "RISK_API_URL" not in os.environ
    with pytest.raises(RiskPlatformError, match="RISK_API_URL is not set"):
        RiskPlatformAPI()


def test_a_figure_that_is_no_number_is_never_emitted() -> None:
    with pytest.raises(ValueError, match="not finite: var_share"):
        emit_figures({"var_share": float("nan")})
