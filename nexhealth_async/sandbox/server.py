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

from nexhealth_async.sandbox.assumptions import CountAs, Guesses
from nexhealth_async.sandbox.auth import Keys
from nexhealth_async.sandbox.clock import Clock
from nexhealth_async.sandbox.cursors import Cursors
from nexhealth_async.sandbox.faults import EDGE_PAGE, Fault, Faults
from nexhealth_async.sandbox.handlers import LOGIN, Router
from nexhealth_async.sandbox.json_format import NO_ACCESS, Refusal, Row, row
from nexhealth_async.sandbox.late_commits import LateCommit
from nexhealth_async.sandbox.listener import Door
from nexhealth_async.sandbox.practice import Practice
from nexhealth_async.sandbox.query_params import read
from nexhealth_async.sandbox.rate_limits import Limits
from nexhealth_async.sandbox.request_log import PageShown, SeenRequest
from nexhealth_async.sandbox.routes import Call, Download, Listing, Route, Version
from nexhealth_async.sandbox.state import World
from nexhealth_async.sandbox.v3_fields import declared

__all__ = ["MEDIA_TYPE", "Server", "ServerState"]

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
    keys: Keys
    limits: Limits
    faults: Faults
    door: Door
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
    page_callback: Callable[[PageShown], Awaitable[None] | None] | None

    @property
    def guesses(self) -> Guesses:
        """What the vendor's documents leave open."""
        ...

    def remember(self, request: SeenRequest) -> None:
        """Keep a request."""
        ...

    def commit_due(self) -> int:
        """Carry out the late requests that are due."""
        ...


class Server:
    """Answers requests on behalf of a sandbox; holds no practice data itself."""

    def __init__(self, box: ServerState) -> None:
        self._box = box
        self._router = Router()
        self._cursors = Cursors(box.seed)
        self._random = random.Random(box.seed)
        self._reported: set[tuple[tuple[str, int], ...]] = set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request, whatever becomes of it."""
        box = self._box
        spoken = _spoken(request)
        route, ids, word = self._router.find(request.method, request.rel_url.raw_path, spoken)
        seen = SeenRequest(
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
                return await self._answer(request, _Found(route, ids, word, spoken), seen)
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
        self, request: web.Request, found: _Found, seen: SeenRequest
    ) -> web.StreamResponse:
        box = self._box
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
        if fault is not None and not fault.processed:
            reply = _unprocessed(fault)
        else:
            reply = await self._reply(request, found, body)
            if fault is not None:
                reply = _spoiled(fault, reply)
        if fault is not None and (sent := await box.faults.befall(fault, request, reply)):
            return sent
        seen.status = reply.status
        return reply

    def _commit(self, request: web.Request, found: _Found, body: bytes) -> None:
        """Do what a request asks, and answer nobody."""
        with suppress(Refusal):
            self._process(request, found, body)

    async def _reply(self, request: web.Request, found: _Found, body: bytes) -> web.Response:
        try:
            envelope, status, shown = self._process(request, found, body)
        except Refusal as refusal:
            return self._refused(refusal, found)
        if shown is not None and self._box.page_callback is not None:
            told = self._box.page_callback(shown)
            if inspect.isawaitable(told):
                await told
        return (
            envelope
            if isinstance(envelope, web.Response)
            else self._respond(status, envelope, found)
        )

    def _process(
        self, request: web.Request, found: _Found, body: bytes
    ) -> tuple[Row | web.Response, int, PageShown | None]:
        box = self._box
        route = found.route
        now = box.clock.now()
        agent = request.headers.get("User-Agent", "")
        if box.guesses.block_stock_agents and (not agent or _STOCK_AGENTS.match(agent)):
            return web.Response(status=403, body=EDGE_PAGE, content_type="text/html"), 403, None
        wait = box.limits.wait(route.rate if route else "other", now)
        if wait is not None:
            limited = self._refused(Refusal(429, "Too many requests"), found)
            limited.headers.update(box.limits.header(wait, now))
            return limited, 429, None
        version = self._version(request, found.spoken, logs_in=route is LOGIN)
        authorization = request.headers.get("Authorization")
        if route is LOGIN:
            return self._login(authorization), 201, None
        if route is not None and not box.keys.accepts(authorization):
            raise Refusal(401, "Unauthorized")
        if route is None or version not in route.versions:
            raise Refusal(404, "Resource not found")
        if route.financial and not box.financial_access:
            raise Refusal(403, NO_ACCESS)
        call, description = self._call(request, route, version, found, body)
        outcome = route.handler(call)
        if isinstance(outcome, Listing):
            return self._listed(route, request, call, outcome, description)
        if isinstance(outcome.data, Download):
            return _file(outcome.data), outcome.status, None
        if outcome.status in _BODILESS:
            return web.Response(status=outcome.status), outcome.status, None
        told = outcome.description or (None if outcome.quiet else description)
        return self._envelope(call, outcome.data, told, outcome.count), outcome.status, None

    def _version(self, request: web.Request, spoken: Version | None, *, logs_in: bool) -> Version:
        named = request.headers.get("Nex-Api-Version")
        if named is not None:
            if spoken is None:
                raise Refusal(self._box.guesses.unknown_version_status, "Resource not found")
        elif spoken is None:
            raise Refusal(404, "Resource not found")
        if spoken in self._box.versions or (logs_in and self._box.guesses.any_version_logs_in):
            return spoken
        if spoken == "v2":
            raise Refusal(403, f"API version '{spoken}' is below the minimum allowed")
        raise Refusal(self._box.guesses.unknown_version_status, "Resource not found")

    def _login(self, authorization: str | None) -> Row:
        token = self._box.keys.login(authorization)
        if token is None:
            raise Refusal(401, "Unauthorized")
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
        found: _Found,
        body: bytes,
    ) -> tuple[Call, str | None]:
        world = self._box.world
        query = tuple(request.query.items())
        scope = self._scope(route, dict(query))
        params = read(query, route.known)
        missing = [one for one in route.required if one != "subdomain" and one not in params]
        if missing:
            raise Refusal(400, f"Missing parameter {', '.join(missing)}")
        location_id = params.number("location_id")
        if location_id is not None:
            world.location(location_id, scope)
        named = found.ids[0] if route.path.startswith("/locations/{id}") else location_id
        if any(named in practice.forbidden for practice in world.practices):
            raise Refusal(403, NO_ACCESS)
        if route.financial and scope is not None and not scope.financial_access:
            raise Refusal(403, NO_ACCESS)
        description = None
        if params.ignored:
            names = ", ".join(params.ignored)
            description = f"Note that following parameters are ignored: {names}."
        call = Call(
            world=world,
            version=version,
            ids=found.ids,
            params=params,
            body=self._json(request, body),
            scope=scope,
            now=self._box.clock.now(),
            word=found.word,
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
                raise Refusal(403, NO_ACCESS)
            return None
        if not subdomain.strip():
            raise Refusal(400, "Blank values not allowed for parameter subdomain")
        scope = self._box.world.by_subdomain(subdomain)
        if scope is None:
            raise Refusal(403, NO_ACCESS)
        return scope

    def _json(self, request: web.Request, body: bytes) -> Row:
        if not body or request.method == "GET" or request.content_type.startswith("multipart/"):
            return {}
        if self._box.guesses.refuse_wrong_content_type and "json" not in request.content_type:
            raise Refusal(415, "Unsupported media type")
        try:
            read_body = row(cast("object", msgspec.json.decode(body)))
        except (msgspec.DecodeError, UnicodeDecodeError):
            read_body = None
        if read_body is None:
            raise Refusal(400, "The request body is not a JSON object")
        return read_body

    def _listed(
        self,
        route: Route,
        request: web.Request,
        call: Call,
        listing: Listing,
        description: str | None,
    ) -> tuple[Row, int, PageShown]:
        total = len(listing.ids)
        page, per_page = 1, total
        info: Row | None = None
        if route.paging == "cursor":
            asked = _at_least_one(call, "per_page", self._box.guesses.cursor_per_page)
            per_page = min(asked, self._box.cursor_page_cap)
            cut = self._cursors.cut(call, request.path, listing, per_page)
            chosen, info, page = cut.ids, cut.info, -(-cut.start // per_page) + 1
        else:
            if route.paging == "numbered":
                page = _at_least_one(call, "page", 1)
                per_page = min(_at_least_one(call, "per_page", 5), self._box.page_cap)
            chosen = listing.ids[(page - 1) * per_page : page * per_page]
        records = [listing.show(id) for id in chosen]
        data: object = records if listing.under is None else {listing.under: records}
        envelope = self._envelope(call, data, description, None if info is not None else total)
        if info is not None:
            envelope.pop("count", None)
            envelope["page_info"] = info
        if route.paging == "numbered":
            self._misreport(envelope, total)
        shown = PageShown(
            path=request.path, page=page, per_page=per_page, count=total, rows=len(records)
        )
        return envelope, 200, shown

    def _misreport(self, envelope: Row, total: int) -> None:
        count_as = self._box.count_as
        if count_as == "missing":
            del envelope["count"]
        elif count_as == "string":
            envelope["count"] = str(total)
        elif count_as != "total":
            envelope["count"] = count_as

    def _envelope(
        self, call: Call, data: object, description: str | None, count: int | None
    ) -> Row:
        envelope: Row = {"code": True, "description": description, "error": None, "data": data}
        guesses = self._box.guesses
        if description and guesses.ignored_in == "error" and "ignored" in description:
            envelope |= {"description": None, "error": [description]}
        envelope["count"] = count
        if call.version == "v3" and not guesses.undeclared_nulls:
            envelope |= {
                "description": envelope["description"] or "",
                "error": envelope["error"] or [],
                "data": declared(data),
            }
            if count is None:
                del envelope["count"]
        return envelope

    def _refused(self, refusal: Refusal, found: _Found) -> web.Response:
        status = refusal.status
        envelope: Row = {
            "code": False,
            "description": None,
            "data": None,
            "error": list(refusal.texts),
        }
        if found.spoken == "v3":
            guesses = self._box.guesses
            if status == 404 and found.route is not None and found.route.no_404:
                status = guesses.undeclared_not_found
            if not guesses.undeclared_nulls:
                envelope |= {"description": "", "data": {}}
        return self._respond(status, envelope, found)

    def _respond(self, status: int, envelope: Row, found: _Found) -> web.Response:
        media_type = self._box.media_type
        plain = found.spoken == "v3" and found.route is not None and found.route.plain
        if plain and media_type == MEDIA_TYPE:
            media_type = "application/json"
        return web.Response(
            status=status,
            body=msgspec.json.encode(envelope),
            headers={"Content-Type": media_type},
        )


@frozen
class _Found:
    """Where a request leads: its route, what stands in its path, the version it speaks."""

    route: Route | None
    ids: tuple[int, ...]
    word: str
    spoken: Version | None


def _spoken(request: web.Request) -> Version | None:
    named = request.headers.get("Nex-Api-Version")
    if named is not None:
        return _NAMES.get(named)
    return "v2" if _ACCEPT_V2.search(request.headers.get("Accept", "")) else None


def _file(download: Download) -> web.Response:
    name = re.sub(r"[^\w. -]", "_", download.filename)
    return web.Response(
        body=download.content,
        headers={
            "Content-Type": download.type,
            "Content-Disposition": f'attachment; filename="{name}"',
        },
    )


def _at_least_one(call: Call, name: str, default: int) -> int:
    asked = call.params.number(name)
    if asked is not None and asked < 1:
        raise Refusal(400, f"{name} is invalid")
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
        return web.Response(status=403, body=EDGE_PAGE, content_type="text/html")
    body = fault.body
    if body is None:
        texts = [f"Scripted failure {fault.status}"]
        error = {"code": False, "description": None, "data": None, "error": texts}
        body = msgspec.json.encode(error)
    headers = {"Content-Type": fault.content_type or MEDIA_TYPE, **fault.headers}
    return web.Response(status=fault.status, body=body, headers=headers)


def _spoiled(fault: Fault, reply: web.Response) -> web.Response:
    if fault.kind == "empty":
        return web.Response(status=fault.status)
    if fault.kind == "garbage":
        return web.Response(
            status=fault.status,
            body=fault.body,
            headers={"Content-Type": fault.content_type or "text/html"},
        )
    whole = reply.body if isinstance(reply.body, bytes) else b""
    if fault.kind == "truncate":
        return web.Response(
            status=reply.status,
            body=whole[: len(whole) // 2],
            headers={"Content-Type": reply.headers["Content-Type"]},
        )
    if fault.kind == "alter":
        return web.Response(
            status=fault.status or reply.status,
            body=fault.change(whole) if fault.change else whole,
            headers={"Content-Type": reply.content_type, **fault.headers},
        )
    return reply
