"""From an HTTP request to its reply: versions, tokens, scope, pages, and the faults ordered."""

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
_NAMES: Final[dict[str, Version]] = {
    "v2": "v2",
    "v3": "v3",
    "v3.0.0": "v3",
    "v20240412": "v3",
    "v3.1.0": "v3",  # the beta falls through to v3.0.0 wherever it has nothing of its own
}
_STOCK_AGENTS: Final = re.compile(r"python|aiohttp|httpx|urllib", re.IGNORECASE)
_BODILESS: Final = frozenset({202, 204})
_log: Final = logging.getLogger("nexhealth_async.sandbox")
MEDIA_TYPE: Final = "application/vnd.Nexhealth+json;version=2"


class ServerState(Protocol):
    """What the server reads and counts of a sandbox; `Sandbox` describes each."""

    seed: int
    clock: Clock
    world: World
    keys: KeyRing
    limits: RateLimits
    faults: Faults
    door: SandboxListener
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
        """What the vendor's documents leave open."""
        ...

    def remember(self, request: RecordedRequest) -> None:
        """Keep a request."""
        ...

    def commit_due(self) -> int:
        """Carry out the late requests that are due."""
        ...


class RequestHandler:
    """Answers requests on behalf of a sandbox; holds no practice data itself."""

    def __init__(self, box: ServerState) -> None:
        self._sandbox = box
        self._router = Router()
        self._cursors = Cursors(box.seed)
        self._random = random.Random(box.seed)
        self._reported: set[tuple[tuple[str, int], ...]] = set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request, whatever becomes of it."""
        box = self._sandbox
        spoken = _requested_version(request)
        route, ids, word = self._router.find(request.method, request.rel_url.raw_path, spoken)
        seen = RecordedRequest(
            method=request.method,
            path=request.path,
            query=tuple(request.query.items()),
            headers=_redacted(request),
            at=box.clock.now(),
            port=_port_of(request),
            template=route.path if route else None,
        )
        box.remember(seen)
        box.in_flight += 1
        box.most_in_flight = max(box.most_in_flight, box.in_flight)
        try:
            with box.door.busy(request.protocol):
                return await self._answer(request, _MatchedRoute(route, ids, word, spoken), seen)
        except (web.HTTPException, ConnectionError):
            raise
        except web.RequestPayloadError:
            seen.status = 400
            return web.Response(status=400)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
            self._report(error)
            seen.status = 500
            return web.Response(status=500)
        finally:
            box.in_flight -= 1

    def _report(self, error: Exception) -> None:
        """Log a defect of the sandbox; once, for a request that fails is sent again and again."""
        frames = traceback.walk_tb(error.__traceback__)
        place = tuple((frame.f_code.co_filename, line) for frame, line in frames)
        if place not in self._reported:
            self._reported.add(place)
            _log.error("answering 500: the sandbox, or a callback of it, failed", exc_info=error)

    async def _answer(
        self, request: web.Request, found: _MatchedRoute, seen: RecordedRequest
    ) -> web.StreamResponse:
        box = self._sandbox
        body = await request.read()
        box.commit_due()
        fault = box.faults.take(seen)
        if fault is not None and fault.kind == "late":
            box.late.append(
                LateCommit(
                    due=box.clock.now() + fault.seconds,
                    method=seen.method,
                    path=seen.path,
                    commit=lambda: self._commit(request, found, body),
                )
            )
        if box.latency or box.jitter:
            spread = box.jitter * (2 * self._random.random() - 1)
            await asyncio.sleep(max(0.0, box.latency + spread))
        if fault is not None and fault.kind == "delay":
            await asyncio.sleep(fault.seconds)
        if fault is not None and not fault.is_processed:
            reply = _unprocessed(fault)
        else:
            reply = await self._reply(request, found, body)
            if fault is not None:
                reply = _alter_body(fault, reply)
        if fault is not None and (sent := await box.faults.apply(fault, request, reply)):
            return sent
        seen.status = reply.status
        return reply

    def _commit(self, request: web.Request, found: _MatchedRoute, body: bytes) -> None:
        """Do what a request asks, and answer nobody."""
        with suppress(RequestRejectedError):
            self._process(request, found, body)

    async def _reply(self, request: web.Request, found: _MatchedRoute, body: bytes) -> web.Response:
        try:
            envelope, status, shown = self._process(request, found, body)
        except RequestRejectedError as refusal:
            return self._refused(refusal, found)
        if shown is not None and self._sandbox.page_callback is not None:
            told = self._sandbox.page_callback(shown)
            if inspect.isawaitable(told):
                await told
        return (
            envelope
            if isinstance(envelope, web.Response)
            else self._respond(status, envelope, found)
        )

    def _process(
        self, request: web.Request, found: _MatchedRoute, body: bytes
    ) -> tuple[JsonRow | web.Response, int, RecordedPage | None]:
        box = self._sandbox
        route = found.route
        now = box.clock.now()
        agent = request.headers.get("User-Agent", "")
        if box.assumptions.block_stock_agents and (not agent or _STOCK_AGENTS.match(agent)):
            return web.Response(status=403, body=FIREWALL_PAGE, content_type="text/html"), 403, None
        wait = box.limits.wait(route.rate if route else "other", now)
        if wait is not None:
            limited = self._refused(RequestRejectedError(429, "Too many requests"), found)
            limited.headers.update(box.limits.header(wait, now))
            return limited, 429, None
        version = self._version(request, found.version, logs_in=route is LOGIN)
        authorization = request.headers.get("Authorization")
        if route is LOGIN:
            return self._login(authorization), 201, None
        if route is not None and not box.keys.accepts(authorization):
            raise RequestRejectedError(401, "AuthenticationError")
        if route is None or version not in route.versions:
            raise RequestRejectedError(404, "Resource not found")
        if route.financial and not box.financial_access:
            raise RequestRejectedError(403, NO_ACCESS)
        call, description = self._call(request, route, version, found, body)
        outcome = route.handler(call)
        if isinstance(outcome, ListResult):
            return self._listed(route, request, call, outcome, description)
        if isinstance(outcome.data, FileResult):
            return _file(outcome.data), outcome.status, None
        if outcome.status in _BODILESS:
            return web.Response(status=outcome.status), outcome.status, None
        told = outcome.description or (None if outcome.omit_count else description)
        return self._envelope(call, outcome.data, told, outcome.count), outcome.status, None

    def _version(self, request: web.Request, spoken: Version | None, *, logs_in: bool) -> Version:
        named = request.headers.get("Nex-Api-Version")
        if named is not None:
            if spoken is None:
                raise RequestRejectedError(
                    self._sandbox.assumptions.unknown_version_status, "Resource not found"
                )
        elif spoken is None:
            raise RequestRejectedError(404, "Resource not found")
        any_logs_in = self._sandbox.assumptions.any_version_logs_in
        if spoken in self._sandbox.versions or (logs_in and any_logs_in):
            return spoken
        if spoken == "v2":
            raise RequestRejectedError(403, f"API version '{spoken}' is below the minimum allowed")
        status = self._sandbox.assumptions.unknown_version_status
        raise RequestRejectedError(status, "Resource not found")

    def _login(self, authorization: str | None) -> JsonRow:
        token = self._sandbox.keys.login(authorization)
        if token is None:
            raise RequestRejectedError(401, "AuthenticationError")
        return {
            "code": True,
            "data": {"token": token},
            "description": "Authenticated",
            "error": [],
        }

    def _call(
        self,
        request: web.Request,
        route: Route,
        version: Version,
        found: _MatchedRoute,
        body: bytes,
    ) -> tuple[SandboxCall, str | None]:
        world = self._sandbox.world
        query = tuple(request.query.items())
        scope = self._scope(route, dict(query))
        params = read(query, route.known)
        missing = [one for one in route.required if one != "subdomain" and one not in params]
        if missing:
            raise RequestRejectedError(400, f"Missing parameter {', '.join(missing)}")
        location_id = params.number("location_id")
        if location_id is not None:
            world.location(location_id, scope)
        named = found.ids[0] if route.path.startswith("/locations/{id}") else location_id
        if any(named in practice.forbidden for practice in world.practices):
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
            ids=found.ids,
            params=params,
            body=self._json(request, body),
            scope=scope,
            now=self._sandbox.clock.now(),
            path_word=found.path_word,
            raw=body,
            content_type=request.headers.get("Content-Type", ""),
        )
        return call, description

    def _scope(self, route: Route, query: dict[str, str]) -> Practice | None:
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

    def _json(self, request: web.Request, body: bytes) -> JsonRow:
        if not body or request.method == "GET" or request.content_type.startswith("multipart/"):
            return {}
        refuses = self._sandbox.assumptions.refuse_wrong_content_type
        if refuses and "json" not in request.content_type:
            raise RequestRejectedError(415, "Unsupported media type")
        try:
            read_body = row(cast("object", msgspec.json.decode(body)))
        except (msgspec.DecodeError, UnicodeDecodeError):
            read_body = None
        if read_body is None:
            raise RequestRejectedError(400, "The request body is not a JSON object")
        return read_body

    def _listed(
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
            asked = _at_least_one(call, "per_page", self._sandbox.assumptions.cursor_per_page)
            per_page = min(asked, self._sandbox.cursor_page_cap)
            cut = self._cursors.page(call, request.path, listing, per_page)
            chosen, info, page = cut.ids, cut.info, -(-cut.start // per_page) + 1
        else:
            if route.paging == "numbered":
                page = _at_least_one(call, "page", 1)
                per_page = min(_at_least_one(call, "per_page", 5), self._sandbox.page_cap)
            chosen = listing.ids[(page - 1) * per_page : page * per_page]
        records = [listing.show(id) for id in chosen]
        data: object = records if listing.under is None else {listing.under: records}
        envelope = self._envelope(call, data, description, None if info is not None else total)
        if info is not None:
            envelope.pop("count", None)
            envelope["page_info"] = info
        if route.paging == "numbered":
            self._alter_count(envelope, total)
        shown = RecordedPage(
            path=request.path, page=page, per_page=per_page, count=total, rows=len(records)
        )
        return envelope, 200, shown

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

    def _refused(self, refusal: RequestRejectedError, found: _MatchedRoute) -> web.Response:
        status = refusal.status
        envelope: JsonRow = {
            "code": False,
            "description": None,
            "data": None,
            "error": list(refusal.texts),
        }
        if found.version == "v3":
            assumptions = self._sandbox.assumptions
            if status == 404 and found.route is not None and found.route.no_404:
                status = assumptions.undeclared_not_found
            if not assumptions.undeclared_nulls:
                envelope |= {"description": "", "data": {}}
        return self._respond(status, envelope, found)

    def _respond(self, status: int, envelope: JsonRow, found: _MatchedRoute) -> web.Response:
        media_type = self._sandbox.media_type
        plain = found.version == "v3" and found.route is not None and found.route.is_plain
        if plain and media_type == MEDIA_TYPE:
            media_type = "application/json"
        return web.Response(
            status=status,
            body=msgspec.json.encode(envelope),
            headers={"Content-Type": media_type},
        )


@frozen
class _MatchedRoute:
    """Where a request leads: its route, what stands in its path, the version it speaks."""

    route: Route | None
    ids: tuple[int, ...]
    path_word: str
    version: Version | None


def _requested_version(request: web.Request) -> Version | None:
    named = request.headers.get("Nex-Api-Version")
    if named is not None:
        return _NAMES.get(named)
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


def _at_least_one(call: SandboxCall, name: str, default: int) -> int:
    asked = call.params.number(name)
    if asked is not None and asked < 1:
        raise RequestRejectedError(400, f"{name} is invalid")
    return default if asked is None else asked


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
    whole = response.body if isinstance(response.body, bytes) else b""
    if fault.kind == "truncate":
        return web.Response(
            status=response.status,
            body=whole[: len(whole) // 2],
            headers={"Content-Type": response.headers["Content-Type"]},
        )
    if fault.kind == "alter":
        return web.Response(
            status=fault.status or response.status,
            body=fault.change(whole) if fault.change else whole,
            headers={"Content-Type": response.content_type, **fault.headers},
        )
    return response
