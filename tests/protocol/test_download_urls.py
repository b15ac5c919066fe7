"""A file URL is requested on the API's own host, or refused."""

from __future__ import annotations

import pytest

from nexhealth_async._protocol.download_urls import download_call
from nexhealth_async.errors import InvalidArgumentError

BASE = "https://nexhealth.info"


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("/documents/18/download", "/documents/18/download?subdomain=demo"),
        (f"{BASE}/documents/18/download", "/documents/18/download?subdomain=demo"),
        ("/documents/18?subdomain=other", "/documents/18?subdomain=other"),
        ("/documents/18?a=%C3%A9&b", "/documents/18?subdomain=demo&a=%C3%A9&b="),
    ],
)
def test_a_url_on_the_apis_host_is_requested_with_the_practice(url: str, target: str) -> None:
    call = download_call(url, base_url=BASE, subdomain="demo")
    assert call.request(headers={}).target == target


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        "https://evil.example/x",
        "//evil.example/x",
        f"{BASE}.evil.example/x",
        "/x?a=\ud800",
        "/\ud800",
        "/../x",
        "/" + "1" * 4_000,
    ],
    ids=lambda value: ascii(value)[:16],
)
def test_any_other_url_is_refused_without_being_quoted(url: str | None) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        download_call(url, base_url=BASE, subdomain=None)
    assert not url or url not in str(caught.value)
    assert caught.value.__context__ is None
