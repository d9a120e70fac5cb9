"""The Hub's crypt key against the auth_state that a database keeps under it.

A Hub with the wrong key only logs a warning and treats everybody's auth_state as gone, so whoever backs up or
restores tries the key on the rows themselves.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from contextlib import suppress

from cryptography.fernet import Fernet, InvalidToken
from pydantic import SecretStr

from domain.deployment import Manifest
from domain.errors import Refused
from environments.settings import Environment
from systems.cluster.connection import connect

_SECRET, _ENTRY = "hub", "crypto_key"  # as k8s/base/hub.yaml mounts it
_NAMED = 5  # users in a message
_SHOWN = 16  # hex digits of a digest over 256 random bits: tells keys apart and nothing else


def crypt_key_of(env: Environment) -> CryptKey:
    """The key that the environment's Hub runs with: of its cluster's Secret, else of the environment.

    Raises:
        Refused: there is none, or it is no key.
        Unreachable: the cluster does not answer.
    """
    if env.cluster:
        # listed and not read by name: flow runs have the right to list, which the configuration's backup needs
        secrets = connect(env.cluster).items(f"/api/v1/namespaces/{env.cluster.namespace}/secrets")
        return _key_among(secrets)
    if env.hub.crypt_key is None:
        raise Refused("JUPYTERHUB_CRYPT_KEY", f"environment {env.name} has none", "set it to the key of its Hub")
    return CryptKey(env.hub.crypt_key)


def crypt_key_among(manifests: Iterable[Manifest], namespace: str) -> CryptKey:
    """The key in the Hub's Secret among a cluster's saved objects.

    Raises:
        Refused: it is not among them, or it is no key.
    """
    return _key_among(
        each for each in manifests if each["kind"] == "Secret" and each["metadata"].get("namespace") == namespace
    )


def _key_among(secrets: Iterable[Manifest]) -> CryptKey:
    found = next((each for each in secrets if each["metadata"]["name"] == _SECRET), None)
    kept = found["data"].get(_ENTRY, "") if found else ""
    return CryptKey(SecretStr(base64.b64decode(kept).decode()))


class CryptKey:
    """What JUPYTERHUB_CRYPT_KEY holds: one key, or several parted by `;` of which the first encrypts.

    Raises:
        Refused: it is no key that JupyterHub would take; its value is not told.
    """

    def __init__(self, crypt_key: SecretStr) -> None:
        self.value = crypt_key
        parts = [part.strip() for part in crypt_key.get_secret_value().split(";") if part.strip()]
        if not parts:
            raise _no_key()
        self._keys = {_fingerprint(part): Fernet(base64.urlsafe_b64encode(_key_bytes(part))) for part in parts}

    @property
    def fingerprint(self) -> str:
        """Names the key that encrypts."""
        return next(iter(self._keys))

    def require_opens(self, auth_states: Mapping[str, bytes]) -> tuple[str, ...]:
        """Try every user's auth_state.

        Returns:
            The fingerprints of the keys that opened them, the one that encrypts first, even if it opened none yet.

        Raises:
            Refused: none of the keys decrypts some of them; the message names the users.
        """
        opened_by = {user: self._opener(kept) for user, kept in auth_states.items()}
        if closed := sorted(user for user, opener in opened_by.items() if opener is None):
            named = ", ".join(closed[:_NAMED]) + (", ..." if len(closed) > _NAMED else "")
            raise Refused(
                f"auth_state of {len(closed)} of {len(auth_states)} users ({named})",
                f"crypt key {self.fingerprint} does not decrypt it",
                "set JUPYTERHUB_CRYPT_KEY to the key that the Hub ran with, old keys after it, parted by ;",
            )
        needed = {self.fingerprint, *opened_by.values()}
        return tuple(fingerprint for fingerprint in self._keys if fingerprint in needed)

    def _opener(self, kept: bytes) -> str | None:
        for fingerprint, key in self._keys.items():
            with suppress(InvalidToken):
                key.decrypt(kept)
                return fingerprint
        return None


def _fingerprint(part: str) -> str:
    return hashlib.sha256(b"riskhub crypt key\0" + part.encode()).hexdigest()[:_SHOWN]


def _key_bytes(part: str) -> bytes:
    """The 32 bytes of a key, written as JupyterHub takes them: URL-safe base64, hex, or as they are."""
    text = part.encode()
    try:
        key = base64.urlsafe_b64decode(text) if len(text) == 44 else bytes.fromhex(part) if len(text) == 64 else text
    except ValueError:
        raise _no_key() from None
    if len(key) != 32:
        raise _no_key()
    return key


def _no_key() -> Refused:
    cause = "it is no key: 32 bytes, in hex or URL-safe base64"
    return Refused("JUPYTERHUB_CRYPT_KEY", cause, "set it to the key that the Hub runs with")
