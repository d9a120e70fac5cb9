from __future__ import annotations

import base64

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from domain.errors import Refused
from environments import Environment
from systems.crypt_key import CryptKey, crypt_key_of

OLD, NEW = "ab" * 32, "cd" * 32


def kept_under(key: str) -> bytes:
    return Fernet(base64.urlsafe_b64encode(bytes.fromhex(key))).encrypt(b'{"groups": []}')


def test_a_key_opens_what_was_kept_under_it_and_under_the_ones_after_it() -> None:
    CryptKey(SecretStr(f"{NEW};{OLD}")).require_opens({"ana": kept_under(OLD), "bea": kept_under(NEW)})


def test_the_keys_that_opened_something_are_named_the_one_that_encrypts_always() -> None:
    old, new = (CryptKey(SecretStr(text)) for text in (OLD, NEW))
    both = CryptKey(SecretStr(f"{NEW};{OLD}"))
    assert both.require_opens({"ana": kept_under(NEW)}) == (new.fingerprint,)
    assert both.require_opens({"ana": kept_under(NEW), "dina": kept_under(OLD)}) == (new.fingerprint, old.fingerprint)
    assert both.require_opens({"dina": kept_under(OLD)}) == (new.fingerprint, old.fingerprint)
    assert both.require_opens({}) == (new.fingerprint,)


def test_whose_auth_state_it_does_not_open_is_told_without_the_key() -> None:
    auth_states = {"ana": kept_under(OLD), "bea": kept_under(NEW), "carl": b"no token at all"}
    with pytest.raises(Refused, match=r"auth_state of 2 of 3 users \(bea, carl\)") as refused:
        CryptKey(SecretStr(OLD)).require_opens(auth_states)
    assert CryptKey(SecretStr(OLD)).fingerprint in str(refused.value)
    assert OLD not in str(refused.value)


def test_fingerprints_tell_keys_apart_by_the_one_that_encrypts() -> None:
    prints = [CryptKey(SecretStr(key)).fingerprint for key in (OLD, NEW, f"{OLD};{NEW}")]
    assert prints[0] == prints[2] != prints[1]


@pytest.mark.parametrize("value", ["", ";", "too short", "ab" * 31])
def test_what_is_no_key_is_refused_and_not_shown(value: str) -> None:
    with pytest.raises(Refused, match="it is no key") as refused:
        CryptKey(SecretStr(value))
    assert not value.strip(";") or value not in str(refused.value)


def test_an_environment_without_one_is_refused(env: Environment) -> None:
    without = env.model_copy(update={"hub": env.hub.model_copy(update={"crypt_key": None})})
    with pytest.raises(Refused, match="environment local has none"):
        crypt_key_of(without)
