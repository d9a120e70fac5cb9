"""A report whose cell raises in the middle: kept where it is seen, never where a good one is looked for."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

from devstack.stack import Stack
from environments import Environment
from systems.objects import get_object
from tests.faults.conftest import keys_below, until
from tests.faults.oncall import OnCall


def test_a_report_that_loses_the_risk_api_is_kept_as_failed_and_not_published(
    stack: Stack, on_call: OnCall, env: Environment
) -> None:
    before = keys_below(env.objects, "reports/")
    _, risk_api = stack.running["risk-api"]
    started = set((stack.state / "reports").glob("*/papermill.log"))

    def pull_the_plug() -> None:
        until(lambda: bool(set((stack.state / "reports").glob("*/papermill.log")) - started))
        risk_api.kill()  # the kernel takes longer to start than this

    with ThreadPoolExecutor(1) as pool:
        pulled = pool.submit(pull_the_plug)
        answer = on_call.riskhub("reports", "run", "--execute", "--json", "--verbose")
        pulled.result()
    new = keys_below(env.objects, "reports/") - before
    stack.restart_part("risk-api")

    assert answer.code == 1
    assert answer.record["state"] == "failed"
    (told,) = answer.outcomes.values()
    assert "code cell" in told
    assert "Next: open the notebook that is kept" in told
    assert env.risk_api.url in told
    assert {key.rsplit("/", 2)[-2] for key in new} == {"failed"}
    assert {key.rsplit("/", 1)[-1] for key in new} == {"report.ipynb", "report.html", "state.json"}
    (state,) = (json.loads(get_object(env.objects, key)) for key in new if key.endswith("state.json"))
    assert state["state"] == "failed"
    assert answer.record["links"]["failed notebook"].endswith("/failed/report.ipynb")
