"""Targets: addresses, paths and names that decide where credentials go."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, unquote

from multidict import CIMultiDict
from yarl import URL

from nexhealth_async._client.transport import Transport, _redirect_target
from nexhealth_async._protocol.download_urls import download_call
from nexhealth_async._protocol.requests import (
    PlannedCall,
    check_base_url,
    check_subdomain,
    raw_call,
)
from tests.fuzz.findings import ChoiceReader, Finding, target
from tests.fuzz.seeds import chosen

_BASES = ("https://nexhealth.info", "https://proxy.example.com:8443/synch", "http://127.0.0.1:8080")


def _text(data: bytes) -> str:
    """Read bytes as text, half a character now and then included."""
    return data.decode("utf-8", "surrogatepass" if b"\xed" in data else "replace")


def _decoded(data: bytes) -> str:
    try:
        return _text(data)
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _bases() -> list[bytes]:
    return [
        *(base.encode() for base in _BASES),
        b"https://nexhealth.info/",
        b"http://localhost",
        b"http://[::1]:80/x",
        b"http://127.0.0.1@evil.example",
        b"https://user:pass@nexhealth.info",
        b"https://nexhealth.info:99999",
        b"https://[::1",
        b"https://\xef\xbc\x8e.example",
        b"https://a..b/%zz",
        b"http://127.1.1.1.evil.example/",
        b"http://127.0.0.1",
        b"http://127.255.255.254:1",
        b"https://xn--a.example",
        b"HTTPS://nexhealth.info",
    ]


@target(seeds=_bases)
def base_url(data: bytes) -> None:
    """A base URL is refused, or every request to it uses TLS or stays on this machine."""
    base = check_base_url(_decoded(data))
    Transport(base, None)
    read, sent = URL(base), URL(base + "/patients?subdomain=demo", encoded=True)
    if (sent.raw_host or "").lower() != read.raw_host or sent.port != read.port:
        raise Finding("the host of a base URL is read in two ways", f"{sent!r}")
    if sent.user is not None or sent.fragment:
        raise Finding("a base URL holds more than an address", f"{sent!r}")
    if sent.scheme == "https":
        return
    local = read.host == "localhost"
    with suppress(ValueError):
        local = local or ip_address(str(read.host)).is_loopback
    if sent.scheme != "http" or not local:
        raise Finding("a key may leave in the clear", f"{sent!r}")


def _paths() -> list[bytes]:
    return [
        chosen(at, path)
        for at in range(len(_BASES))
        for path in (
            b"/patients/7",
            b"//evil.example/x",
            b"/../admin",
            b"/%2e%2e/admin",
            b"/.%2E/x",
            b"/a/%252e%252e/b",
            b"/x?y=1",
            b"/x#y",
            b"/\xc3\xa9",
            b"/a:b@c",
            b"/\\evil.example",
        )
    ]


@target(choices=1, seeds=_paths)
def path_of_a_request(data: bytes) -> None:
    """`nex.request` reaches nothing outside the base URL."""
    feed = ChoiceReader(data)
    base = feed.pick(_BASES)
    _stays(base, raw_call("GET", _decoded(feed.rest), params={"name": "x&y=z"}))


def _links() -> list[bytes]:
    return [
        bytes([at, scoped]) + link
        for at in range(len(_BASES))
        for scoped in range(2)
        for link in (
            b"/documents/18/download",
            b"/documents/18/download?subdomain=other&a=%20&b=+",
            _BASES[at].encode() + b"/documents/18/download?x",
            _BASES[at].encode() + b"@evil.example/documents",
            _BASES[at].encode() + b".evil.example/documents",
            b"https://evil.example/documents/18",
            b"//evil.example/documents",
            b"/\\evil.example",
            b"/%2e%2e/x",
            b"/x?%ff=%ed%a0%80",
            b"/x?a=\xed\xa0\x80",
        )
    ]


@target(choices=2, seeds=_links)
def address_of_a_document(data: bytes) -> None:
    """The file URL of a record is requested on the API's own host, or refused."""
    feed = ChoiceReader(data)
    base, subdomain = feed.pick(_BASES), feed.pick((None, "demo"))
    call = download_call(_decoded(feed.rest), base_url=base, subdomain=subdomain)
    _stays(base, call)


def _stays(base: str, call: PlannedCall) -> None:
    home = URL(base)
    url = URL(base + call.request(headers={}).target, encoded=True)
    if (url.scheme, url.host, url.port, url.user) != (home.scheme, home.host, home.port, None):
        raise Finding("credentials go to another host", f"{url!r}")
    below = home.path.rstrip("/") + "/"
    if not url.path.startswith(below) or ".." in unquote(url.raw_path):
        raise Finding("a path climbs out of the base URL's", f"{url!r}")
    if url.fragment or "\n" in str(url) or " " in str(url):
        raise Finding("a request line can be split", f"{url!r}")


def _hops() -> list[bytes]:
    return [
        bytes([at, status]) + location
        for at in range(len(_BASES))
        for status in range(2)
        for location in (
            b"https://files.example.com/x?sig=1",
            b"http://files.example.com/x",
            b"http://nexhealth.info/x",
            b"//files.example.com/x",
            b"/elsewhere",
            b"file:///etc/passwd",
            b"https://",
            b"https://[::1",
            b"http:nexhealth.info",
            b"https://a:b@files.example.com:99999/",
            b"\xff\xfe",
        )
    ]


@target(choices=2, seeds=_hops)
def redirect_of_a_file(data: bytes) -> None:
    """A file redirect is followed over TLS, or to the plain host of the request only."""
    feed = ChoiceReader(data)
    url = URL(feed.pick(_BASES) + "/documents/18/download")
    headers = CIMultiDict(Location=feed.rest.decode("utf-8", "surrogateescape"))
    reply: Any = SimpleNamespace(status=feed.pick((302, 307)), headers=headers)
    hop = _redirect_target(reply, url)
    if hop is None or hop.scheme == "https":
        return
    if url.scheme == "https":
        raise Finding("a file's redirect leaves TLS", f"{hop!r}")
    if (hop.scheme, hop.host) != (url.scheme, url.host):
        raise Finding("a file's redirect leads to another host in the clear", f"{hop!r}")


def _names() -> list[bytes]:
    return [b"demo-practice", b"Demo", b"a/b", b"a&b=c", b"a\nb", b" ", b"\xe2\x80\xae", b"a%26b"]


@target(seeds=_names)
def subdomain(data: bytes) -> None:
    """A subdomain is refused, or sent as one parameter with exactly this value."""
    name = check_subdomain(_decoded(data))
    call = raw_call("GET", "/patients", params={"subdomain": name})
    query = call.request(headers={}).target.partition("?")[2]
    if parse_qsl(query, keep_blank_values=True, max_num_fields=5) != [("subdomain", name)]:
        raise Finding("a subdomain changes the query", query)
