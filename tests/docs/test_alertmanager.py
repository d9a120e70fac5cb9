"""The example of Alertmanager's configuration: its own program takes it, and each severity goes where it is said."""

from __future__ import annotations

import shutil
import subprocess

import pytest
import yaml

from environments.loader import PROJECT

CONFIGURATION = PROJECT / "docs" / "alertmanager.yml"


def amtool(*arguments: str) -> str:
    if not shutil.which("amtool"):
        pytest.fail("amtool is not on the PATH: apt-get install prometheus-alertmanager")
    done = subprocess.run(("amtool", *arguments), capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_example_is_a_configuration() -> None:
    assert "6 receivers" in amtool("check-config", str(CONFIGURATION))


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        (("alertname=database-down", "severity=P1", "environment=prod"), "pager-and-sns,chat"),
        (("alertname=database-down", "severity=P1", "environment=dev"), "chat"),
        (("alertname=node", "severity=P2", "environment=prod"), "pager,chat"),
        (("alertname=run-failed", "severity=P3", "environment=prod"), "chat"),
        (("alertname=drill-overdue", "severity=P4", "environment=prod"), "e-mail"),
        (("alertname=heartbeat", "severity=none", "environment=prod"), "outside"),
        (("alertname=heartbeat", "severity=none", "environment=dev"), "nobody"),
    ],
)
def test_each_severity_goes_where_it_is_said(labels: tuple[str, ...], receivers: str) -> None:
    assert amtool("config", "routes", "test", f"--config.file={CONFIGURATION}", *labels).strip() == receivers


def test_no_secret_is_spelled_out() -> None:
    def keys(node: object) -> set[str]:
        if isinstance(node, dict):
            return set(node).union(*map(keys, node.values()))
        return set().union(*map(keys, node)) if isinstance(node, list) else set()

    words = ("password", "key", "credentials", "token", "api_url", "secret")
    found = {key for key in keys(yaml.safe_load(CONFIGURATION.read_text())) if any(word in key for word in words)}
    assert found == {"smtp_auth_password_file", "slack_api_url_file", "routing_key_file", "credentials_file"}
