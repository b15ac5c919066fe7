"""Request handling: versions, tokens, scopes, pages and faults."""

from __future__ import annotations

import asyncio
import inspect
import logging
import random
import re
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, Protocol, cast

import msgspec
from aiohttp import web
from attrs import frozen

from nexhealth_async.sandbox.assumptions import Assumptions, CountAs
from nexhealth_async.sandbox.auth import KeyRing
from nexhealth_async.sandbox.clock import Clock
from nexhealth_async.sandbox.cursors import Cursors
from nexhealth_async.sandbox.faults import FIREWALL_PAGE, Fault, Faults
from nexhealth_async.sandbox.handlers import LOGIN, Router
from nexhealth_async.sandbox.json_format import NO_ACCESS, JsonRow, RequestRejectedError, row
from nexhealth_async.sandbox.late_commits import LateCommit
from nexhealth_async.sandbox.listener import SandboxListener
from nexhealth_async.sandbox.practice import Practice
from nexhealth_async.sandbox.query_params import read
from nexhealth_async.sandbox.rate_limits import RateLimits
from nexhealth_async.sandbox.request_log import RecordedPage, RecordedRequest
from nexhealth_async.sandbox.routes import FileResult, ListResult, Route, SandboxCall, Version
from nexhealth_async.sandbox.state import World
from nexhealth_async.sandbox.v3_fields import with_declared_fields

__all__ = ["MEDIA_TYPE", "RequestHandler", "ServerState"]

_ACCEPT_V2: Final = re.compile(r"application/vnd\.nexhealth\+json;\s*version=2\b", re.IGNORECASE)
_VERSIONS_BY_NAME: Final[dict[str, Version]] = {
    "v2": "v2",
    "v3": "v3",
    "v3.0.0": "v3",
    "v20240412": "v3",
    "v3.1.0": "v3",  # the beta falls back to v3.0.0 for routes it does not change
}
_STOCK_AGENTS: Final = re.compile(r"python|aiohttp|httpx|urllib", re.IGNORECASE)
_BODILESS: Final = frozenset({202, 204})
_log: Final = logging.getLogger("nexhealth_async.sandbox")
MEDIA_TYPE: Final = "application/vnd.Nexhealth+json;version=2"


class ServerState(Protocol):
    """The state of a sandbox that the server uses; see `Sandbox`."""

    seed: int
    clock: Clock
    world: World
    keys: KeyRing
    limits: RateLimits
    faults: Faults
    listener: SandboxListener
    late: list[LateCommit]
    latency: float
    jitter: float
    in_flight: int
    most_in_flight: int
    page_cap: int
    cursor_page_cap: int
    financial_access: bool
    count_as: CountAs
    versions: frozenset[Version]
    media_type: str
    page_callback: Callable[[RecordedPage], Awaitable[None] | None] | None

    @property
    def assumptions(self) -> Assumptions:
        """Assumptions about undocumented behaviour."""
        ...

    def remember(self, request: RecordedRequest) -> None:
        """Record a request."""
        ...

    def commit_due(self) -> int:
        """Process the late requests that are due, and return their number."""
        ...


class RequestHandler:
    """The request handler of a sandbox; it holds no data of practices."""

    def __init__(self, sandbox: ServerState) -> None:
        self._sandbox = sandbox
        self._router = Router()
        self._cursors = Cursors(sandbox.seed)
        self._random = random.Random(sandbox.seed)
        self._reported: set[tuple[tuple[str, int], ...]] = set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request and record it."""
        sandbox = self._sandbox
        version = _requested_version(request)
        route, ids, word = self._router.find(request.method, request.rel_url.raw_path, version)
        recorded = RecordedRequest(
            method=request.method,
            path=request.path,
            query=tuple(request.query.items()),
            headers=_redacted(request),
            at=sandbox.clock.now(),
            port=_port_of(request),
            template=route.path if route else None,
        )
        sandbox.remember(recorded)
        sandbox.in_flight += 1
        sandbox.most_in_flight = max(sandbox.most_in_flight, sandbox.in_flight)
        match = _MatchedRoute(route, ids, word, version)
        try:
            with sandbox.listener.busy(request.protocol):
                return await self._answer(request, match, recorded)
        except (web.HTTPException, ConnectionError):
            raise
        except web.RequestPayloadError:
            recorded.status = 400
            return web.Response(status=400)
        except Exception as error:  # noqa: BLE001 - the client gets a response in any case
            self._report(error)
            recorded.status = 500
            return web.Response(status=500)
        finally:
            sandbox.in_flight -= 1

    def _report(self, error: Exception) -> None:
        """Log a defect of the sandbox, but only once, since clients retry the request."""
        frames = traceback.walk_tb(error.__traceback__)
        place = tuple((frame.f_code.co_filename, line) for frame, line in frames)
        if place not in self._reported:
            self._reported.add(place)
            _log.error("answering 500: the sandbox or one of its callbacks failed", exc_info=error)

    async def _answer(
        self, request: web.Request, match: _MatchedRoute, recorded: RecordedRequest
    ) -> web.StreamResponse:
        sandbox = self._sandbox
        body = await request.read()
        sandbox.commit_due()
        fault = sandbox.faults.take(recorded)
        if fault is not None and fault.kind == "late":
            sandbox.late.append(
                LateCommit(
                    due=sandbox.clock.now() + fault.seconds,
                    method=recorded.method,
                    path=recorded.path,
                    commit=lambda: self._commit(request, match, body),
                )
            )
        if sandbox.latency or sandbox.jitter:
            spread = sandbox.jitter * (2 * self._random.random() - 1)
            await asyncio.sleep(max(0.0, sandbox.latency + spread))
        if fault is not None and fault.kind == "delay":
            await asyncio.sleep(fault.seconds)
        if fault is not None and not fault.is_processed:
            response = _unprocessed(fault)
        else:
            response = await self._reply(request, match, body)
            if fault is not None:
                response = _alter_body(fault, response)
        if fault is not None and (sent := await sandbox.faults.apply(fault, request, response)):
            return sent
        recorded.status = response.status
        return response

    def _commit(self, request: web.Request, match: _MatchedRoute, body: bytes) -> None:
        """Process a request without a response."""
        with suppress(RequestRejectedError):
            self._process(request, match, body)

    async def _reply(self, request: web.Request, match: _MatchedRoute, body: bytes) -> web.Response:
        try:
            envelope, status, page = self._process(request, match, body)
        except RequestRejectedError as error:
            return self._error_response(error, match)
        if page is not None and self._sandbox.page_callback is not None:
            result = self._sandbox.page_callback(page)
            if inspect.isawaitable(result):
                await result
        return (
            envelope
            if isinstance(envelope, web.Response)
            else self._respond(status, envelope, match)
        )

    def _process(
        self, request: web.Request, match: _MatchedRoute, body: bytes
    ) -> tuple[JsonRow | web.Response, int, RecordedPage | None]:
        sandbox = self._sandbox
        route = match.route
        now = sandbox.clock.now()
        agent = request.headers.get("User-Agent", "")
        if sandbox.assumptions.block_stock_agents and (not agent or _STOCK_AGENTS.match(agent)):
            return web.Response(status=403, body=FIREWALL_PAGE, content_type="text/html"), 403, None
        wait = sandbox.limits.wait(route.rate if route else "other", now)
        if wait is not None:
            limited = self._error_response(RequestRejectedError(429, "Too many requests"), match)
            limited.headers.update(sandbox.limits.header(wait, now))
            return limited, 429, None
        version = self._check_version(request, match.version, is_login=route is LOGIN)
        authorization = request.headers.get("Authorization")
        if route is LOGIN:
            return self._login(authorization), 201, None
        if route is not None and not sandbox.keys.accepts(authorization):
            raise RequestRejectedError(401, "Unauthorized")
        if route is None or version not in route.versions:
            raise RequestRejectedError(404, "Resource not found")
        if route.financial and not sandbox.financial_access:
            raise RequestRejectedError(403, NO_ACCESS)
        call, ignored = self._parse_call(request, route, version, match, body)
        result = route.handler(call)
        if isinstance(result, ListResult):
            return self._list_response(route, request, call, result, ignored)
        if isinstance(result.data, FileResult):
            return _file(result.data), result.status, None
        if result.status in _BODILESS:
            return web.Response(status=result.status), result.status, None
        description = result.description or (None if result.omit_count else ignored)
        return self._envelope(call, result.data, description, result.count), result.status, None

    def _check_version(
        self, request: web.Request, version: Version | None, *, is_login: bool
    ) -> Version:
        header = request.headers.get("Nex-Api-Version")
        if header is not None:
            if version is None:
                raise RequestRejectedError(
                    self._sandbox.assumptions.unknown_version_status, "Resource not found"
                )
        elif version is None:
            raise RequestRejectedError(404, "Resource not found")
        any_version_logs_in = self._sandbox.assumptions.any_version_logs_in
        if version in self._sandbox.versions or (is_login and any_version_logs_in):
            return version
        if version == "v2":
            raise RequestRejectedError(403, f"API version '{version}' is below the minimum allowed")
        status = self._sandbox.assumptions.unknown_version_status
        raise RequestRejectedError(status, "Resource not found")

    def _login(self, authorization: str | None) -> JsonRow:
        token = self._sandbox.keys.login(authorization)
        if token is None:
            raise RequestRejectedError(401, "Unauthorized")
        return {
            "code": True,
            "data": {"token": token},
            "description": "Authenticated",
            "error": [],
        }

    def _parse_call(
        self,
        request: web.Request,
        route: Route,
        version: Version,
        match: _MatchedRoute,
        body: bytes,
    ) -> tuple[SandboxCall, str | None]:
        """Return the parsed request, and the sentence about ignored parameters if there are any."""
        world = self._sandbox.world
        query = tuple(request.query.items())
        scope = self._find_scope(route, dict(query))
        params = read(query, route.known)
        missing = [name for name in route.required if name != "subdomain" and name not in params]
        if missing:
            raise RequestRejectedError(400, f"Missing parameter {', '.join(missing)}")
        location_id = params.number("location_id")
        if location_id is not None:
            world.location(location_id, scope)
        if route.path.startswith("/locations/{id}"):
            location_id = match.ids[0]
        if any(location_id in practice.forbidden for practice in world.practices):
            raise RequestRejectedError(403, NO_ACCESS)
        if route.financial and scope is not None and not scope.financial_access:
            raise RequestRejectedError(403, NO_ACCESS)
        description = None
        if params.ignored:
            names = ", ".join(params.ignored)
            description = f"Note that following parameters are ignored: {names}."
        call = SandboxCall(
            world=world,
            version=version,
            ids=match.ids,
            params=params,
            body=self._parse_json(request, body),
            scope=scope,
            now=self._sandbox.clock.now(),
            path_word=match.path_word,
            raw=body,
            content_type=request.headers.get("Content-Type", ""),
        )
        return call, description

    def _find_scope(self, route: Route, query: dict[str, str]) -> Practice | None:
        if "subdomain" not in route.known:
            return None
        subdomain = query.get("subdomain")
        if subdomain is None:
            if "subdomain" in route.required:
                raise RequestRejectedError(403, NO_ACCESS)
            return None
        if not subdomain.strip():
            raise RequestRejectedError(400, "Blank values not allowed for parameter subdomain")
        scope = self._sandbox.world.by_subdomain(subdomain)
        if scope is None:
            raise RequestRejectedError(403, NO_ACCESS)
        return scope

    def _parse_json(self, request: web.Request, body: bytes) -> JsonRow:
        if not body or request.method == "GET" or request.content_type.startswith("multipart/"):
            return {}
        needs_json = self._sandbox.assumptions.refuse_wrong_content_type
        if needs_json and "json" not in request.content_type:
            raise RequestRejectedError(415, "Unsupported media type")
        try:
            parsed = row(cast("object", msgspec.json.decode(body)))
        except (msgspec.DecodeError, UnicodeDecodeError):
            parsed = None
        if parsed is None:
            raise RequestRejectedError(400, "The request body is not a JSON object")
        return parsed

    def _list_response(
        self,
        route: Route,
        request: web.Request,
        call: SandboxCall,
        listing: ListResult,
        description: str | None,
    ) -> tuple[JsonRow, int, RecordedPage]:
        total = len(listing.ids)
        page, per_page = 1, total
        info: JsonRow | None = None
        if route.paging == "cursor":
            requested = _positive_param(call, "per_page", self._sandbox.assumptions.cursor_per_page)
            per_page = min(requested, self._sandbox.cursor_page_cap)
            cursor_page = self._cursors.page(call, request.path, listing, per_page)
            ids, info = cursor_page.ids, cursor_page.info
            page = -(-cursor_page.start // per_page) + 1
        else:
            if route.paging == "numbered":
                page = _positive_param(call, "page", 1)
                per_page = min(_positive_param(call, "per_page", 5), self._sandbox.page_cap)
            ids = listing.ids[(page - 1) * per_page : page * per_page]
        records = [listing.show(id) for id in ids]
        data: object = records if listing.under is None else {listing.under: records}
        envelope = self._envelope(call, data, description, None if info is not None else total)
        if info is not None:
            envelope.pop("count", None)
            envelope["page_info"] = info
        if route.paging == "numbered":
            self._alter_count(envelope, total)
        recorded = RecordedPage(
            path=request.path, page=page, per_page=per_page, count=total, rows=len(records)
        )
        return envelope, 200, recorded

    def _alter_count(self, envelope: JsonRow, total: int) -> None:
        count_as = self._sandbox.count_as
        if count_as == "missing":
            del envelope["count"]
        elif count_as == "string":
            envelope["count"] = str(total)
        elif count_as != "total":
            envelope["count"] = count_as

    def _envelope(
        self, call: SandboxCall, data: object, description: str | None, count: int | None
    ) -> JsonRow:
        envelope: JsonRow = {"code": True, "description": description, "error": None, "data": data}
        assumptions = self._sandbox.assumptions
        if description and assumptions.ignored_in == "error" and "ignored" in description:
            envelope |= {"description": None, "error": [description]}
        envelope["count"] = count
        if call.version == "v3" and not assumptions.undeclared_nulls:
            envelope |= {
                "description": envelope["description"] or "",
                "error": envelope["error"] or [],
                "data": with_declared_fields(data),
            }
            if count is None:
                del envelope["count"]
        return envelope

    def _error_response(self, error: RequestRejectedError, match: _MatchedRoute) -> web.Response:
        status = error.status
        envelope: JsonRow = {
            "code": False,
            "description": None,
            "data": None,
            "error": list(error.texts),
        }
        if match.version == "v3":
            assumptions = self._sandbox.assumptions
            if status == 404 and match.route is not None and match.route.no_404:
                status = assumptions.undeclared_not_found
            if not assumptions.undeclared_nulls:
                envelope |= {"description": "", "data": {}}
        return self._respond(status, envelope, match)

    def _respond(self, status: int, envelope: JsonRow, match: _MatchedRoute) -> web.Response:
        media_type = self._sandbox.media_type
        is_plain = match.version == "v3" and match.route is not None and match.route.is_plain
        if is_plain and media_type == MEDIA_TYPE:
            media_type = "application/json"
        return web.Response(
            status=status,
            body=msgspec.json.encode(envelope),
            headers={"Content-Type": media_type},
        )


@frozen
class _MatchedRoute:
    """The route of a request, its path parameters and its API version."""

    route: Route | None
    ids: tuple[int, ...]
    path_word: str
    version: Version | None


def _requested_version(request: web.Request) -> Version | None:
    header = request.headers.get("Nex-Api-Version")
    if header is not None:
        return _VERSIONS_BY_NAME.get(header)
    return "v2" if _ACCEPT_V2.search(request.headers.get("Accept", "")) else None


def _file(download: FileResult) -> web.Response:
    name = re.sub(r"[^\w. -]", "_", download.filename)
    return web.Response(
        body=download.content,
        headers={
            "Content-Type": download.type,
            "Content-Disposition": f'attachment; filename="{name}"',
        },
    )


def _positive_param(call: SandboxCall, name: str, default: int) -> int:
    value = call.params.number(name)
    if value is not None and value < 1:
        raise RequestRejectedError(400, f"{name} is invalid")
    return default if value is None else value


def _port_of(request: web.Request) -> int | None:
    peer: object = request.transport and request.transport.get_extra_info("peername")
    return cast("tuple[str, int]", peer)[1] if isinstance(peer, tuple) else None


def _redacted(request: web.Request) -> dict[str, str]:
    headers = {name.lower(): value for name, value in request.headers.items()}
    if "authorization" in headers:
        scheme, space, _ = headers["authorization"].partition(" ")
        headers["authorization"] = scheme if space else "bare"
    return headers


def _unprocessed(fault: Fault) -> web.Response:
    if fault.kind == "edge_block":
        return web.Response(status=403, body=FIREWALL_PAGE, content_type="text/html")
    body = fault.body
    if body is None:
        texts = [f"Scripted failure {fault.status}"]
        error = {"code": False, "description": None, "data": None, "error": texts}
        body = msgspec.json.encode(error)
    headers = {"Content-Type": fault.content_type or MEDIA_TYPE, **fault.headers}
    return web.Response(status=fault.status, body=body, headers=headers)


def _alter_body(fault: Fault, response: web.Response) -> web.Response:
    if fault.kind == "empty":
        return web.Response(status=fault.status)
    if fault.kind == "garbage":
        return web.Response(
            status=fault.status,
            body=fault.body,
            headers={"Content-Type": fault.content_type or "text/html"},
        )
    body = response.body if isinstance(response.body, bytes) else b""
    if fault.kind == "truncate":
        return web.Response(
            status=response.status,
            body=body[: len(body) // 2],
            headers={"Content-Type": response.headers["Content-Type"]},
        )
    if fault.kind == "alter":
        return web.Response(
            status=fault.status or response.status,
            body=fault.change(body) if fault.change else body,
            headers={"Content-Type": response.content_type, **fault.headers},
        )
    return response
