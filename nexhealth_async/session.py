"""`NexHealth`, the session: its arguments, its life cycle and its copies."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING, Literal, Self, TypeVar

import anyio
from attrs import evolve, field, frozen

from nexhealth_async._client.budget import BudgetMeter
from nexhealth_async._client.client import Client
from nexhealth_async._client.hooks import make_hooks
from nexhealth_async._client.options import (
    VERSION_VARIABLE,
    OnIgnored,
    Options,
    SecretValue,
    build_user_agent,
    resolve_version,
    validate_key,
    validate_options,
)
from nexhealth_async._client.rate_limiter import RateLimiter
from nexhealth_async._client.state import ClientState
from nexhealth_async._client.token_manager import TokenManager
from nexhealth_async._client.transport import Transport, tls_context
from nexhealth_async._protocol.api_versions import AUTO
from nexhealth_async._protocol.envelopes import (
    read_data,
)
from nexhealth_async._protocol.key_fingerprint import fingerprint
from nexhealth_async._protocol.proxies import check_proxied_scheme, proxy_from
from nexhealth_async._protocol.rate_limits import Rates, SharedRates
from nexhealth_async._protocol.requests import (
    check_base_url,
    raw_call,
)
from nexhealth_async._protocol.retry import RetryPolicy
from nexhealth_async._protocol.traceback_boundary import strip_traceback
from nexhealth_async.errors import (
    InvalidAPIKeyError,
    InvalidArgumentError,
    NexHealthError,
    SessionStateError,
    VersionNotEnabledError,
)
from nexhealth_async.pagination.prefetching import cancel_and_wait
from nexhealth_async.resources import institutions, locations, models_of, operations
from nexhealth_async.scopes import AccountScope
from nexhealth_async.workflows.practice_locations import practice_locations

if TYPE_CHECKING:
    from collections.abc import (
        AsyncIterator,
        Collection,
        Iterable,
        Mapping,
        Sequence,
    )
    from ssl import SSLContext
    from types import TracebackType

    import aiohttp

    from nexhealth_async._client.budget import Budget, Usage
    from nexhealth_async._client.files import Download
    from nexhealth_async._client.hooks import Hook
    from nexhealth_async._client.statistics import Stats
    from nexhealth_async._protocol.operations import Operation
    from nexhealth_async._protocol.requests import JSONValue
    from nexhealth_async._protocol.token_store import TokenStore
    from nexhealth_async.bulk import Bulk, Practices
    from nexhealth_async.codec import Codec
    from nexhealth_async.webhooks import Webhooks
    from nexhealth_async.workflows.practice_locations import PracticeLocation

__all__ = ["APIResponse", "NexHealth", "client_of"]

T = TypeVar("T")

_LOG = logging.getLogger("nexhealth_async")

_VERSION_PROBE_SECONDS = 10.0
"""How long `open` waits for the login that tells the version; afterwards that goes on alone."""
_CLOSE_SECONDS = 5.0
_DEFAULT_TIMEOUT = 60.0


class _Unset(str):
    """The version of who named none, so that the environment may."""

    __slots__ = ()


_UNSET = _Unset(AUTO)


@frozen(kw_only=True)
class APIResponse:
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
            idled, so that more lost writes end as `OutcomeUnknownError` than on connections of our
            own. Its cookie jar goes on working: pass ``cookie_jar=aiohttp.DummyCookieJar()`` when
            making it.
        proxy: Address of an HTTP proxy that every request goes through, logins and downloads too,
            such as ``"http://user:password@proxy.example.com:3128"``.
        ssl: Path of a file of CA certificates (PEM) to trust beside the system's, or an
            ``ssl.SSLContext`` that verifies certificates and host names.
        trust_env: True takes the proxy from ``HTTPS_PROXY`` (or ``ALL_PROXY``), except for the
            hosts of ``NO_PROXY`` and for the loopback interface. ``proxy`` wins over it.
        user_agent: Name of your application, put before the library's own in the User-Agent.
        on_ignored: ``"raise"`` raises `IgnoredFilterError` when the server ignored a filter and
            answered with other records; ``"warn"`` warns. After a write it is always a warning.
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
        version: str = _UNSET,
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
        key = None if api_key is None else SecretValue(api_key)
        proxy_address = None if proxy is None else SecretValue(proxy)
        del api_key, proxy  # so that no traceback with local variables shows them
        key = validate_key(key)
        url = base_url or os.environ.get("NEXHEALTH_BASE_URL") or "https://nexhealth.info"
        options = validate_options(
            Options(
                version=resolve_version(
                    None if version is _UNSET else version, os.environ.get(VERSION_VARIABLE)
                ),
                subdomain=subdomain,
                location_id=location_id,
                timeout=timeout,
                timeout_chosen=timeout != _DEFAULT_TIMEOUT,
                retry=retry or RetryPolicy(),
                on_ignored=on_ignored,
            )
        )
        state = ClientState(
            transport=_transport(
                check_base_url(url, allow_http=allow_http),
                http,
                proxy=proxy_address,
                ssl=ssl,
                trust_env=trust_env,
                allow_http=allow_http,
            ),
            rate_limiter=RateLimiter(rates or Rates(), fingerprint(key.value)),
            list_of_practices=institutions.LIST,
            user_agent=build_user_agent(user_agent),
            hooks=make_hooks(hooks),
            budget_meter=None if budget is None else BudgetMeter(budget),
        )
        client = self._session_client = Client(options, state)
        keeper = state.token_manager = TokenManager(
            lambda: client.request_token(key), state.version
        )
        if tokens is not None:
            keeper.link = tokens.link(keeper, api_key=key.value, environment=state.base_url)
        self._preload = models_of(preload)
        self._is_copy = False
        self._opened_here = False

    def __repr__(self) -> str:
        """Show host, version and scope, never key or token."""
        if not hasattr(self, "_session_client"):  # in the traceback of a constructor that refuses
            return f"<{type(self).__name__}: not made>"
        shared = self._client.state
        state = "closed" if shared.closed else "open" if shared.loop else "not open"
        scope = "".join(f", {k}={v!r}" for k, v in self._scope().items() if v is not None)
        version = self.version or AUTO
        return f"<NexHealth {shared.transport.host} {version}{scope}: {state}>"

    def _scope(self) -> dict[str, str | int | None]:
        options = self._client.options
        return {"subdomain": options.subdomain, "location_id": options.location_id}

    # Life cycle

    @strip_traceback
    async def open(self) -> Self:
        """Open the session in the running event loop; ``async with`` does this.

        Under ``version="auto"`` it logs in, which tells the version. A server that is out of reach
        or fails is no reason to raise: the first call finds out then.

        Raises:
            InvalidAPIKeyError: The key is not accepted (``version="auto"`` only).
            VersionNotEnabledError: The account refuses v2 and v3 (``version="auto"`` only).
            SessionStateError: The session is open already, or was closed.
        """
        state = self._client.state
        if state.closed:
            raise SessionStateError("the session was closed and stays so; make a new NexHealth")
        if state.loop is None:
            state.loop = asyncio.get_running_loop()
            state.pid = os.getpid()
            try:
                await self._client.prepare_decoders(self._preload)
                state.check_usable()  # it may have been closed meanwhile
                state.transport.open()
            except BaseException:
                state.loop = None
                raise
            self._opened_here = True
            if self._client.options.version == AUTO:
                await self._find_version()
        elif not self._is_copy:
            raise SessionStateError("the session is open already; use it as it is")
        return self

    async def _find_version(self) -> None:
        """Log in to learn the version; only a refusal for good keeps the session from opening."""
        deadline = asyncio.get_running_loop().time() + _VERSION_PROBE_SECONDS
        try:
            await self._client.state.token_manager.get(deadline)
        except (InvalidAPIKeyError, VersionNotEnabledError):
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

    @strip_traceback
    async def aclose(self) -> None:
        """Close the session: end its walks and waiters, then its connections.

        Calls under way in other tasks fail with `SessionStateError`, or `OutcomeUnknownError` for a
        write that had left. Closing a copy made by `with_options` leaves the original open.
        """
        state = self._client.state
        if state.closed or (self._is_copy and not self._opened_here):
            return
        if state.loop is not None:
            state.check_usable()
        state.closed = True
        state.rate_limiter.close()
        tasks = (*state.token_manager.close(), *state.tasks)
        try:
            await cancel_and_wait(tasks)
        finally:
            with anyio.move_on_after(_CLOSE_SECONDS, shield=True):
                await state.rate_limiter.aclose()
                await state.transport.close()
                await state.token_manager.unlink()

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
        return self._client.state.codec()

    @property
    def version(self) -> str | None:
        """The API version that calls are made in; None while ``version="auto"`` is undecided."""
        pinned = self._client.options.version
        return self._client.state.version.current if pinned == AUTO else pinned

    @property
    def stats(self) -> Stats:
        """What the session and its copies have done so far: requests, retries, seconds waited."""
        return self._client.stats

    @property
    def budget(self) -> tuple[Usage, ...]:
        """How far each limit of ``budget=`` is used, none without one; for an open session."""
        loop, meter = self._client.state.loop, self._client.state.budget_meter
        return () if meter is None or loop is None else meter.usage(loop.time())

    @strip_traceback
    async def log_in(self) -> float:
        """Log in now if there is no token yet; return how many seconds a token lives.

        Calls log in by themselves. This is for finding out at the start whether the key is good:
        raises `InvalidAPIKeyError` if it is not, and what else a call may raise.
        """
        return await self._client.log_in()

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
                ("version", None if version is None else resolve_version(version)),
                ("subdomain", subdomain),
                ("location_id", location_id),
                ("retry", retry),
                ("on_ignored", on_ignored),
            )
            if value is not None
        }
        if timeout != "same":
            chosen |= {"timeout": timeout, "timeout_chosen": True}
        options = validate_options(evolve(self._client.options, **chosen))  # type: ignore[arg-type]  # names are the options'
        copy = object.__new__(type(self))
        copy._session_client = evolve(self._client, options=options)
        copy._preload = self._preload
        copy._is_copy = True
        copy._opened_here = False
        return copy

    @property
    def _client(self) -> Client:
        return self._session_client

    # Calls beside the resources'

    @strip_traceback
    def download(self, url: str | None) -> Download:
        """Return a file of the API's own host, to be entered with ``async with``.

        ``url`` is what a record names, such as ``"/documents/18/download"``; credentials are sent
        to no other host. A redirect to where the file is kept is followed without them.
        """
        return self._client.download(url)

    @strip_traceback
    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, object] | None = None,
        json: JSONValue = None,
        safe: bool | None = None,
    ) -> APIResponse:
        """Call any path of the API, with everything but the model: login, limits, retries, errors.

        Nothing is added to ``params``: give ``subdomain`` and ``location_id`` where the path takes
        them. Lists become repeated ``name[]=`` parameters. ``safe=True`` allows repeating a POST or
        PATCH after a lost response; reads and DELETE are repeated anyway.
        """
        call = raw_call(method, path, params=params or {}, json=json, safe=safe)
        reading = await self._client.request(call, read_data)
        return APIResponse(
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
        return practice_locations(self._unscoped(), locations.LIST)

    @property
    def webhooks(self) -> Webhooks:
        """Where the events of practices are sent: ``await nex.webhooks.ensure(...)``."""
        from nexhealth_async.webhooks import Webhooks

        client = self._unscoped()
        return Webhooks(
            lambda version: (
                client.with_options(version=resolve_version(version)) if version else client
            )
        )

    @property
    def bulk(self) -> Bulk:
        """Many lists at once, concurrently and resumably, as batches or into a target.

        A session bound to a practice or a location reads only that unless told otherwise.
        """
        from nexhealth_async.bulk import Bulk

        options = self._client.options
        practices: Practices = None
        if options.subdomain is not None:
            here = options.location_id
            practices = {options.subdomain: None if here is None else [here]}
        return Bulk(
            self._unscoped(), practices=practices, rates=self._client.state.rate_limiter.rates
        )

    def _unscoped(self) -> Client:
        return self._client.with_options(subdomain=None, location_id=None)

    def endpoints(self) -> Sequence[Operation]:
        """List every operation of every version as data; ``authenticates`` goes by itself."""
        return operations()


def client_of(session: NexHealth) -> Client:
    """Return the client behind a session, for the packages that are built upon it."""
    return session._client  # noqa: SLF001 - the session's own module


@strip_traceback
def _transport(
    base_url: str,
    http: aiohttp.ClientSession | None,
    *,
    proxy: SecretValue | None,
    ssl: SSLContext | str | os.PathLike[str] | None,
    trust_env: bool,
    allow_http: bool,
) -> Transport:
    """Make the transport, or refuse arguments that contradict each other."""
    if http is not None and (proxy is not None or ssl is not None or trust_env):
        raise InvalidArgumentError(
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
