"""Secrets at rest in a backup: sealed under one key, recognised without being told.

Fernet (AES-128-CBC with HMAC-SHA256) seals and proves. A value's fingerprint is an HMAC under the same key: two
places hold the same secret when their fingerprints are equal, and nobody guesses a weak password from one.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from pydantic import SecretStr

from domain.errors import Damaged

_SHOWN = 16  # hex digits


class Seal:
    """What can be done with a backup key. `key_id` names the key and tells nothing of it."""

    def __init__(self, backup_key: SecretStr) -> None:
        self._key = backup_key.get_secret_value().encode()
        self._fernet = Fernet(self._key)
        self.key_id = self._hmac("key", b"")[:_SHOWN]

    def fingerprint(self, value: bytes) -> str:
        """64 bits of an HMAC: the same for the same value wherever it lies, under this key alone."""
        return self._hmac("fingerprint", value)[:_SHOWN]

    def signature(self, document: Any) -> str:
        """Over a JSON document: who has not the key can neither write nor alter it."""
        return self._hmac("signature", json.dumps(document, sort_keys=True, separators=(",", ":")).encode())

    def is_signed(self, document: Any, signature: str) -> bool:
        """Was this `signature` made over this document with this key?"""
        return hmac.compare_digest(self.signature(document), signature)

    def close(self, document: Any) -> str:
        """The document, sealed, as text."""
        return self._fernet.encrypt(json.dumps(document).encode()).decode()

    def open(self, sealed: str, *, thing: str) -> Any:
        """What `close` was given.

        Raises:
            Damaged: it was altered, or sealed under another key.
        """
        try:
            return json.loads(self._fernet.decrypt(sealed.encode()))
        except (InvalidToken, ValueError):
            cause = "its seal is broken: it was altered, or sealed under another key"
            raise Damaged(thing, cause, "take another recovery point, and find out who wrote to this one") from None

    def _hmac(self, purpose: str, value: bytes) -> str:
        return hmac.new(self._key, purpose.encode() + b"\0" + value, hashlib.sha256).hexdigest()
