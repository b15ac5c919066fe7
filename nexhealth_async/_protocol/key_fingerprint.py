"""What the keys of a fleet are called in Redis: by a fingerprint that does not lead back."""

from __future__ import annotations

from hashlib import blake2b

__all__ = ["fingerprint"]


def fingerprint(key: str) -> str:
    """Return what stands for an API key in names: 32 hexadecimal digits, the same everywhere."""
    return blake2b(key.encode(), digest_size=16, key=b"nexhealth_async fleet").hexdigest()
