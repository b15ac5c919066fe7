"""TLS is always verified, no argument turns that off, and SECURITY.md names the tests."""

from __future__ import annotations

import ast
import inspect
import re
import ssl
from pathlib import Path

import pytest

import nexhealth_async
from nexhealth_async import InvalidArgumentError, NexHealth
from nexhealth_async._client.transport import Transport

_PACKAGE = Path(nexhealth_async.__file__).parent
_SWITCHES = {
    "verify",
    "verify_ssl",
    "ssl_context",
    "fingerprint",
    "ssl_shutdown_timeout",
}
_NAMES = {"CERT_NONE", "CERT_OPTIONAL", "_create_unverified_context"}
_SET_NEVER = {"check_hostname", "verify_mode"}


def test_nothing_in_the_package_can_switch_tls_verification_off() -> None:
    for path in _PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.keyword(arg=str(name)) | ast.arg(arg=name):
                    assert name not in _SWITCHES, f"{path.name} has {name}="
                case ast.Attribute(attr=name, ctx=ast.Store()) if name in _SET_NEVER:
                    raise AssertionError(f"{path.name} sets {name}")
                case ast.Attribute(attr=name) | ast.Name(id=name):
                    assert name not in _NAMES, f"{path.name} names {name}"
                case _:
                    pass


async def test_connections_verify_the_servers_certificate() -> None:
    transport = Transport("https://api.example.com", None)
    transport.open()
    try:
        pooled, single = transport._pooled, transport._own_single()
        assert pooled is not None
        for session in (pooled, single):
            # True is aiohttp's word for its default context, which verifies names and certificates.
            assert getattr(session.connector, "_ssl", None) is True
            assert session.trust_env is False
    finally:
        await transport.close()


def test_only_a_borrowed_client_session_can_change_tls() -> None:
    assert not _SWITCHES & set(inspect.signature(NexHealth).parameters)
    assert "http" in inspect.signature(NexHealth).parameters


@pytest.mark.parametrize("checks", [("check_hostname",), ("check_hostname", "verify_mode")])
def test_an_unverifying_ssl_context_is_refused(checks: tuple[str, ...]) -> None:
    context = ssl.create_default_context()
    NexHealth("a-key", ssl=context)
    for name in checks:
        setattr(context, name, 0)
    with pytest.raises(InvalidArgumentError, match="verifies"):
        NexHealth("a-key", ssl=context)


def test_every_test_named_by_the_security_page_exists() -> None:
    house = Path(__file__).parents[2]
    page = (house / "SECURITY.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(tests/[\w/]+\.py)`", page))
    assert len(named) > 10
    assert [name for name in sorted(named) if not (house / name).is_file()] == []
