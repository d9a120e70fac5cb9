"""The configuration's member of a recovery point, where there is a cluster whose Secrets nobody can seal."""

from __future__ import annotations

from environments import Environment
from environments.settings import ClusterSettings
from tasks.backup import save_configuration


def test_without_a_backup_key_the_configuration_fails_with_the_next_step_and_nothing_is_asked_of_the_cluster(
    env: Environment,
) -> None:
    nowhere = ClusterSettings(name="dev", identity="4fb4836a-5bd3-4875-bf36-0d83e977aabc", kubeconfig="/nowhere")
    taken = save_configuration.fn(env.model_copy(update={"cluster": nowhere}), "20260301T013000Z")
    assert taken.member is None and taken.outcome.state == "failed"
    assert "set CONFIGURATION_BACKUP_KEY to a Fernet key" in taken.outcome.detail
