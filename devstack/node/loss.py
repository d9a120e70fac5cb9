"""The day on which everything is gone: what a disaster leaves of an environment on the node."""

from __future__ import annotations

import shutil
from collections.abc import Callable

from environments import Environment
from environments.settings import ClusterSettings
from systems.cluster.rehearsal import NAMESPACE
from systems.database import ask
from systems.database_swap import called, database_name
from systems.mirrored import shared_of

Kubectl = Callable[..., str]


def lose_everything(env: Environment, cluster: ClusterSettings, kubectl: Kubectl) -> None:
    """Every namespace and volume, the Hub's database, all homes and what users share; bucket and keys are left.

    Args:
        kubectl: runs it as the cluster's administrator.
    """
    spaces = (cluster.namespace, cluster.operations_namespace, NAMESPACE)
    kubectl("delete", "namespace", *spaces, "--wait=true", "--timeout=140s", seconds=150)
    kubectl("delete", "persistentvolume", "--all", "--wait=true", "--timeout=60s", seconds=70)
    ask(called(env.database, "template1"), f'drop database "{database_name(env.database)}" with (force)')
    for home in env.homes.user_data.iterdir():
        shutil.rmtree(home)
    for shared in shared_of(env):
        shutil.rmtree(shared.folder)
