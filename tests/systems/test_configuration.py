"""A cluster's configuration at rest: sealed, signed, and recognised without being told."""

from __future__ import annotations

import base64
import copy
import json
from typing import Any

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from domain.deployment import Manifest, key_of
from domain.errors import Damaged, Refused
from environments.loader import PROJECT
from environments.settings import ClusterSettings
from systems.configuration import (
    collect_configuration,
    open_configuration,
    recognised,
    require_seal,
    sealed_configuration,
)
from systems.sealing import Seal

TOKEN = "s3cr3t-api-token"
POINT = "configuration of point 20260301T013000Z"


def settings(key: str | None) -> ClusterSettings:
    backup_key = SecretStr(key) if key else None
    return ClusterSettings(name="dev", identity="4fb4836a-5bd3-4875-bf36-0d83e977aabc", backup_key=backup_key)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def secret(**values: str) -> Manifest:
    data = {name: encoded(value) for name, value in values.items()}
    metadata = {"name": "hub", "namespace": "jupyterhub"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data}


CONFIGURATION: Manifest = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "platform", "namespace": "jupyterhub", "labels": {"riskhub/deployment": "hub"}},
    "data": {"HUB_SPAWNER": "kubernetes"},
}
SAVED = (CONFIGURATION, secret(api_token=TOKEN, cookie_secret="c00kie"))


@pytest.fixture
def seal() -> Seal:
    return require_seal(settings(Fernet.generate_key().decode()))


def document(seal: Seal) -> dict[str, Any]:
    cluster = sealed_configuration(settings(None), SAVED, seal)
    made: dict[str, Any] = json.loads(collect_configuration(PROJECT, "dev", cluster))
    return made


def opened(saved: dict[str, Any], seal: Seal) -> tuple[Manifest, ...]:
    return open_configuration(json.dumps(saved).encode(), seal, thing=POINT)


def test_what_was_sealed_opens_as_it_was(seal: Seal) -> None:
    assert opened(document(seal), seal) == SAVED


def test_no_secret_is_in_the_document_in_any_spelling(seal: Seal) -> None:
    text = json.dumps(document(seal))
    assert not [word for word in (TOKEN, encoded(TOKEN), "c00kie", encoded("c00kie")) if word in text]
    assert "api_token" in text and "kubernetes" in text


def test_without_a_backup_key_secrets_are_refused_with_the_next_step() -> None:
    with pytest.raises(Refused, match=r"cannot be sealed.*set CONFIGURATION_BACKUP_KEY"):
        require_seal(settings(None))


def test_another_key_is_refused_by_its_name_before_anything_is_opened(seal: Seal) -> None:
    other = require_seal(settings(Fernet.generate_key().decode()))
    with pytest.raises(
        Refused, match=f"sealed under key {seal.key_id}, and CONFIGURATION_BACKUP_KEY is key {other.key_id}"
    ):
        opened(document(seal), other)


def test_a_document_of_an_environment_without_a_cluster_is_refused(seal: Seal) -> None:
    with pytest.raises(Refused, match="holds no cluster"):
        open_configuration(collect_configuration(PROJECT, "local"), seal, thing=POINT)


def alter_a_configmap(cluster: dict[str, Any]) -> None:
    cluster["objects"][0]["data"]["HUB_SPAWNER"] = "import os"


def add_an_object(cluster: dict[str, Any]) -> None:
    cluster["objects"].append(copy.deepcopy(cluster["objects"][0]))


def call_a_secret_otherwise(cluster: dict[str, Any]) -> None:
    cluster["secrets"][0]["name"] = "runbook"


def drop_the_secrets(cluster: dict[str, Any]) -> None:
    cluster["secrets"] = []


def break_the_seal(cluster: dict[str, Any]) -> None:
    cluster["secrets"][0]["sealed"] = cluster["secrets"][0]["sealed"][:-8] + "AAAAAAA="


def drop_the_signature(cluster: dict[str, Any]) -> None:
    del cluster["signature"]


ALTERED = [
    alter_a_configmap,
    add_an_object,
    call_a_secret_otherwise,
    drop_the_secrets,
    break_the_seal,
    drop_the_signature,
]


@pytest.mark.parametrize("alter", ALTERED)
def test_whatever_is_altered_without_the_key_is_damaged(alter: Any, seal: Seal) -> None:
    saved = document(seal)
    alter(saved["cluster"])
    with pytest.raises(Damaged):
        opened(saved, seal)


@pytest.mark.parametrize("alter", [call_a_secret_otherwise, break_the_seal])
def test_a_secret_that_is_not_what_it_is_called_is_damaged_even_when_signed(alter: Any, seal: Seal) -> None:
    saved = document(seal)
    alter(saved["cluster"])
    saved["cluster"].pop("signature")
    saved["cluster"]["signature"] = seal.signature(saved["cluster"])
    with pytest.raises(Damaged):
        opened(saved, seal)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"cluster": 1}', b'{"cluster": {"signature": ""}}', b"\xff"])
def test_what_is_no_document_is_told_as_such(body: bytes, seal: Seal) -> None:
    with pytest.raises((Damaged, Refused)):
        open_configuration(body, seal, thing=POINT)


def test_the_same_value_has_the_same_fingerprint_wherever_it_lies(seal: Seal) -> None:
    hub, runbook = secret(api_token=TOKEN), secret(JUPYTERHUB_API_TOKEN=TOKEN, OTHER="x")
    prints = [recognised(each, seal).fingerprints for each in (hub, runbook)]
    assert prints[0]["api_token"] == prints[1]["JUPYTERHUB_API_TOKEN"] != prints[1]["OTHER"]


def test_a_fingerprint_is_of_this_key_alone(seal: Seal) -> None:
    other = require_seal(settings(Fernet.generate_key().decode()))
    assert seal.fingerprint(b"password") != other.fingerprint(b"password")
    assert seal.key_id != other.key_id


def test_an_object_is_recognised_by_data_labels_and_type(seal: Seal) -> None:
    found = recognised(CONFIGURATION, seal)
    assert found.key == key_of(CONFIGURATION)
    assert set(found.fingerprints) == {"HUB_SPAWNER", "label riskhub/deployment"}
    assert set(recognised(secret(a="1"), seal).fingerprints) == {"a", "type"}


def test_a_hub_without_a_cluster_has_its_files_alone() -> None:
    assert set(json.loads(collect_configuration(PROJECT, "local"))) == {"environment", "files"}
