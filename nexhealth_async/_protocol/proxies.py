"""HTTP proxies from arguments or from the environment.

Credentials are separated from the address and appear in no ``repr`` and no message.
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
    """Parse the address of a proxy; without a scheme it is an HTTP proxy, as in curl.

    Args:
        address: Address such as ``http://user:password@proxy.example.com:3128``.
        source: Name of the argument or variable that holds it, for messages.

    Raises:
        InvalidArgumentError: It is not the address of an HTTP proxy. The message does not show it.
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
            f"{source} is not the address of an HTTP proxy; use http:// or https://"
        )
    user = None if parts.username is None else unquote(parts.username)
    if user and ":" in user:
        raise InvalidArgumentError(f"{source} has a colon in the user name, which HTTP cannot send")
    return Proxy(
        scheme=parts.scheme,
        host=host,
        port=port or _PORTS[parts.scheme],
        user=user,
        password=unquote(parts.password or ""),
    )


def proxy_from_environment(scheme: str, variables: Mapping[str, str]) -> Proxy | None:
    """Return the proxy for a scheme from ``urllib.request.getproxies()``, or else the one for all.

    Raises:
        InvalidArgumentError: The variable does not hold the address of an HTTP proxy.
    """
    for name in (scheme, "all"):
        if address := variables.get(name, "").strip():
            return proxy_from(address, source=f"{name.upper()}_PROXY")
    return None


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine, for which no proxy is used."""
    return _LOOPBACK.fullmatch(host.strip("[]")) is not None


def check_proxied_scheme(base_url: str, *, allow_http: bool) -> None:
    """Check that a proxy is used with TLS, unless plain HTTP is allowed.

    Raises:
        InvalidArgumentError: The proxy and the network could read the key.
    """
    if base_url.startswith("http://") and not allow_http:
        raise InvalidArgumentError(
            "a proxy for an http:// base_url could read the key and records; use https://, or "
            "allow_http=True for a sandbox in another container"
        )
