"""Fingerprint of an API key, for names in Redis."""

from __future__ import annotations

from hashlib import blake2b

__all__ = ["fingerprint"]


def fingerprint(key: str) -> str:
    """Return a one-way fingerprint of an API key: 32 hexadecimal digits, equal on all machines."""
    return blake2b(key.encode(), digest_size=16, key=b"nexhealth_async fleet").hexdigest()
