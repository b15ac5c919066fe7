"""`NexHealth`, the session: its life cycle, and what resources and walks ask of it."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Literal, Self, TypeVar

import anyio
from attrs import evolve, field, frozen

from nexhealth_async import endpoints as to
from nexhealth_async.attempts import Attempts, Shared
from nexhealth_async.budget import Meter
from nexhealth_async.codec.lazy import LazyDecoder, build_decoder
from nexhealth_async.core.downloads import download_call
from nexhealth_async.core.envelope import (
    read_data,
    read_done,
    read_list,
    read_record,
    read_stream,
    read_token,
)
from nexhealth_async.core.rates import Rates, SharedRates
from nexhealth_async.core.request import (
    Call,
    check_base_url,
    check_subdomain,
    free_call,
    plan,
    version_headers,
    version_name,
)
from nexhealth_async.core.retry import RetryPolicy
from nexhealth_async.discreet import discreet
from nexhealth_async.errors import (
    OutcomeUnknown,
    SessionStateError,
    Unauthorized,
    UndecodableRecord,
    UnexpectedShape,
)
from nexhealth_async.files import Download
from nexhealth_async.follow.ensuring import Webhooks
from nexhealth_async.gates import Gates
from nexhealth_async.hints import practice_locations
from nexhealth_async.observe import watchers
from nexhealth_async.options import OnIgnored, Options, Secret, checked, checked_key, named_agent
from nexhealth_async.pager import reap
from nexhealth_async.scopes import AccountNouns
from nexhealth_async.stores._names import fingerprint
from nexhealth_async.tokens import TokenKeeper, key_refused
from nexhealth_async.transport import Transport
from nexhealth_async.walk import Walk, WalkSettings, check_settings

if TYPE_CHECKING:
    from collections.abc import (
        AsyncIterator,
        Callable,
        Collection,
        Coroutine,
        Iterable,
        Mapping,
        Sequence,
    )
    from types import TracebackType

    import aiohttp

    from nexhealth_async.budget import Budget, Usage
    from nexhealth_async.bulk.face import Bulk
    from nexhealth_async.bulk.planning import Practices
    from nexhealth_async.codec import Codec
    from nexhealth_async.core.envelope import ListReading
    from nexhealth_async.core.request import JSONValue
    from nexhealth_async.core.token_store import TokenStore
    from nexhealth_async.core.wire import Reply
    from nexhealth_async.endpoints import Endpoint, Operation, Row
    from nexhealth_async.hints import PracticeLocation
    from nexhealth_async.observe import Hook
    from nexhealth_async.stats import Stats

__all__ = ["Answer", "NexHealth"]

T = TypeVar("T")

_LOGIN_SECONDS = 30.0
_CLOSE_SECONDS = 5.0
_DEFAULT_TIMEOUT = 60.0


@frozen(kw_only=True)
class Answer:
    """What `NexHealth.request` brings back: the envelope, decoded but not modelled."""

    data: object = field(repr=False)
    count: int | None = None
    page_info: Mapping[str, object] | None = field(default=None, repr=False)
    warnings: tuple[str, ...] = field(default=(), repr=False)


class NexHealth(AccountNouns):
    """A session with the NexHealth API: ``async with NexHealth("api-key") as nex: ...``.

    One session per process and key is the rule: it shares its connections, its token and its rate
    limits among all tasks. It belongs to the event loop it was opened in. For frameworks without
    ``async with`` there are `open` and `aclose`.

    Args:
        api_key: The key; without it the environment's ``NEXHEALTH_API_KEY``.
        base_url: Address of the API; without it ``NEXHEALTH_BASE_URL``, then the vendor's one host
            for production and test environments alike.
        version: ``"v2"``, ``"v3"`` (= ``v3.0.0``) or a literal version of the API.
        subdomain: The practice for calls that name none; scopes are usually clearer.
        location_id: The location for calls that name none.
        timeout: Seconds a call may take, every wait included: login, rate limit, retries, body. In
            a walk it counts for each page, not for your own handling. None waits for ever.
        retry: How often to try again; ``NO_RETRY`` for never.
        rates: The limits to keep; by default the documented ones, per API key. With
            ``nexhealth_async.stores.RedisRates`` all processes with the key keep them together.
        tokens: Where the token is shared with other processes under the same key: see
            `nexhealth_async.stores.RedisTokens`. Without it each session logs in by itself.
        http: An ``aiohttp.ClientSession`` to borrow; it is not closed. Use it for proxies or an
            own TLS context. Its pooled connections may have idled, so that more lost writes end as
            `OutcomeUnknown` than on connections of our own. Its cookie jar goes on working: pass
            ``cookie_jar=aiohttp.DummyCookieJar()`` when making it.
        user_agent: Name of your application, put before the library's own in the User-Agent.
        on_ignored: ``"raise"`` raises `IgnoredFilter` when the server ignored a filter and answered
            with other records; ``"warn"`` warns. After a write it is always a warning.
        preload: Nouns (``"patients"``, ``"appointments"``) whose decoders are built by `open`
            instead of beside the first request that needs them.
        allow_http: True accepts plain ``http://`` beyond the loopback interface: for a sandbox in
            another container, never for patients' records.
        hooks: Objects that are told of every attempt before and after it; see `Hook`.
        budget: How many requests may be sent, for accounts that pay for each; see `Budget`.

    Reference: v2 1.1 to 1.4, getting started.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        version: str = "v2",
        subdomain: str | None = None,
        location_id: int | None = None,
        timeout: float | None = _DEFAULT_TIMEOUT,
        retry: RetryPolicy | None = None,
        rates: Rates | SharedRates | None = None,
        tokens: TokenStore | None = None,
        http: aiohttp.ClientSession | None = None,
        user_agent: str | None = None,
        on_ignored: OnIgnored = "raise",
        preload: Collection[str] = (),
        allow_http: bool = False,
        hooks: Iterable[Hook] = (),
        budget: Budget | None = None,
    ) -> None:
        if api_key is None:
            api_key = os.environ.get("NEXHEALTH_API_KEY")
        key = None if api_key is None else Secret(api_key)
        del api_key  # so that no traceback with local variables shows it
        key = checked_key(key)
        url = base_url or os.environ.get("NEXHEALTH_BASE_URL") or "https://nexhealth.info"
        self._options = checked(
            Options(
                version=version_name(version),
                subdomain=subdomain,
                location_id=location_id,
                timeout=timeout,
                timeout_chosen=timeout != _DEFAULT_TIMEOUT,
                retry=retry or RetryPolicy(),
                on_ignored=on_ignored,
            )
        )
        self._shared = Shared(
            transport=Transport(check_base_url(url, allow_http=allow_http), http),
            gates=Gates(rates or Rates(), fingerprint(key.value)),
            user_agent=named_agent(user_agent),
            hooks=watchers(hooks),
            meter=None if budget is None else Meter(budget),
        )
        keeper = self._shared.keeper = TokenKeeper(lambda: self._log_in(key))
        if tokens is not None:
            environment = self._shared.transport.base_url
            keeper.link = tokens.link(keeper, api_key=key.value, environment=environment)
        self._preload = to.models_of(preload)
        self._is_copy = False
        self._opened_here = False
        self._headers = self._selecting_headers()

    def __repr__(self) -> str:
        """Show host, version and scope, never key or token."""
        if not hasattr(self, "_shared"):  # in the traceback of a constructor that refuses
            return f"<{type(self).__name__}: not made>"
        o, shared = self._options, self._shared
        state = "closed" if shared.closed else "open" if shared.loop else "not open"
        scope = "".join(f", {k}={v!r}" for k, v in self._scope().items() if v is not None)
        return f"<NexHealth {shared.transport.host} {o.version}{scope}: {state}>"

    def _scope(self) -> dict[str, str | int | None]:
        return {"subdomain": self._options.subdomain, "location_id": self._options.location_id}

    # Life cycle

    async def open(self) -> Self:
        """Open the session in the running event loop; ``async with`` does this."""
        shared = self._shared
        if shared.closed:
            raise SessionStateError("the session was closed and stays so; make a new NexHealth")
        if shared.loop is None:
            shared.loop = asyncio.get_running_loop()
            shared.pid = os.getpid()
            try:
                for model in self._preload:
                    await self._make_ready(model)
                self.check_usable()  # it may have been closed meanwhile
                shared.transport.open()
            except BaseException:
                shared.loop = None
                raise
            self._opened_here = True
        elif not self._is_copy:
            raise SessionStateError("the session is open already; use it as it is")
        return self

    async def aclose(self) -> None:
        """Close the session: end its walks and waiters, then its connections.

        Calls under way in other tasks fail with `SessionStateError`, or `OutcomeUnknown` for a
        write that had left. Closing a copy made by `with_options` leaves the original open.
        """
        shared = self._shared
        if shared.closed or (self._is_copy and not self._opened_here):
            return
        if shared.loop is not None:
            self.check_usable()
        shared.closed = True
        shared.gates.close()
        tasks = (*shared.keeper.close(), *shared.tasks)
        try:
            await reap(tasks)
        finally:
            with anyio.move_on_after(_CLOSE_SECONDS, shield=True):
                await shared.gates.aclose()
                await shared.transport.close()
                await shared.keeper.unlink()

    async def __aenter__(self) -> Self:
        """Open the session."""
        return await self.open()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Close the session."""
        await self.aclose()

    @property
    def codec(self) -> Codec:
        """The decoder, a cattrs converter: register hooks here before the first record is read."""
        return self._shared.codec()

    @property
    def stats(self) -> Stats:
        """What the session and its copies have done so far: requests, retries, seconds waited."""
        return self._shared.stats

    @property
    def budget(self) -> tuple[Usage, ...]:
        """How far each limit of ``budget=`` is used, none without one; for an open session."""
        loop, meter = self._shared.loop, self._shared.meter
        return () if meter is None or loop is None else meter.usage(loop.time())

    async def log_in(self) -> float:
        """Log in now if there is no token yet; return how many seconds a token lives.

        Calls log in by themselves. This is for finding out at the start whether the key is good:
        raises `KeyRefused` if it is not, and what else a call may raise.
        """
        self.check_usable()
        token = await self._shared.keeper.get(None)
        return token.lifetime

    # Copies and scopes

    def with_options(
        self,
        *,
        version: str | None = None,
        subdomain: str | None = None,
        location_id: int | None = None,
        timeout: float | Literal["same"] | None = "same",
        retry: RetryPolicy | None = None,
        on_ignored: OnIgnored | None = None,
    ) -> Self:
        """Return a cheap copy that shares connections, token and rates, with other options.

        What is left out stays as it is. ``timeout=None`` waits for ever.
        """
        chosen: dict[str, object] = {
            name: value
            for name, value in (
                ("version", version and version_name(version)),
                ("subdomain", subdomain),
                ("location_id", location_id),
                ("retry", retry),
                ("on_ignored", on_ignored),
            )
            if value is not None
        }
        if timeout != "same":
            chosen |= {"timeout": timeout, "timeout_chosen": True}
        return self._copy(checked(evolve(self._options, **chosen)))  # type: ignore[arg-type]  # names are the options'

    def bound(self, *, subdomain: str, location_id: int | None = None) -> Self:
        """Return a copy bound to a practice or a location; scopes use it."""
        return self._copy(
            evolve(self._options, subdomain=check_subdomain(subdomain), location_id=location_id)
        )

    def _copy(self, options: Options) -> Self:
        copy = object.__new__(type(self))
        copy._options = options
        copy._shared = self._shared
        copy._preload = self._preload
        copy._is_copy = True
        copy._opened_here = False
        copy._headers = copy._selecting_headers()
        return copy

    @property
    def _caller(self) -> Self:
        return self

    # What the resources and walks ask for

    def walk(
        self, endpoint: Endpoint[T], arguments: Mapping[str, object], *ids: int | str
    ) -> Walk[T]:
        """Start a walk of an endpoint of the table; the resources' methods are the usual way."""
        options = {name: value for name, value in arguments.items() if name in _WALK_OPTIONS}
        filters = {name: value for name, value in arguments.items() if name not in _WALK_OPTIONS}
        call = self._plan(endpoint, filters, ids)
        settings = WalkSettings(
            source=self,
            call=call,
            decoder=self._decoder(endpoint),
            **options,  # type: ignore[arg-type]  # checked next, and typed in the TypedDicts
        )
        return Walk(check_settings(settings))

    async def call(
        self, endpoint: Endpoint[T], arguments: Mapping[str, object], *ids: int | str
    ) -> T:
        """Perform an endpoint of the table and decode the record it answers with."""
        value, _ = await self.answered(endpoint, arguments, *ids)
        return value

    async def answered(
        self, endpoint: Endpoint[T], arguments: Mapping[str, object], *ids: int | str
    ) -> tuple[T, int]:
        """As `call`, with the HTTP status: 200 and 201 tell what was found from what was made."""
        call = self._plan(endpoint, arguments, ids)
        await self._make_ready(endpoint.model)
        reading = await self._perform(call, read_record)
        if reading.record is None:
            raise UnexpectedShape("the reply holds no record", operation=call.operation)
        try:
            value, _ = self._decoder(endpoint)(reading.record)
        except UndecodableRecord as error:
            error.operation = call.operation
            if call.safe:
                raise
            raise OutcomeUnknown(
                f"the write was accepted, but its record cannot be read ({error.message}).",
                lookup=call.row.lookup,
                operation=call.operation,
            ) from None
        return value, reading.status

    async def perform(
        self, endpoint: Endpoint[None], arguments: Mapping[str, object], *ids: int | str
    ) -> None:
        """Perform an endpoint of the table that answers with nothing of use."""
        await self._perform(self._plan(endpoint, arguments, ids), read_done)

    @discreet
    def download(self, url: str | None) -> Download:
        """Return a file of the API's own host, to be entered with ``async with``.

        ``url`` is what a record names, such as ``"/documents/18/download"``; credentials are sent
        to no other host. A redirect to where the file is kept is followed without them.
        """
        call = download_call(
            url, base_url=self._shared.transport.base_url, subdomain=self._options.subdomain
        )
        return Download(lambda: self._perform(call, read_stream, streams=True), call.operation)

    async def page(
        self, call: Call, pairs: tuple[tuple[str, str], ...], *, background: bool
    ) -> ListReading:
        """Fetch one page of a listing; walks use it."""
        await self._make_ready(call.endpoint.model)
        return await self._perform(call, read_list, pairs, background=background)

    def spawn(self, work: Coroutine[object, object, ListReading]) -> asyncio.Task[ListReading]:
        """Run a page's request as a task that ends with the session at the latest; walks use it."""
        shared = self._shared
        try:
            self.check_usable()
        except SessionStateError:
            work.close()
            raise
        task = asyncio.get_running_loop().create_task(work)
        shared.tasks.add(task)
        task.add_done_callback(shared.retire)
        return task

    @discreet
    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, object] | None = None,
        json: JSONValue = None,
        safe: bool | None = None,
    ) -> Answer:
        """Call any path of the API, with everything but the model: login, limits, retries, errors.

        Nothing is added to ``params``: give ``subdomain`` and ``location_id`` where the path takes
        them. Lists become repeated ``name[]=`` parameters. ``safe=True`` allows repeating a POST or
        PATCH after a lost reply; reads and DELETE are repeated anyway.
        """
        call = free_call(method, path, params=params or {}, json=json, safe=safe)
        reading = await self._perform(call, read_data)
        return Answer(
            data=reading.data,
            count=reading.count,
            page_info=reading.page_info,
            warnings=reading.warnings,
        )

    def practices(self) -> AsyncIterator[PracticeLocation]:
        """List every location of every practice the key can see, inactive ones too, one by one.

        Each has what a scope wants: ``nex.practice(it.subdomain).location(it.location_id)``. The
        session's own practice and location narrow nothing here.
        """
        return practice_locations(
            self._copy(evolve(self._options, subdomain=None, location_id=None))
        )

    @property
    def webhooks(self) -> Webhooks:
        """Where the events of practices are sent: ``await nex.webhooks.ensure(...)``."""
        alone = evolve(self._options, subdomain=None, location_id=None)
        return Webhooks(
            lambda version: self._copy(
                evolve(alone, version=version_name(version)) if version else alone
            )
        )

    @property
    def bulk(self) -> Bulk:
        """Many lists at once, concurrently and resumably, as batches or into a target.

        A session bound to a practice or a location reads only that unless told otherwise.
        """
        from nexhealth_async.bulk.face import Bulk

        options = self._options
        practices: Practices = None
        if options.subdomain is not None:
            here = options.location_id
            practices = {options.subdomain: None if here is None else [here]}
        return Bulk(
            self._copy(evolve(options, subdomain=None, location_id=None)),
            version=options.version,
            practices=practices,
            rates=self._shared.gates.rates,
        )

    def endpoints(self) -> Sequence[Operation]:
        """List every operation of every version as data; ``authenticates`` goes by itself."""
        return to.operations()

    def _plan(
        self, endpoint: Endpoint[object], arguments: Mapping[str, object], ids: Sequence[int | str]
    ) -> Call:
        options = self._options
        return plan(
            endpoint,
            options.version,
            ids=ids,
            subdomain=options.subdomain,
            location_id=options.location_id,
            arguments=arguments,
        )

    def _decoder(self, endpoint: Endpoint[T]) -> LazyDecoder[T]:
        return LazyDecoder(self._shared.codec, str(endpoint.model))

    async def _make_ready(self, model: str | None) -> None:
        """Build a model's decoder in a thread, once: here it would stall the loop for 20 ms."""
        shared = self._shared
        if model is not None and model not in shared.ready:
            self.check_usable()
            await asyncio.to_thread(build_decoder, model)
            shared.ready.add(model)

    # The way of one call

    def check_usable(self) -> None:
        """Raise `SessionStateError` unless calls can be made here and now; walks use it."""
        shared = self._shared
        if shared.closed:
            raise SessionStateError("the session is closed; open a new one")
        if shared.loop is None:
            raise SessionStateError(
                "the session is not open; use `async with NexHealth(...) as nex:`, or await open()"
            )
        if shared.pid != os.getpid():
            raise SessionStateError(
                "the session was opened before this process was forked; open one after the fork"
            )
        if asyncio.get_running_loop() is not shared.loop:
            raise SessionStateError(
                "the session belongs to another event loop; open one session in each loop"
            )

    def _selecting_headers(self) -> dict[str, str]:
        return {**version_headers(self._options.version), "User-Agent": self._shared.user_agent}

    async def _perform(
        self,
        call: Call,
        read: Callable[[Reply, Row], T],
        pairs: tuple[tuple[str, str], ...] = (),
        *,
        background: bool = False,
        streams: bool = False,
    ) -> T:
        self.check_usable()
        headers = self._headers
        if streams:
            # What comes is no JSON, unless it is a refusal.
            headers = {**headers, "Accept": f"{headers['Accept']}, */*;q=0.8"}
        attempts = Attempts(
            self._shared,
            self._options,
            call,
            headers=headers,
            pairs=pairs,
            background=background,
            streams=streams,
        )
        return await attempts.run(read)

    async def _log_in(self, key: Secret) -> str:
        """Send the login, outside of all that needs a token."""
        self.check_usable()
        attempts = Attempts(
            self._shared,
            evolve(self._options, timeout=_LOGIN_SECONDS, on_ignored="warn"),
            Call(endpoint=_LOGIN, row=to.LOGIN, path=to.LOGIN.path, query=()),
            headers={**self._headers, "Authorization": key.value},
            logs_in=True,
        )
        try:
            return await attempts.run(read_token)
        except Unauthorized as error:
            raise key_refused(error) from None


_LOGIN: Endpoint[object] = to.Endpoint(resource="authenticates", verb="create", model=None)

_WALK_OPTIONS = frozenset(
    {"per_page", "limit", "prefetch", "drift", "passes", "on_bad_record", "after"}
)
