"""The mirror on the node: a push in four Jobs, one of them killed, is the push of one process."""

from __future__ import annotations

import os
import random
from datetime import timedelta
from pathlib import Path

import pytest

from devstack.day.damage import differences, look_at
from devstack.day.runs import Deployments
from systems.homes import MIRROR_PREFIX
from systems.mirror import MirrorLocation, Point, apply_restore, history, plan_restore
from systems.mirror.bucket import Bucket
from systems.mirror.entry import Row
from systems.mirror.points import rows_of
from systems.objects import list_objects
from tests.cluster.conditions import wait_until

pytestmark = pytest.mark.timeout(900)

PARTS = "--selector=prefect.io/flow-name=mirror-shard"
DEADLINE = timedelta(minutes=8)


@pytest.fixture
def homes(cluster) -> Path:
    """Forty homes with enough in them that a part of them takes seconds to push.

    They stay: a push refuses to lose most homes.
    """
    root = cluster.environment.homes.user_data
    made = [root / f"sharded-{number:02}" for number in range(40)]
    content = random.Random(4)  # noqa: S311 - the same bytes in every run
    for home in made:
        home.mkdir(exist_ok=True)
        for number in range(150):
            (home / f"{number}.csv").write_bytes(content.randbytes(2048))
        for path in (home, *home.iterdir()):
            os.chown(path, 1000, 1000)
    return root


def test_four_jobs_make_the_point_of_one_process_though_one_of_them_is_killed(cluster, homes, tmp_path):
    env = cluster.environment
    mirror = MirrorLocation(env.objects, MIRROR_PREFIX)
    deployments = Deployments(env.prefect.api_url, env.prefect.ui_url)
    before = parts(cluster)
    started = deployments.start("mirror-homes/every-15-minutes", {"execute": True, "shards": 4})
    kill_a_part(cluster, mirror)
    assert deployments.wait(started, DEADLINE).succeeded

    wait_until(lambda: None not in parts(cluster).values())
    assert sorted(ended for name, ended in parts(cluster).items() if name not in before) == [
        False,
        True,
        True,
        True,
        True,
    ]
    sharded = history(mirror)[-1]

    alone = deployments.wait(deployments.start("mirror-homes/every-15-minutes", {"execute": True}), DEADLINE)
    assert alone.succeeded
    assert history(mirror)[-1].id != sharded.id
    assert rows(mirror, history(mirror)[-1]) == rows(mirror, sharded), "one process finds nothing to change"

    assert apply_restore(plan_restore(mirror, tmp_path / "back", point=sharded.id)).state == "complete"
    for home in homes.glob("sharded-*"):
        assert differences(look_at(home), look_at(tmp_path / "back" / home.name)) == []


def parts(cluster) -> dict[str, bool | None]:
    """The Jobs that push a part, and whether each succeeded; None while it runs."""
    found = {}
    for job in cluster.read("riskhub", "jobs", PARTS)["items"]:
        status = job["status"]
        found[job["metadata"]["name"]] = None if status.get("active") else status.get("succeeded") == 1
    return found


def rows(mirror: MirrorLocation, point: Point) -> list[Row]:
    """What the point says of the homes of this test: path, metadata, digest and object version of each entry."""
    found = [row for row in rows_of(Bucket(mirror), point.pages) if row.path.startswith(b"sharded-")]
    assert len(found) == 40 * 151
    return found


def kill_a_part(cluster, mirror: MirrorLocation) -> None:
    """The first Job that pushes a part loses its pod at once."""
    announced = f"{mirror.manifests}unfinished/"
    wait_until(lambda: any(list_objects(mirror.store, announced)))
    pods = cluster.read("riskhub", "pods", PARTS, "--field-selector=status.phase=Running")["items"]
    first = min(pods, key=lambda pod: pod["status"]["startTime"])["metadata"]["name"]
    cluster.kubectl("--namespace=riskhub", "delete", "pod", first, "--force", "--grace-period=0", "--wait=false")
