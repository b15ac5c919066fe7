"""A raw client for the sandbox's tests: plain aiohttp, without the library."""

from __future__ import annotations

from typing import Any, Literal, Self, cast

import aiohttp
import msgspec
from attrs import frozen

from nexhealth_async.sandbox import Sandbox

V2 = {
    "Accept": "application/vnd.Nexhealth+json;version=2",
    "Nex-Api-Version": "v2",
    "User-Agent": "sandbox-tests/1",
}
V3 = {"Nex-Api-Version": "v3.0.0", "User-Agent": "sandbox-tests/1"}
Row = dict[str, Any]


@frozen
class RawResponse:
    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Row:
        return msgspec.json.decode(self.body, type=dict[str, Any])

    @property
    def data(self) -> Any:
        return self.json["data"]

    @property
    def rows(self) -> list[Row]:
        data = self.data
        return cast("list[Row]", data if isinstance(data, list) else data["patients"])

    @property
    def ids(self) -> list[int]:
        return [row["id"] for row in self.rows]

    @property
    def error(self) -> str:
        """The only error text of a response, after checking its envelope."""
        found = self.json
        assert set(found) == {"code", "description", "data", "error"}
        assert found["code"] is False
        assert not found["data"]
        (text,) = found["error"]
        return str(text)


class RawClient:
    """A client of one sandbox; sends subdomain and location by default."""

    def __init__(self, sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
        self.sandbox = sandbox
        self.http = http
        self.token = ""
        self.headers = V2

    def as_v3(self) -> RawClient:
        """The same client, for v3."""
        other = RawClient(self.sandbox, self.http)
        other.token, other.headers = self.token, V3
        return other

    async def login(self) -> Self:
        reply = await self.call(
            "POST", "/authenticates", scope=None, headers={"Authorization": self.sandbox.api_key}
        )
        assert reply.status == 201
        self.token = reply.data["token"]
        return self

    async def call(
        self,
        method: str,
        path: str,
        params: Row | list[tuple[str, Any]] | None = None,
        *,
        scope: Literal["location", "subdomain"] | None = "location",
        headers: dict[str, str] | None = None,
        json: Any = None,
        form: aiohttp.FormData | None = None,
        bare: bool = False,
    ) -> RawResponse:
        query = list(params.items() if isinstance(params, dict) else params or [])
        if scope is not None:
            query.append(("subdomain", self.sandbox.subdomain))
        if scope == "location":
            query.append(("location_id", self.sandbox.location_id))
        sent = {} if bare else {**self.headers, "Authorization": f"Bearer {self.token}"}
        async with self.http.request(
            method,
            self.sandbox.url + path,
            params=[(name, str(value)) for name, value in query],
            headers={**sent, **(headers or {})},
            json=json,
            data=form,
        ) as answer:
            body = await answer.read()
            return RawResponse(answer.status, body, dict(answer.headers))

    async def get(
        self,
        path: str,
        params: Row | list[tuple[str, Any]] | None = None,
        *,
        scope: Literal["location", "subdomain"] | None = "location",
    ) -> RawResponse:
        return await self.call("GET", path, params, scope=scope)

    async def post(self, path: str, json: Any) -> RawResponse:
        return await self.call("POST", path, json=json)

    async def pages(self, path: str, params: Row | None = None, **limits: Any) -> list[RawResponse]:
        """All pages of a v3 list, forward."""
        found: list[RawResponse] = []
        cursor = ""
        while True:
            found.append(await self.get(path, {**(params or {}), **limits, "end_cursor": cursor}))
            info = found[-1].json["page_info"]
            if not info["has_next_page"]:
                return found
            cursor = info["end_cursor"]
