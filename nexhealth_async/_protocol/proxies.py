"""Addresses of HTTP proxies: given by the caller or by the environment.

Credentials in an address are kept apart from it, and no ``repr`` and no message shows them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from attrs import field, frozen

from nexhealth_async.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Proxy", "check_proxied_scheme", "is_loopback", "proxy_from", "proxy_from_environment"]

_PORTS = {"http": 80, "https": 443}
_LOOPBACK = re.compile(r"localhost|127(\.[0-9]{1,3}){3}|::1", re.IGNORECASE)


@frozen(kw_only=True)
class Proxy:
    """An HTTP proxy."""

    scheme: str
    host: str
    port: int
    user: str | None = field(default=None, repr=False)
    password: str = field(default="", repr=False)

    @property
    def url(self) -> str:
        """The address without credentials."""
        return f"{self.scheme}://{self.address}"

    @property
    def address(self) -> str:
        """Host and port, for messages."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def proxy_from(address: str, *, source: str) -> Proxy:
    """Parse the address of a proxy; one without a scheme is an HTTP proxy, as in curl.

    Args:
        address: Such as ``http://user:password@proxy.example.com:3128``.
        source: The argument or variable that holds it, for messages.

    Raises:
        InvalidArgumentError: It is no address of an HTTP proxy. The message does not show it.
    """
    text = address.strip()
    if "://" not in text:
        text = f"http://{text}"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = parts = None
    if parts is None or not host or not host.isprintable() or " " in text:
        raise InvalidArgumentError(
            f"{source} is not the address of a proxy; use a form such as http://proxy:3128"
        )
    if parts.scheme not in _PORTS:
        raise InvalidArgumentError(
            f"{source} names a proxy that is not an HTTP proxy; only http:// and https:// "
            "addresses of proxies can be used"
        )
    user = None if parts.username is None else unquote(parts.username)
    if user and ":" in user:
        raise InvalidArgumentError(
            f"{source} has a colon in the user's name, which HTTP cannot send"
        )
    return Proxy(
        scheme=parts.scheme,
        host=host,
        port=port or _PORTS[parts.scheme],
        user=user,
        password=unquote(parts.password or ""),
    )


def proxy_from_environment(scheme: str, variables: Mapping[str, str]) -> Proxy | None:
    """Return the proxy for a scheme from ``urllib.request.getproxies()``; ``all`` is the default.

    Raises:
        InvalidArgumentError: The variable is no address of an HTTP proxy.
    """
    for name in (scheme, "all"):
        if address := variables.get(name, "").strip():
            return proxy_from(address, source=f"{name.upper()}_PROXY")
    return None


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine, which no proxy is asked for."""
    return _LOOPBACK.fullmatch(host.strip("[]")) is not None


def check_proxied_scheme(base_url: str, *, allow_http: bool) -> None:
    """Refuse a proxy for an address without TLS, unless plain HTTP was asked for.

    Raises:
        InvalidArgumentError: The key would be shown to the proxy and to everyone on the way.
    """
    if base_url.startswith("http://") and not allow_http:
        raise InvalidArgumentError(
            "a proxy for an http:// base_url would see key and records; use https://, or "
            "allow_http=True for a sandbox in another container"
        )
