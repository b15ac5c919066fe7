"""TLS is verified, no argument of ours turns that off, and SECURITY.md names what is there."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import nexhealth_async
from nexhealth_async import NexHealth
from nexhealth_async.transport import Transport

_PACKAGE = Path(nexhealth_async.__file__).parent
_SWITCHES = {
    "ssl",
    "verify",
    "verify_ssl",
    "ssl_context",
    "fingerprint",
    "trust_env",
    "ssl_shutdown_timeout",
}
_NAMES = {"CERT_NONE", "check_hostname", "verify_mode", "_create_unverified_context"}


def test_nothing_in_the_package_passes_or_takes_a_switch_for_tls() -> None:
    for path in _PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.keyword(arg=str(name)) | ast.arg(arg=name):
                    assert name not in _SWITCHES, f"{path.name} has {name}="
                case ast.Attribute(attr=name) | ast.Name(id=name):
                    assert name not in _NAMES, f"{path.name} names {name}"
                case _:
                    pass


async def test_connections_of_our_own_verify_whom_they_reach() -> None:
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


def test_a_session_takes_no_switch_for_tls_but_a_whole_client_session() -> None:
    assert not _SWITCHES & set(inspect.signature(NexHealth).parameters)
    assert "http" in inspect.signature(NexHealth).parameters


def test_every_proof_that_the_security_page_names_is_there() -> None:
    house = Path(__file__).parents[2]
    page = (house / "SECURITY.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(tests/[\w/]+\.py)`", page))
    assert len(named) > 10
    assert [name for name in sorted(named) if not (house / name).is_file()] == []
