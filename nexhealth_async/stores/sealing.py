"""Tokens at rest: named by a fingerprint, readable by who has the API key only."""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from os import urandom

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

__all__ = ["Seal"]

_NONCE = 12


class Seal:
    """Seals the tokens of one key in one environment, and opens what was sealed by the same.

    Both the name and the sealing key are derived from the API key by HKDF with different purposes,
    so neither tells anything of the API key or of the other.
    """

    __slots__ = ("_cipher", "_place", "name")

    def __init__(self, api_key: str, environment: str) -> None:
        naming = _derived(api_key, b"nexhealth_async token name 2")
        self.name: str = hmac.digest(naming, environment.encode(), "sha256").hex()[:32]
        """What all who have this key in this environment call it; nothing can be told from it."""
        self._place = f"{self.name}\n{environment}"
        self._cipher = AESGCM(_derived(api_key, b"nexhealth_async token seal 2"))

    def __repr__(self) -> str:
        return f"<Seal {self.name}>"

    def close(self, token: str, *, generation: int, asked: int) -> str:
        """Return the token sealed, as ASCII; each time another text."""
        nonce = urandom(_NONCE)
        sealed = self._cipher.encrypt(nonce, token.encode(), self._label(generation, asked))
        return b64encode(nonce + sealed).decode()

    def open(self, box: str, *, generation: int, asked: int) -> str | None:
        """Return the token, None if this is no token sealed for just this place and number."""
        try:
            raw = b64decode(box, validate=True)
            label = self._label(generation, asked)
            return self._cipher.decrypt(raw[:_NONCE], raw[_NONCE:], label).decode()
        except (InvalidTag, ValueError):
            return None

    def _label(self, generation: int, asked: int) -> bytes:
        """Return what is bound to the token without being secret."""
        return f"{self._place}\n{generation}\n{asked}".encode()


def _derived(api_key: str, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(api_key.encode())
