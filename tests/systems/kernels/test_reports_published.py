"""The daily market risk report from the real Risk API into a real object store: all of it, or nothing."""

from __future__ import annotations

import hashlib
import json
from datetime import date, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from devstack.process import free_ports
from domain.clock import utc_now
from domain.errors import Damaged, Refused, Unreachable
from domain.reports import Coverage, ReportRun
from environments.loader import PROJECT
from environments.settings import ObjectStoreSettings, RiskApiSettings
from systems.kernels.reports import NotebookRun, inherited, run_notebook
from systems.objects import get_object, list_objects, object_exists, put_object
from systems.published_reports import (
    Lineage,
    file_sha256,
    keep_failed_report,
    publish_report,
    verify_report,
)
from systems.risk_platform import read_coverage

SOURCE = PROJECT / "notebooks" / "reports" / "daily_market_risk.ipynb"
LIBRARIES = PROJECT / "notebooks" / "libs"


def report_run(run_id: str, **parameters: str | int | float) -> ReportRun:
    values = {"portfolio": "us-equity-core", "as_of": "2022-12-28", "confidence": 0.99} | parameters
    return ReportRun("daily-market-risk", SOURCE.name, file_sha256(SOURCE), values, date(2022, 12, 28), run_id)


def lineage() -> Lineage:
    return Lineage({"notebooks/libs/x.py": "ab" * 32}, "3.11.0", "cd" * 32, utc_now() - timedelta(seconds=5), utc_now())


def execute(api: RiskApiSettings, folder: Path, run: ReportRun) -> NotebookRun:
    return run_notebook(
        SOURCE,
        folder,
        run.parameters,
        environment={**inherited(), "RISK_API_URL": api.url, "PYTHONPATH": str(LIBRARIES)},
        secrets={"RISK_API_TOKEN": api.token.get_secret_value()},
    )


@pytest.fixture(scope="module")
def made(api: RiskApiSettings, tmp_path_factory: pytest.TempPathFactory) -> NotebookRun:
    """The report, run once."""
    return execute(api, tmp_path_factory.mktemp("report"), report_run("once"))


def test_the_report_runs_and_tells_its_headline_figures(made: NotebookRun) -> None:
    assert made.problem == ""
    assert made.figures["market_value_usd"] == 6150155.8
    # Computed apart from the notebook: numpy's quantile of the 500 returns up to 2022-12-28.
    assert made.figures["var_share"] == pytest.approx(0.0277411, abs=5e-8)
    assert made.figures["expected_shortfall_share"] > made.figures["var_share"]
    assert made.figures["exceptions"] == 6


def test_the_page_needs_no_network_and_shows_three_plots(made: NotebookRun) -> None:
    page = made.page.read_text()
    assert page.count("<img ") == 3
    assert "<script" not in page
    assert "http://" not in page
    assert "https://" not in page


def test_the_token_is_in_no_output(made: NotebookRun, api: RiskApiSettings) -> None:
    token = api.token.get_secret_value().encode()
    files = [path for path in made.notebook.parent.rglob("*") if path.is_file()]
    assert {made.notebook, made.page} <= set(files)
    assert not [path for path in files if token in path.read_bytes()]


def test_a_published_report_is_whole_and_names_what_it_was_made_from(
    made: NotebookRun, store: ObjectStoreSettings
) -> None:
    run = report_run("published")
    key = publish_report(store, run, made, lineage())
    assert key == "reports/daily-market-risk/2022-12-28/published/manifest.json"
    assert verify_report(store, key) == made.notebook.stat().st_size + made.page.stat().st_size
    manifest = json.loads(get_object(store, key))
    assert manifest["parameters"] == run.parameters
    assert manifest["figures"] == made.figures
    assert manifest["notebook"] == {"path": "daily_market_risk.ipynb", "sha256": file_sha256(SOURCE)}
    assert manifest["requirements_lock_sha256"] == "cd" * 32
    stored = get_object(store, f"{run.key}/report.html")
    assert manifest["outputs"]["report.html"]["sha256"] == hashlib.sha256(stored).hexdigest()


def test_publishing_again_is_harmless_and_another_report_under_the_key_is_refused(
    made: NotebookRun, store: ObjectStoreSettings, api: RiskApiSettings, folder: Path
) -> None:
    run, origin = report_run("twice"), lineage()
    key = publish_report(store, run, made, origin)
    before = get_object(store, key)
    assert publish_report(store, run, made, origin) == key
    other = execute(api, folder, report_run("other", confidence=0.975))
    with pytest.raises(Refused, match="another object has this key"):
        publish_report(store, run, other, origin)
    assert get_object(store, key) == before
    assert verify_report(store, key)


def test_when_the_store_is_down_nothing_is_published(made: NotebookRun, store: ObjectStoreSettings) -> None:
    run = report_run("down")
    (port,) = free_ports(1)
    silent = store.model_copy(update={"endpoint_url": f"http://127.0.0.1:{port}"})
    with pytest.raises(Unreachable):
        publish_report(silent, run, made, lineage())
    assert list(list_objects(store, run.key)) == []


def test_a_store_lost_between_the_outputs_leaves_no_manifest(made: NotebookRun, store: ObjectStoreSettings) -> None:
    run = report_run("between")
    put_object(store, f"{run.key}/report.html", b"somebody else's", content_type="text/html")
    with pytest.raises(Refused, match="another object has this key"):
        publish_report(store, run, made, lineage())
    assert object_exists(store, f"{run.key}/report.ipynb")
    assert not object_exists(store, f"{run.key}/manifest.json")


def test_an_output_changed_afterwards_is_found(made: NotebookRun, store: ObjectStoreSettings) -> None:
    run = report_run("changed")
    key = publish_report(store, run, made, lineage())
    put_object(store, f"{run.key}/report.html", b"VaR: $0", content_type="text/html")
    with pytest.raises(Damaged, match=r"report\.html: its SHA-256 is not the manifest's"):
        verify_report(store, key)


def test_a_failed_report_is_kept_apart_with_its_state_and_never_published(
    api: RiskApiSettings, store: ObjectStoreSettings, folder: Path
) -> None:
    run = report_run("failed", as_of="2022-12-25")  # the plan refuses it; the notebook's own checks do too
    made = execute(api, folder, run)
    assert made.problem == "cell 4 raised ValueError"
    assert made.failed_cell is not None
    assert "the newest prices are of 2022-12-23, not of 2022-12-25" in made.failed_cell.evalue
    key = keep_failed_report(store, run, made, lineage())
    assert b"This report failed" in get_object(store, key)
    state = json.loads(get_object(store, f"{run.key}/failed/state.json"))
    assert (state["state"], state["failed_cell"]["ename"]) == ("failed", "ValueError")
    assert not object_exists(store, f"{run.key}/manifest.json")


def test_with_the_risk_api_down_the_report_fails_and_says_so(api: RiskApiSettings, folder: Path) -> None:
    (port,) = free_ports(1)
    made = execute(api.model_copy(update={"url": f"http://127.0.0.1:{port}"}), folder, report_run("no-api"))
    assert made.state == "failed"
    assert made.failed_cell is not None
    assert "did not answer portfolios/us-equity-core: ConnectError" in made.failed_cell.evalue


def test_coverage_tells_what_the_data_allows(api: RiskApiSettings) -> None:
    christmas = read_coverage(api, "us-equity-core", date(2022, 12, 25))
    first, last, friday = date(1990, 1, 2), date(2022, 12, 28), date(2022, 12, 23)
    assert christmas == Coverage("us-equity-core", first, last, friday, trading_days=8311)


@pytest.mark.parametrize(
    ("portfolio", "as_of", "cause"),
    [("us-equity", None, "known: us-equity-core"), ("us-equity-core", date(2023, 1, 5), "outside the prices' dates")],
)
def test_what_the_data_does_not_hold_is_refused(
    api: RiskApiSettings, portfolio: str, as_of: date | None, cause: str
) -> None:
    with pytest.raises(Refused, match=cause):
        read_coverage(api, portfolio, as_of)


def test_a_rejected_token_is_refused_without_its_value(api: RiskApiSettings) -> None:
    for wrong in ("not-the-token", "not-the-token\n"):
        with pytest.raises((Refused, Unreachable)) as caught:
            read_coverage(api.model_copy(update={"token": SecretStr(wrong)}), "us-equity-core")
        assert "not-the-token" not in repr(caught.value)
