"""API keys and signed, short-lived tokens."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import uuid

import msgspec

from nexhealth_async.sandbox.clock import Clock

__all__ = ["KeyRing"]


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class KeyRing:
    """The API key, the tokens issued for it, and their validity."""

    def __init__(self, clock: Clock, lifetime: float, api_key: str | None = None) -> None:
        self.clock = clock
        self.lifetime = lifetime
        self.api_key: str = api_key or self._new_key()
        self.logins: int = 0
        self._revoked = False
        self._secret = secrets.token_bytes(32)
        self._live: dict[str, float] = {}

    def __repr__(self) -> str:
        return f"<Keys: {self.logins} logins>"

    def login(self, authorization: str | None) -> str | None:
        """Return a new token if the header is the bare API key, else None."""
        header = (authorization or "").encode()
        if self._revoked or not hmac.compare_digest(header, self.api_key.encode()):
            return None
        self.logins += 1
        issued = int(self.clock.now())
        expires = issued + self.lifetime
        token_id = str(uuid.uuid4())
        head = _b64(msgspec.json.encode({"alg": "HS256"}))
        claims = _b64(
            msgspec.json.encode(
                {
                    "sub": "1",
                    "scp": "api_user",
                    "iat": issued,
                    "exp": int(expires) if expires == int(expires) else expires,
                    "jti": token_id,
                }
            )
        )
        token = f"{head}.{claims}.{self._sign(f'{head}.{claims}')}"
        self._live[token] = expires
        return token

    def accepts(self, authorization: str | None) -> bool:
        """Return whether this header has a valid token."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme != "Bearer" or token not in self._live:
            return False
        signed, _, signature = token.rpartition(".")
        is_current = self.clock.now() < self._live[token]
        return is_current and hmac.compare_digest(signature, self._sign(signed))

    def expire_all(self) -> None:
        """Reject every token issued so far."""
        self._live.clear()

    def revoke(self) -> None:
        """Reject the API key and its tokens from now on."""
        self._revoked = True
        self._live.clear()

    def rotate(self) -> str:
        """Replace the API key and return the new one; old tokens stay valid until they expire."""
        self._revoked = False
        self.api_key = self._new_key()
        return self.api_key

    def _new_key(self) -> str:
        return "sandbox-" + secrets.token_urlsafe(24)

    def _sign(self, signed: str) -> str:
        return _b64(hmac.new(self._secret, signed.encode(), hashlib.sha256).digest())
