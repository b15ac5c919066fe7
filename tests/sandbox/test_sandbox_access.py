"""Logins, tokens, versions and scope."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from nexhealth_async.sandbox import Clock, Sandbox
from tests.sandbox.conftest import Dial
from tests.sandbox.raw_client import V2, RawClient


def claims(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    return msgspec.json.decode(raw, type=dict[str, Any])


async def test_login_responds_as_documented(dial: Dial) -> None:
    clock = Clock(datetime(2026, 6, 1, 12, tzinfo=UTC))
    wire = await dial(Sandbox(clock=clock, token_lifetime=120))
    reply = await wire.call(
        "POST", "/authenticates", scope=None, headers={"Authorization": wire.sandbox.api_key}
    )
    assert reply.status == 201
    token = reply.data["token"]
    assert reply.json == {
        "code": True,
        "data": {"token": token},
        "description": "Authenticated",
        "error": [],
    }
    said = claims(token)
    assert set(said) == {"sub", "scp", "iat", "exp", "jti"}
    assert said["scp"] == "api_user"
    assert said["iat"] == int(clock.now())
    assert said["exp"] - said["iat"] == 120
    assert wire.sandbox.logins == 2


@pytest.mark.parametrize("sent", [None, "wrong", "Bearer {key}"])
async def test_login_accepts_only_the_plain_key(wire: RawClient, sent: str | None) -> None:
    headers = {"Authorization": sent.format(key=wire.sandbox.api_key)} if sent else {}
    reply = await wire.call(
        "POST", "/authenticates", scope=None, headers={**V2, **headers}, bare=True
    )
    assert (reply.status, reply.error) == (401, "Unauthorized")
    assert wire.sandbox.logins == 1


async def test_token_expires_on_the_sandboxs_clock(wire: RawClient) -> None:
    assert (await wire.get("/institutions", scope=None)).status == 200
    wire.sandbox.clock.advance(3540)
    assert (await wire.get("/institutions", scope=None)).status == 200
    wire.sandbox.clock.advance(61)
    assert (await wire.get("/institutions", scope=None)).status == 401


async def test_all_tokens_can_be_expired_and_new_ones_work(wire: RawClient) -> None:
    wire.sandbox.expire_tokens()
    assert (await wire.get("/institutions", scope=None)).status == 401
    await wire.login()
    assert (await wire.get("/institutions", scope=None)).status == 200


async def test_forged_and_malformed_tokens_are_rejected(wire: RawClient) -> None:
    good = wire.token
    head, said, _ = good.split(".")
    for authorization in (f"Bearer {head}.{said}.AAAA", good, "Bearer ", wire.sandbox.api_key):
        reply = await wire.call("GET", "/patients", headers={"Authorization": authorization})
        assert reply.status == 401


async def test_revoked_and_rotated_keys(wire: RawClient) -> None:
    old = wire.sandbox.api_key
    assert wire.sandbox.rotate_key() != old
    assert (await wire.get("/institutions", scope=None)).status == 200
    reply = await wire.call("POST", "/authenticates", headers={"Authorization": old})
    assert reply.status == 401
    await wire.login()
    wire.sandbox.revoke_key()
    assert (await wire.get("/institutions", scope=None)).status == 401
    reply = await wire.call(
        "POST", "/authenticates", headers={"Authorization": wire.sandbox.api_key}
    )
    assert reply.status == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Accept": "application/vnd.Nexhealth+json;version=2"}, 200),
        ({"Accept": "application/vnd.Nexhealth+json; version=2"}, 200),
        ({"Nex-Api-Version": "v2"}, 200),
        ({"Nex-Api-Version": "v3.0.0"}, 200),
        ({"Nex-Api-Version": "v20240412", "Accept": V2["Accept"]}, 200),
        ({"Accept": "application/json"}, 404),
        ({"Nex-Api-Version": "v9"}, 404),
        ({}, 404),
    ],
)
async def test_version_is_chosen_by_header(
    wire: RawClient, headers: dict[str, str], status: int
) -> None:
    bearer = {"Authorization": f"Bearer {wire.token}"}
    reply = await wire.call(
        "GET", "/institutions", scope=None, headers={**bearer, **headers}, bare=True
    )
    assert reply.status == status


async def test_v2_can_be_below_the_minimum(wire: RawClient) -> None:
    wire.sandbox.versions = frozenset({"v3"})
    reply = await wire.get("/patients")
    assert (reply.status, reply.error) == (403, "API version 'v2' is below the minimum allowed")


async def test_each_version_has_its_own_paths(wire: RawClient) -> None:
    """Paths of the other version are not found."""
    assert (await wire.get("/claims")).status == 404
    assert (await wire.as_v3().get("/availabilities")).status == 404
    assert (await wire.get("/nonsense")).status == 404
    assert (await wire.call("DELETE", "/patients")).status == 404


async def test_media_type_can_be_switched(wire: RawClient) -> None:
    reply = await wire.get("/patients")
    assert reply.headers["Content-Type"] == "application/vnd.Nexhealth+json;version=2"
    wire.sandbox.media_type = "application/json"
    assert (await wire.get("/patients")).headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("subdomain", "status", "text"),
    [
        (None, 403, "You don't have access to perform this action."),
        ("Sandbox-Dental", 403, "You don't have access to perform this action."),
        ("nobody", 403, "You don't have access to perform this action."),
        ("", 400, "Blank values not allowed for parameter subdomain"),
    ],
)
async def test_subdomain_is_checked(
    wire: RawClient, subdomain: str | None, status: int, text: str
) -> None:
    params = {"location_id": wire.sandbox.location_id}
    sent = params if subdomain is None else {**params, "subdomain": subdomain}
    reply = await wire.get("/patients", sent, scope=None)
    assert (reply.status, reply.error) == (status, text)


async def test_subdomain_in_the_body_is_ignored(wire: RawClient) -> None:
    body = {"subdomain": wire.sandbox.subdomain, "appointment_type": {"name": "New"}}
    assert (await wire.call("POST", "/appointment_types", json=body, scope=None)).status == 403


async def test_location_must_belong_to_the_practice(dial: Dial) -> None:
    wire = await dial(Sandbox(practices=2))
    foreign = wire.sandbox.practices[1].locations.ids[0]
    for location in (12, foreign):
        params = {"location_id": location}
        reply = await wire.get("/patients", params, scope="subdomain")
        assert (reply.status, reply.error) == (404, f"Location with id {location} not found")
    reply = await wire.get("/patients", scope="subdomain")
    assert (reply.status, reply.error) == (400, "Missing parameter location_id")


async def test_edge_can_block_stock_user_agents(wire: RawClient) -> None:
    wire.sandbox.assumptions.block_stock_agents = True
    stock = {"User-Agent": "Python/3.11 aiohttp/3.14"}
    reply = await wire.call("GET", "/patients", headers=stock)
    assert reply.status == 403
    assert reply.headers["Content-Type"] == "text/html"
    assert (await wire.get("/patients")).status == 200


def test_reprs_show_no_secrets() -> None:
    sandbox = Sandbox()
    shown = (
        f"{sandbox!r} {sandbox.keys!r} {sandbox.practice!r} {sandbox.patients!r} {sandbox.clock!r}"
    )
    assert sandbox.api_key not in shown
    assert "not started" in repr(sandbox)
    first = sandbox.patients.row(sandbox.patients.ids[0])
    assert str(first["last_name"]) not in shown


def test_url_before_the_start_raises_with_advice() -> None:
    with pytest.raises(RuntimeError, match="Start the sandbox"):
        _ = Sandbox().url


async def test_start_and_stop_without_a_context_manager() -> None:
    sandbox = Sandbox(patients=1)
    await sandbox.start()
    with pytest.raises(RuntimeError):
        await sandbox.start()
    url = sandbox.url
    await sandbox.stop()
    await sandbox.stop()
    assert sandbox.url == url
    await sandbox.start()
    await sandbox.stop()


def test_clock_wants_a_zone() -> None:
    with pytest.raises(ValueError, match="zone"):
        Clock(datetime(2026, 1, 1))  # noqa: DTZ001 -- the mistake is the case
