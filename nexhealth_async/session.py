"""`NexHealth`, the session: its life cycle, and what resources and walks ask of it."""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, Self, TypeVar

import anyio
from attrs import evolve, field, frozen

from nexhealth_async._client.budget import Meter
from nexhealth_async._client.call import Attempts, Shared
from nexhealth_async._client.files import Download
from nexhealth_async._client.hooks import watchers
from nexhealth_async._client.options import (
    VERSION_VARIABLE,
    OnIgnored,
    Options,
    Secret,
    checked,
    checked_key,
    chosen_version,
    named_agent,
)
from nexhealth_async._client.rate_limiter import Gates
from nexhealth_async._client.token_manager import TokenKeeper, key_refused
from nexhealth_async._client.transport import Transport, tls_context
from nexhealth_async._protocol.api_versions import AUTO, V2, V3
from nexhealth_async._protocol.download_urls import download_call
from nexhealth_async._protocol.envelopes import (
    read_data,
    read_done,
    read_list,
    read_record,
    read_stream,
    read_token,
)
from nexhealth_async._protocol.http_messages import HiddenText
from nexhealth_async._protocol.key_fingerprint import fingerprint
from nexhealth_async._protocol.operations import LOGIN, Endpoint
from nexhealth_async._protocol.proxies import check_proxied_scheme, proxy_from
from nexhealth_async._protocol.rate_limits import Rates, SharedRates
from nexhealth_async._protocol.requests import (
    Call,
    check_base_url,
    check_subdomain,
    free_call,
    plan,
)
from nexhealth_async._protocol.retry import RetryPolicy
from nexhealth_async._protocol.traceback_boundary import discreet
from nexhealth_async.codec import LazyDecoder, build_decoder
from nexhealth_async.errors import (
    Forbidden,
    InvalidArgument,
    KeyRefused,
    NexHealthError,
    NotFound,
    OutcomeUnknown,
    SessionStateError,
    TimedOut,
    Unauthorized,
    UndecodableRecord,
    UnexpectedShape,
    VersionRefused,
)
from nexhealth_async.pagination.prefetching import reap
from nexhealth_async.pagination.walk import Walk, WalkSettings, check_settings
from nexhealth_async.resources import institutions, locations, models_of, operations
from nexhealth_async.scopes import AccountScope
from nexhealth_async.workflows.practice_locations import practice_locations

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
    from ssl import SSLContext
    from types import TracebackType

    import aiohttp
    from msgspec import Raw

    from nexhealth_async._client.budget import Budget, Usage
    from nexhealth_async._client.hooks import Hook
    from nexhealth_async._client.statistics import Stats
    from nexhealth_async._client.unknown_outcomes import Write
    from nexhealth_async._protocol.envelopes import ListReading
    from nexhealth_async._protocol.http_messages import Reply, Stream
    from nexhealth_async._protocol.operations import Operation, Row
    from nexhealth_async._protocol.requests import JSONValue
    from nexhealth_async._protocol.token_store import TokenStore
    from nexhealth_async.bulk import Bulk, Institution, Practices
    from nexhealth_async.codec import Codec
    from nexhealth_async.webhooks import Webhooks
    from nexhealth_async.workflows.practice_locations import PracticeLocation

__all__ = ["Answer", "NexHealth"]

T = TypeVar("T")

_LOG = logging.getLogger("nexhealth_async")

_LOGIN_SECONDS = 30.0
_GREETING_SECONDS = 10.0
"""How long `open` waits for the login that tells the version; afterwards that goes on alone."""
_CLOSE_SECONDS = 5.0
_DEFAULT_TIMEOUT = 60.0


class _Unsaid(str):
    """The version of who named none, so that the environment may."""

    __slots__ = ()


_UNSAID = _Unsaid(AUTO)


@frozen(kw_only=True)
class Answer:
    """What `NexHealth.request` brings back: the envelope, decoded but not modelled."""

    data: object = field(repr=False)
    count: int | None = None
    page_info: Mapping[str, object] | None = field(default=None, repr=False)
    warnings: tuple[str, ...] = field(default=(), repr=False)


class NexHealth(AccountScope):
    """A session with the NexHealth API: ``async with NexHealth("api-key") as nex: ...``.

    One session per process and key is the rule: it shares its connections, its token and its rate
    limits among all tasks. It belongs to the event loop it was opened in. For frameworks without
    ``async with`` there are `open` and `aclose`.

    Args:
        api_key: The key; without it the environment's ``NEXHEALTH_API_KEY``.
        base_url: Address of the API; without it ``NEXHEALTH_BASE_URL``, then the vendor's one host
            for production and test environments alike.
        version: ``"auto"`` speaks v2, and v3 where the account refuses v2. ``"v2"``, ``"v3"``
            (= ``v3.0.0``) or a literal version such as ``"v3.1.0"`` pins one: recommended in
            production. Without it the environment's ``NEXHEALTH_API_VERSION`` counts.
        subdomain: The practice for calls that name none; scopes are usually clearer.
        location_id: The location for calls that name none.
        timeout: Seconds a call may take, every wait included: login, rate limit, retries, body. In
            a walk it counts for each page, not for your own handling. None waits for ever.
        retry: How often to try again; ``NO_RETRY`` for never.
        rates: The limits to keep; by default the documented ones, per API key. With
            ``nexhealth_async.stores.RedisRates`` all processes with the key keep them together.
        tokens: Where the token is shared with other processes under the same key: see
            `nexhealth_async.stores.RedisTokens`. Without it each session logs in by itself.
        http: An ``aiohttp.ClientSession`` to borrow; it is not closed. It brings its own proxy and
            TLS context, so it excludes the three arguments below. Its pooled connections may have
            idled, so that more lost writes end as `OutcomeUnknown` than on connections of our own.
            Its cookie jar goes on working: pass ``cookie_jar=aiohttp.DummyCookieJar()`` when making
            it.
        proxy: Address of an HTTP proxy that every request goes through, logins and downloads too,
            such as ``"http://user:password@proxy.example.com:3128"``.
        ssl: Path of a file of CA certificates (PEM) to trust beside the system's, or an
            ``ssl.SSLContext`` that verifies certificates and host names.
        trust_env: True takes the proxy from ``HTTPS_PROXY`` (or ``ALL_PROXY``), except for the
            hosts of ``NO_PROXY`` and for the loopback interface. ``proxy`` wins over it.
        user_agent: Name of your application, put before the library's own in the User-Agent.
        on_ignored: ``"raise"`` raises `IgnoredFilter` when the server ignored a filter and answered
            with other records; ``"warn"`` warns. After a write it is always a warning.
        preload: Resources (``"patients"``, ``"appointments"``) whose decoders are built by `open`
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
        version: str = _UNSAID,
        subdomain: str | None = None,
        location_id: int | None = None,
        timeout: float | None = _DEFAULT_TIMEOUT,
        retry: RetryPolicy | None = None,
        rates: Rates | SharedRates | None = None,
        tokens: TokenStore | None = None,
        http: aiohttp.ClientSession | None = None,
        proxy: str | None = None,
        ssl: SSLContext | str | os.PathLike[str] | None = None,
        trust_env: bool = False,
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
        proxy_address = None if proxy is None else Secret(proxy)
        del api_key, proxy  # so that no traceback with local variables shows them
        key = checked_key(key)
        url = base_url or os.environ.get("NEXHEALTH_BASE_URL") or "https://nexhealth.info"
        self._options = checked(
            Options(
                version=chosen_version(
                    None if version is _UNSAID else version, os.environ.get(VERSION_VARIABLE)
                ),
                subdomain=subdomain,
                location_id=location_id,
                timeout=timeout,
                timeout_chosen=timeout != _DEFAULT_TIMEOUT,
                retry=retry or RetryPolicy(),
                on_ignored=on_ignored,
            )
        )
        self._shared = Shared(
            transport=_transport(
                check_base_url(url, allow_http=allow_http),
                http,
                proxy=proxy_address,
                ssl=ssl,
                trust_env=trust_env,
                allow_http=allow_http,
            ),
            gates=Gates(rates or Rates(), fingerprint(key.value)),
            user_agent=named_agent(user_agent),
            hooks=watchers(hooks),
            meter=None if budget is None else Meter(budget),
        )
        keeper = self._shared.keeper = TokenKeeper(lambda: self._log_in(key), self._shared.version)
        if tokens is not None:
            environment = self._shared.transport.base_url
            keeper.link = tokens.link(keeper, api_key=key.value, environment=environment)
        self._preload = models_of(preload)
        self._is_copy = False
        self._opened_here = False

    def __repr__(self) -> str:
        """Show host, version and scope, never key or token."""
        if not hasattr(self, "_shared"):  # in the traceback of a constructor that refuses
            return f"<{type(self).__name__}: not made>"
        shared = self._shared
        state = "closed" if shared.closed else "open" if shared.loop else "not open"
        scope = "".join(f", {k}={v!r}" for k, v in self._scope().items() if v is not None)
        version = self.version or AUTO
        return f"<NexHealth {shared.transport.host} {version}{scope}: {state}>"

    def _scope(self) -> dict[str, str | int | None]:
        return {"subdomain": self._options.subdomain, "location_id": self._options.location_id}

    # Life cycle

    @discreet
    async def open(self) -> Self:
        """Open the session in the running event loop; ``async with`` does this.

        Under ``version="auto"`` it logs in, which tells the version. A server that is out of reach
        or fails is no reason to raise: the first call finds out then.

        Raises:
            KeyRefused: The key is not accepted (``version="auto"`` only).
            VersionRefused: The account refuses v2 and v3 (``version="auto"`` only).
            SessionStateError: The session is open already, or was closed.
        """
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
            if self._options.version == AUTO:
                await self._greet()
        elif not self._is_copy:
            raise SessionStateError("the session is open already; use it as it is")
        return self

    async def _greet(self) -> None:
        """Log in to learn the version; only a refusal for good keeps the session from opening."""
        deadline = self._deadline(_GREETING_SECONDS)
        try:
            await self._shared.keeper.get(deadline)
        except (KeyRefused, VersionRefused):
            await self.aclose()
            raise
        except SessionStateError:
            raise
        except NexHealthError as error:
            _LOG.warning(
                "the API version is not known yet, since the login failed (%s); "
                "the first call finds it out",
                type(error).__name__,
            )
        except BaseException:
            await self.aclose()
            raise

    @discreet
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
    def version(self) -> str | None:
        """The API version that calls are made in; None while ``version="auto"`` is undecided."""
        pinned = self._options.version
        return self._shared.version.spoken if pinned == AUTO else pinned

    @property
    def stats(self) -> Stats:
        """What the session and its copies have done so far: requests, retries, seconds waited."""
        return self._shared.stats

    @property
    def budget(self) -> tuple[Usage, ...]:
        """How far each limit of ``budget=`` is used, none without one; for an open session."""
        loop, meter = self._shared.loop, self._shared.meter
        return () if meter is None or loop is None else meter.usage(loop.time())

    @discreet
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
                ("version", None if version is None else chosen_version(version)),
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
        return copy

    @property
    def _client(self) -> Self:
        return self

    # What the resources and walks ask for

    def walk(
        self, endpoint: Endpoint[T], arguments: Mapping[str, object], *ids: int | str
    ) -> Walk[T]:
        """Start a walk of an endpoint of the table; the resources' methods are the usual way."""
        options = {
            name: value
            for name, value in arguments.items()
            if name in _WALK_OPTIONS and value is not None
        }
        filters = {name: value for name, value in arguments.items() if name not in _WALK_OPTIONS}
        call = self._plan(endpoint, filters, ids)
        settings = WalkSettings(
            source=self,
            call=call,
            versions=None if call.replan is None else self,
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
        call, reading = await self._perform(call, read_record)
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

    async def raw_record(
        self, endpoint: Endpoint[T], arguments: Mapping[str, object], *ids: int | str
    ) -> tuple[Raw, LazyDecoder[T]]:
        """Read one record as JSON; return it with what decodes it. Pulls use this."""
        call = self._plan(endpoint, arguments, ids)
        await self._make_ready(endpoint.model)
        call, reading = await self._perform(call, read_record)
        if reading.record is None:
            raise UnexpectedShape("the reply holds no record", operation=call.operation)
        return reading.record, self._decoder(endpoint)

    async def perform(
        self, endpoint: Endpoint[None], arguments: Mapping[str, object], *ids: int | str
    ) -> None:
        """Perform an endpoint of the table that answers with nothing of use."""
        await self._perform(self._plan(endpoint, arguments, ids), read_done)

    @property
    def late_commit(self) -> float:
        """How many seconds after a lost answer a write may still be carried out."""
        return self._options.retry.late_commit

    def write(self, *identity: object, subdomain: object = None) -> Write:
        """Return the write of this identity in a practice; bookings and creations use it."""
        options = self._options
        return self._shared.unsettled.get(
            subdomain or options.subdomain, *identity, late_commit=options.retry.late_commit
        )

    @discreet
    def download(self, url: str | None) -> Download:
        """Return a file of the API's own host, to be entered with ``async with``.

        ``url`` is what a record names, such as ``"/documents/18/download"``; credentials are sent
        to no other host. A redirect to where the file is kept is followed without them.
        """
        call = download_call(
            url, base_url=self._shared.transport.base_url, subdomain=self._options.subdomain
        )

        async def perform() -> Stream:
            _, stream = await self._perform(self._in_any_version(call), read_stream, streams=True)
            return stream

        return Download(perform, call.operation)

    async def page(
        self, call: Call, pairs: tuple[tuple[str, str], ...], *, background: bool
    ) -> ListReading:
        """Fetch one page of a listing; walks use it."""
        await self._make_ready(call.endpoint.model)
        return await self._attempts(call, pairs=pairs, background=background).run(read_list)

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
        _, reading = await self._perform(self._in_any_version(call), read_data)
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
            self._copy(evolve(self._options, subdomain=None, location_id=None)), locations.LIST
        )

    @property
    def webhooks(self) -> Webhooks:
        """Where the events of practices are sent: ``await nex.webhooks.ensure(...)``."""
        from nexhealth_async.webhooks import Webhooks

        alone = evolve(self._options, subdomain=None, location_id=None)
        return Webhooks(
            lambda version: self._copy(
                evolve(alone, version=chosen_version(version)) if version else alone
            )
        )

    @property
    def bulk(self) -> Bulk:
        """Many lists at once, concurrently and resumably, as batches or into a target.

        A session bound to a practice or a location reads only that unless told otherwise.
        """
        from nexhealth_async.bulk import Bulk

        options = self._options
        practices: Practices = None
        if options.subdomain is not None:
            here = options.location_id
            practices = {options.subdomain: None if here is None else [here]}
        return Bulk(
            _Server(self._shared, evolve(options, subdomain=None, location_id=None), self._copy),
            practices=practices,
            rates=self._shared.gates.rates,
        )

    def endpoints(self) -> Sequence[Operation]:
        """List every operation of every version as data; ``authenticates`` goes by itself."""
        return operations()

    # Which version a call is made in

    def _plan(
        self, endpoint: Endpoint[object], arguments: Mapping[str, object], ids: Sequence[int | str]
    ) -> Call:
        """Spell out a call; under ``"auto"`` for the version that is most likely spoken.

        While that is not known for sure, what only one version would refuse is not refused yet.
        """
        options = self._options

        def plan_for(version: str) -> Call:
            return plan(
                endpoint,
                version,
                ids=ids,
                subdomain=options.subdomain,
                location_id=options.location_id,
                arguments=arguments,
            )

        def replan(version: str) -> Call:
            return evolve(plan_for(version), replan=replan)

        if options.version != AUTO:
            return plan_for(options.version)
        state = self._shared.version
        if state.is_final or state.spoken == V3:
            return plan_for(state.spoken or V3)
        try:
            return replan(V2)
        except (NexHealthError, TypeError):
            with suppress(NexHealthError, TypeError):
                return replan(V3)
            raise

    def _in_any_version(self, call: Call) -> Call:
        """Return a call that is spelled alike in all versions."""
        version = self._options.version
        if version != AUTO:
            return evolve(call, version=version)

        def replan(spoken: str) -> Call:
            return evolve(call, version=spoken)

        return evolve(call, replan=replan)

    async def decided(self, call: Call, deadline: float | None = None) -> Call:
        """Return the call in the version that is spoken, which is found out first; walks use it."""
        if call.replan is None:
            return call
        if deadline is None:
            deadline = self._deadline(self._options.timeout)
        try:
            version = await self._spoken(deadline)
            if version == call.version:
                return call
            try:
                return call.replan(version)
            except (NexHealthError, TypeError):
                if self._shared.version.is_final:
                    raise
            # It would be refused in this version, so it must be sure which one is spoken.
            await self._probe(deadline)
            return call.replan(self._shared.version.spoken or version)
        except NexHealthError as error:
            error.operation = error.operation or call.operation
            raise error.with_traceback(None) from None

    def after_refusal(self, call: Call) -> Call | None:
        """Return the call in another version after its own was refused, if there is one to try."""
        state = self._shared.version
        if call.replan is None or not state.move_on(call.version) or state.spoken is None:
            return None
        return call.replan(state.spoken)

    async def decide_version(self) -> str:
        """Return the version that is spoken, and find it out for sure if need be; pulls use it."""
        pinned = self._options.version
        if pinned != AUTO:
            return pinned
        self.check_usable()
        deadline = self._deadline(self._options.timeout)
        version = await self._spoken(deadline)
        if not self._shared.version.is_final:
            await self._probe(deadline)
        return self._shared.version.spoken or version

    async def _spoken(self, deadline: float | None) -> str:
        """Return the version that the login decided."""
        shared = self._shared
        if shared.version.spoken is None:
            self.check_usable()
            now = asyncio.get_running_loop().time()
            await shared.keeper.get(deadline)
            shared.stats.waited_login += asyncio.get_running_loop().time() - now
        if shared.version.spoken is None:  # the token came from one that did not know it
            await self._probe(deadline, again=False)
        return shared.version.spoken or V2

    async def _probe(self, deadline: float | None, *, again: bool = True) -> None:
        """Find out by the smallest read whether v2 is spoken; one call does so for all.

        With ``again`` also where v2 is spoken already, but no call in it has succeeded yet.
        """
        state, row = self._shared.version, institutions.LIST.v2
        try:
            async with asyncio.timeout_at(deadline), self._shared.probing:
                if state.is_final or state.spoken == V3 or row is None:
                    return
                if state.spoken is not None and not again:
                    return  # another call has found out meanwhile
                call = Call(endpoint=institutions.LIST, row=row, path=row.path, query=())
                pairs = (("per_page", "1"),)
                try:
                    await self._attempts(call, pairs=pairs, deadline=deadline).run(read_list)
                except VersionRefused:
                    if not state.move_on(V2):
                        raise
                except (Forbidden, NotFound):
                    state.adopt(V2)  # the key may not list practices; its version is not refused
                else:
                    state.adopt(V2)
                    state.confirm(V2)
        except TimeoutError:
            raise TimedOut("the call's timeout passed before the API version was known") from None

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

    def _deadline(self, seconds: float | None) -> float | None:
        return None if seconds is None else asyncio.get_running_loop().time() + seconds

    def _attempts(
        self,
        call: Call,
        *,
        pairs: tuple[tuple[str, str], ...] = (),
        background: bool = False,
        streams: bool = False,
        deadline: float | None = None,
    ) -> Attempts:
        self.check_usable()
        headers = self._shared.headers(call.version)
        if streams:
            # What comes is no JSON, unless it is a refusal.
            headers = {**headers, "Accept": f"{headers['Accept']}, */*;q=0.8"}
        return Attempts(
            self._shared,
            self._options,
            call,
            headers=headers,
            deadline=deadline,
            pairs=pairs,
            background=background,
            streams=streams,
        )

    async def _perform(
        self, call: Call, read: Callable[[Reply, Row], T], *, streams: bool = False
    ) -> tuple[Call, T]:
        """Make a call in the version that is spoken; return it as it was made, and the result."""
        self.check_usable()
        deadline = None
        if call.replan is not None:
            deadline = self._deadline(self._options.timeout)
            call = await self.decided(call, deadline)
        while True:
            try:
                result = await self._attempts(call, streams=streams, deadline=deadline).run(read)
            except VersionRefused:
                if (again := self.after_refusal(call)) is None:
                    raise
                call = again
            else:
                return call, result

    async def _log_in(self, key: Secret) -> str:
        """Log in; under ``"auto"`` in v3 too, if the account refuses v2."""
        state, version = self._shared.version, self._options.version
        if version != AUTO:
            return await self._send_login(key, version)
        version = state.spoken or V2
        try:
            token = await self._send_login(key, version)
        except VersionRefused:
            if state.is_final or version == V3:
                raise
            try:
                token = await self._send_login(key, V3)
            except VersionRefused as error:
                error.advice = "the account takes neither v2 nor v3; ask NexHealth which it may use"
                raise
            state.move_on(version)
        else:
            state.adopt(version)
        return token

    async def _send_login(self, key: Secret, version: str) -> str:
        """Send the login, outside of all that needs a token."""
        self.check_usable()
        attempts = Attempts(
            self._shared,
            evolve(self._options, timeout=_LOGIN_SECONDS, on_ignored="warn"),
            Call(endpoint=_LOGIN, row=LOGIN, path=LOGIN.path, query=(), version=version),
            headers={**self._shared.headers(version), "Authorization": HiddenText(key.value)},
            logs_in=True,
        )
        try:
            return await attempts.run(read_token)
        except Unauthorized as error:
            raise key_refused(error) from None


@discreet
def _transport(
    base_url: str,
    http: aiohttp.ClientSession | None,
    *,
    proxy: Secret | None,
    ssl: SSLContext | str | os.PathLike[str] | None,
    trust_env: bool,
    allow_http: bool,
) -> Transport:
    """Make the transport, or refuse arguments that contradict each other."""
    if http is not None and (proxy is not None or ssl is not None or trust_env):
        raise InvalidArgument(
            "http= brings its own proxy and TLS context; set them on the session that you lend, "
            "or leave out http="
        )
    if proxy is not None:
        check_proxied_scheme(base_url, allow_http=allow_http)
    return Transport(
        base_url,
        http,
        proxy=None if proxy is None else proxy_from(proxy.value, source="proxy"),
        context=tls_context(ssl),
        trust_env=trust_env,
    )


@frozen
class _Server:
    """What bulk copies ask of a session that is bound to no practice."""

    _shared: Shared
    _options: Options
    _copy: Callable[[Options], NexHealth]

    @property
    def stats(self) -> Stats:
        return self._shared.stats

    @property
    def base_url(self) -> str:
        return self._shared.transport.base_url

    @property
    def sandbox(self) -> str | None:
        return self._shared.transport.sandbox

    @property
    def version_is_chosen(self) -> bool:
        return self._options.version != AUTO

    @property
    def seen(self) -> tuple[Institution, ...] | None:
        return self._shared.institutions

    def remember(self, seen: tuple[Institution, ...]) -> None:
        self._shared.institutions = seen

    async def version(self) -> str:
        return await self._copy(self._options).decide_version()

    async def log_in(self) -> float:
        return await self._copy(self._options).log_in()

    def speaking(self, version: str) -> NexHealth:
        return self._copy(evolve(self._options, version=version))


_LOGIN: Endpoint[object] = Endpoint(resource="authenticates", verb="create", model=None)

_WALK_OPTIONS = frozenset(
    {"per_page", "limit", "prefetch", "drift", "passes", "on_bad_record", "after"}
)
