"""The log watch on the node: lines of pods and events of the cluster, each counted once."""

from __future__ import annotations

import secrets

import httpx
import pytest

from tests.cluster.conditions import riskhub, wait_until
from tests.cluster.conftest import ClusterUnderTest

pytestmark = pytest.mark.timeout(600)

NEVER_SCHEDULED = """\
apiVersion: v1
kind: Pod
metadata: {name: never-scheduled, namespace: jupyterhub}
spec:
  nodeSelector: {riskhub.dev/there-is: no-such-node}
  automountServiceAccountToken: false
  securityContext: {runAsNonRoot: true, runAsUser: 1000, seccompProfile: {type: RuntimeDefault}}
  containers:
    - name: main
      image: nothing
      securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
      resources: {requests: {cpu: 1m, memory: 1Mi}, limits: {cpu: 1m, memory: 1Mi}}
"""


def lines_of(category: str) -> int:
    answer = riskhub("health", "logs")
    assert answer.record["state"] == "complete", answer.said
    return int(answer.record["measures"].get(f"{category}_lines", 0))


def test_a_forged_token_in_the_hubs_log_counts_once_and_is_not_told(cluster: ClusterUnderTest) -> None:
    riskhub("health", "logs")
    forged = secrets.token_hex(16)
    url = f"{cluster.environment.hub.public_url}/hub/api/users"
    assert httpx.get(url, headers={"Authorization": f"token {forged}"}).status_code == 403
    counted = []

    def seen() -> bool:
        answer = riskhub("health", "logs")
        assert forged not in answer.said
        counted.append(answer.record["measures"].get("authentication_lines", 0))
        return bool(counted[-1])

    wait_until(seen)
    assert [counted[-1], lines_of("authentication")] == [1, 0]


def test_a_pod_that_no_node_takes_counts_by_its_event(cluster: ClusterUnderTest) -> None:
    riskhub("health", "logs")
    cluster.kubectl("apply", "--filename=-", given=NEVER_SCHEDULED)
    try:
        wait_until(lambda: lines_of("allocation") > 0)
    finally:
        cluster.kubectl("--namespace", "jupyterhub", "delete", "pod", "never-scheduled", "--wait=false")
