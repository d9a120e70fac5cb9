"""What dies comes back by itself, and nobody's notebook loses a request while the hub is away.

How fast is measured by `python -m benchmarks.cluster`; here it only has to happen.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.resilience import computes, hub_killed, node_rebooted, proxy_killed, reboot, until
from devstack.day.people import Person
from tests.cluster.conditions import riskhub

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def people(cluster) -> Iterator[list[Person]]:
    """One of each profile, each with a notebook and a server that computes."""
    found = [Person.log_in(name, cluster.environment.hub.public_url) for name in ("ana", "dina")]
    for person in found:
        if not person.is_running():
            person.start_server()
        person.write_notebook("kept.ipynb")
    yield found
    for person in found:
        person.stop_server()


def test_hub_proxy_and_node_die_one_after_the_other(cluster, people):
    seen = hub_killed(cluster.kubectl, people[0])
    assert seen.sent > 20 and seen.lost == 0
    assert computes(people[0])
    proxy_killed(cluster.kubectl, people[0])
    assert computes(people[0])
    node_rebooted(lambda: reboot(cluster.state / "cluster"), people)
    for person in people:
        until(lambda person=person: computes(person), f"a cell of {person.name}")
        assert person.client.get(f"{person.server_url}/api/contents/kept.ipynb").status_code == 200
    proven = riskhub("deploy", "hub", "--execute")
    assert proven.code == 0, proven.said
