"""Whole objects in a real object store."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from pydantic import SecretStr

from devstack.object_store import PORTS, object_store
from devstack.process import free_ports, start, stop, wait_ready
from domain.errors import Refused, Unreachable
from environments.settings import ObjectStoreSettings
from systems.objects import get_object, list_objects, object_exists, put_object


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStoreSettings]:
    state = tmp_path_factory.mktemp("objects")
    ports = free_ports(PORTS)
    part = object_store(state, ports, "key-id", "secret-key")
    process = start(part, state)
    url = f"http://127.0.0.1:{ports[0]}"
    try:
        wait_ready(part, process, state)
        client = boto3.client("s3", endpoint_url=url, aws_access_key_id="key-id", aws_secret_access_key="secret-key")
        client.create_bucket(Bucket="platform")
        yield ObjectStoreSettings(
            bucket="platform",
            endpoint_url=url,
            access_key_id=SecretStr("key-id"),
            secret_access_key=SecretStr("secret-key"),
        )
    finally:
        stop(part, process)


def put(store: ObjectStoreSettings, key: str, body: bytes, *, if_absent: bool = False) -> None:
    put_object(store, key, body, content_type="text/plain", if_absent=if_absent)


def test_what_was_written_is_read_back(store: ObjectStoreSettings) -> None:
    for key, body in (("a/empty", b""), ("a/ümlaut & more", b"\x00\xff" * 70_000)):
        put(store, key, body)
        assert get_object(store, key) == body
        assert object_exists(store, key)


def test_a_listing_tells_keys_sizes_and_utc_times(store: ObjectStoreSettings) -> None:
    for name in ("b/2", "b/1", "bb"):
        put(store, name, name.encode())
    listed = list(list_objects(store, "b/"))
    assert [(one.key, one.size) for one in listed] == [("b/1", 3), ("b/2", 3)]
    assert all(one.modified.tzinfo is not None for one in listed)
    assert list(list_objects(store, "nothing/")) == []


def test_a_plain_write_replaces(store: ObjectStoreSettings) -> None:
    put(store, "c", b"first")
    put(store, "c", b"second")
    assert get_object(store, "c") == b"second"


def test_a_write_for_an_absent_key_never_replaces(store: ObjectStoreSettings) -> None:
    put(store, "d", b"first", if_absent=True)
    with pytest.raises(Refused, match="another object has this key"):
        put(store, "d", b"second", if_absent=True)
    assert get_object(store, "d") == b"first"


def test_the_same_write_again_is_harmless(store: ObjectStoreSettings) -> None:
    put(store, "e", b"same", if_absent=True)
    put(store, "e", b"same", if_absent=True)
    assert get_object(store, "e") == b"same"


def test_an_absent_object_is_refused_by_its_name(store: ObjectStoreSettings) -> None:
    assert not object_exists(store, "none")
    with pytest.raises(Refused, match="s3://platform/none: there is no such object"):
        get_object(store, "none")


def test_a_wrong_key_is_refused_and_not_told(store: ObjectStoreSettings) -> None:
    wrong = store.model_copy(update={"secret_access_key": SecretStr("another-secret")})
    with pytest.raises(Refused, match="check the keys") as caught:
        put(wrong, "f", b"")
    assert "another-secret" not in repr(caught.value)


def test_an_absent_bucket_is_refused_by_its_name(store: ObjectStoreSettings) -> None:
    absent = store.model_copy(update={"bucket": "no-such-bucket"})
    with pytest.raises(Refused, match="no-such-bucket"):
        get_object(absent, "key")


def test_silence_is_unreachable(store: ObjectStoreSettings) -> None:
    (port,) = free_ports(1)
    silent = store.model_copy(update={"endpoint_url": f"http://127.0.0.1:{port}"})
    with pytest.raises(Unreachable, match="did not answer"):
        put(silent, "key", b"")
    with pytest.raises(Unreachable, match="did not answer"):
        object_exists(silent, "key")
