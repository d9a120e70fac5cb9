"""What servers use, as the API's JSON tells of pods; of processes see tests/flows/test_utilisation.py."""

from __future__ import annotations

from typing import Any

import pytest

from domain.utilisation import Usage
from environments.settings import HubSettings
from systems.server_usage import server_usage, usage_of_pods


def pod(name: str, user: str, server: str = "", *, phase: str = "Running", **metadata: Any) -> dict[str, Any]:
    resources = {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": "2", "memory": "4Gi"}}
    return {
        "metadata": {
            "namespace": "jupyterhub",
            "name": name,
            "uid": name,
            "creationTimestamp": "2026-03-02T12:00:00Z",
            "annotations": {"hub.jupyter.org/username": user, "hub.jupyter.org/servername": server},
            **metadata,
        },
        "spec": {
            "initContainers": [{"name": "first", "image": "i", "resources": {"requests": {"cpu": "9"}}}],
            "containers": [{"name": "notebook", "image": "i", "resources": resources}],
        },
        "status": {"phase": phase},
    }


def test_a_pod_tells_what_it_asked_for_and_the_metrics_api_what_it_uses() -> None:
    found = usage_of_pods([pod("business-user-otto", "otto"), pod("p2", "x+y", "gpu")], {"p2": (1.5, 3e9)})
    asked = {"cpu_requested_cores": 0.5, "memory_requested_bytes": 2.0**30}
    assert found == {
        "otto/": Usage(cpu_cores=None, memory_bytes=None, **asked),
        "x+y/gpu": Usage(cpu_cores=1.5, memory_bytes=3e9, **asked),
    }


@pytest.mark.parametrize(
    "gone", [{"phase": "Failed"}, {"phase": "Succeeded"}, {"deletionTimestamp": "2026-03-02T13:00:00Z"}]
)
def test_a_pod_that_ended_or_is_deleted_does_not_speak_for_the_one_after_it(gone: dict[str, str]) -> None:
    found = usage_of_pods([pod("new", "otto"), pod("old", "otto", **gone)], {"new": (0.5, 1.0), "old": (9.0, 9.0)})
    assert found["otto/"]["cpu_cores"] == 0.5


def test_a_hub_elsewhere_without_a_cluster_is_not_looked_at() -> None:
    url = "https://hub.example.org/hub/api"
    assert server_usage(HubSettings(api_url=url, public_url=url, api_token="t"), None) is None
