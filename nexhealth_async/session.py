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
from nexhealth_async._client.tls import tls_context
from nexhealth_async._client.token_manager import TokenManager
from nexhealth_async._client.transport import Transport
from nexhealth_async._protocol.api_versions import AUTO
from nexhealth_async._protocol.envelopes import read_data
from nexhealth_async._protocol.key_fingerprint import fingerprint
from nexhealth_async._protocol.proxies import check_proxied_scheme, proxy_from
from nexhealth_async._protocol.rate_limits import Rates, SharedRates
from nexhealth_async._protocol.requests import check_base_url, raw_call
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
    from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
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
"""Seconds that `open` waits for the login; after that, the login continues in the background."""
_CLOSE_SECONDS = 5.0
_DEFAULT_TIMEOUT = 60.0


class _Unset(str):
    """Type of the default version, so that the environment variable applies only to the default."""

    __slots__ = ()


_UNSET = _Unset(AUTO)


@frozen(kw_only=True)
class APIResponse:
    """Response of `NexHealth.request`: the decoded envelope, without models."""

    data: object = field(repr=False)
    """Decoded content of ``data``."""
    count: int | None = None
    """Number of records in the whole list, if the server states it."""
    page_info: Mapping[str, object] | None = field(default=None, repr=False)
    """Cursors of the page, in lists with cursors."""
    warnings: tuple[str, ...] = field(default=(), repr=False)
    """Warnings of the server, which may hold personal data."""


class NexHealth(AccountScope):
    """A session with the NexHealth API: ``async with NexHealth("api-key") as nex: ...``.

    Use one session per process and API key: all tasks share its connections, token and rate limits.
    A session belongs to the event loop in which it was opened. Frameworks without ``async with``
    can call `open` and `aclose`.

    Args:
        api_key: The API key; by default from the environment variable ``NEXHEALTH_API_KEY``.
        base_url: Address of the API; by default from ``NEXHEALTH_BASE_URL``, or else the vendor's
            host, which serves production and test environments.
        version: ``"auto"`` uses v2, or v3 if the account refuses v2. ``"v2"``, ``"v3"``
            (= ``v3.0.0``) or a literal version such as ``"v3.1.0"`` pins a version, which is
            recommended in production. By default from ``NEXHEALTH_API_VERSION``, or else
            ``"auto"``.
        subdomain: Default practice of calls; scopes are usually clearer.
        location_id: Default location of calls.
        timeout: Time limit of a call in seconds, including all waits: login, rate limit, retries,
            body. In a walk it applies to each page, without your own processing. None for no limit.
        retry: The retry policy; ``NO_RETRY`` turns retries off.
        rates: The rate limits to keep; by default the documented ones, per API key.
            ``nexhealth_async.stores.RedisRates`` shares them between processes.
        tokens: Store of tokens shared between processes with the same key, such as
            `nexhealth_async.stores.RedisTokens`. By default each session logs in by itself.
        http: An ``aiohttp.ClientSession`` to use, which stays open. It has its own proxy and TLS
            context, so it excludes the next three arguments. Its pooled connections may have been
            idle, so more lost writes end as `OutcomeUnknownError`. It keeps its cookies: create it
            with ``cookie_jar=aiohttp.DummyCookieJar()``.
        proxy: Address of an HTTP proxy for all requests, including logins and downloads, such as
            ``"http://user:password@proxy.example.com:3128"``.
        ssl: Path of a file of CA certificates (PEM) to trust beside the system's, or an
            ``ssl.SSLContext`` that verifies certificates and host names.
        trust_env: True to take the proxy from ``HTTPS_PROXY`` (or ``ALL_PROXY``), except for the
            hosts in ``NO_PROXY`` and the loopback interface. ``proxy`` takes precedence.
        user_agent: Name of your application, which precedes the library's in the User-Agent.
        on_ignored: ``"raise"`` raises `IgnoredFilterError` if the server ignored a filter, so that
            the response may hold other records; ``"warn"`` warns. Writes always warn.
        preload: Resources (``"patients"``, ``"appointments"``) whose decoders are built by `open`
            instead of the first request that needs them.
        allow_http: True to accept ``http://`` for hosts other than this machine: for a sandbox in
            another container, never for patients' records.
        hooks: Objects that are called before and after each attempt; see `Hook`.
        budget: Limits on the number of requests, for accounts that are billed per request; see
            `Budget`.

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
        del api_key, proxy  # hide them from tracebacks with local variables
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
        token_manager = state.token_manager = TokenManager(
            lambda: client.request_token(key), state.version
        )
        if tokens is not None:
            token_manager.link = tokens.link(
                token_manager, api_key=key.value, environment=state.base_url
            )
        self._preload = models_of(preload)
        self._is_copy = False
        self._opened_here = False

    def __repr__(self) -> str:
        """Show host, version and scope, never key or token."""
        if not hasattr(self, "_session_client"):  # in the traceback of a failed constructor
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

        Under ``version="auto"`` it logs in, which determines the API version. An unreachable or
        failing server raises no error here: the first call determines the version then.

        Raises:
            InvalidAPIKeyError: The key is not accepted (``version="auto"`` only).
            VersionNotEnabledError: The account refuses v2 and v3 (``version="auto"`` only).
            SessionStateError: The session is open already, or was closed.
        """
        state = self._client.state
        if state.closed:
            raise SessionStateError("the session was closed; create a new NexHealth")
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
                await self._determine_version()
        elif not self._is_copy:
            raise SessionStateError("the session is open already; do not open it again")
        return self

    async def _determine_version(self) -> None:
        """Log in to determine the API version; raises only for a final refusal."""
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
                "the login failed (%s), so the API version is undetermined; "
                "the first call determines it",
                type(error).__name__,
            )
        except BaseException:
            await self.aclose()
            raise

    @strip_traceback
    async def aclose(self) -> None:
        """Close the session: cancel its walks and waiting calls, then close its connections.

        Running calls of other tasks raise `SessionStateError`, or `OutcomeUnknownError` for a write
        that was sent. Closing a copy of `with_options` leaves the original open.
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
        """The codec; register cattrs hooks on it before the first record is decoded."""
        return self._client.state.codec()

    @property
    def version(self) -> str | None:
        """The API version of calls; None while ``version="auto"`` is undetermined."""
        pinned = self._client.options.version
        return self._client.state.version.current if pinned == AUTO else pinned

    @property
    def stats(self) -> Stats:
        """Counters of the session and its copies: requests, retries, seconds waited."""
        return self._client.stats

    @property
    def budget(self) -> tuple[Usage, ...]:
        """Usage of each limit of ``budget=``; empty without a budget or before `open`."""
        loop, meter = self._client.state.loop, self._client.state.budget_meter
        return () if meter is None or loop is None else meter.usage(loop.time())

    @strip_traceback
    async def log_in(self) -> float:
        """Log in unless there is a token; return the token's lifetime in seconds.

        Calls log in by themselves. Use this to check the key at startup.

        Raises:
            InvalidAPIKeyError: The key is not accepted.
            NexHealthError: The login failed, as any call may.
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
        """Return a copy with other options that shares connections, token and rate limits.

        Copies are cheap. Options that are left out stay the same.

        Args:
            version: The API version.
            subdomain: Default practice of calls.
            location_id: Default location of calls.
            timeout: Time limit of a call in seconds; None for no limit.
            retry: The retry policy.
            on_ignored: Reaction to ignored filters.
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

    # Calls outside of resources

    @strip_traceback
    def download(self, url: str | None) -> Download:
        """Return the download of a file on the API's host, for ``async with``.

        A redirect to another host is followed without credentials.

        Args:
            url: The address in a record, such as ``"/documents/18/download"``.

        Raises:
            InvalidArgumentError: The address is on another host, or missing.
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
        """Call any path of the API, with login, rate limits, retries and errors, without a model.

        Args:
            method: HTTP method.
            path: Path without query, such as ``"/patients/143776"``.
            params: Query parameters, ``subdomain`` and ``location_id`` included, which are not
                added automatically. Lists are sent as repeated ``name[]=`` parameters.
            json: Body.
            safe: True to allow repeating a POST, PUT or PATCH after a lost response; GET and DELETE
                are repeated by default.

        Raises:
            NexHealthError: The call failed.
        """
        call = raw_call(method, path, params=params or {}, json=json, safe=safe)
        parsed = await self._client.request(call, read_data)
        return APIResponse(
            data=parsed.data,
            count=parsed.count,
            page_info=parsed.page_info,
            warnings=parsed.warnings,
        )

    def practices(self) -> AsyncIterator[PracticeLocation]:
        """Iterate over all locations of all practices that the key can access, inactive ones too.

        For a scope: ``nex.practice(item.subdomain).location(item.location_id)``. The session's
        default practice and location do not apply.
        """
        return practice_locations(self._unscoped(), locations.LIST)

    @property
    def webhooks(self) -> Webhooks:
        """Webhook endpoints and subscriptions: ``await nex.webhooks.ensure(...)``."""
        from nexhealth_async.webhooks import Webhooks

        client = self._unscoped()
        return Webhooks(
            lambda version: (
                client.with_options(version=resolve_version(version)) if version else client
            )
        )

    @property
    def bulk(self) -> Bulk:
        """Bulk pulls: many lists concurrently and resumably, as batches or into a target.

        With a default practice or location, pulls read only that by default.
        """
        from nexhealth_async.bulk import Bulk

        options = self._client.options
        practices: Practices = None
        if options.subdomain is not None:
            location_id = options.location_id
            practices = {options.subdomain: None if location_id is None else [location_id]}
        return Bulk(
            self._unscoped(), practices=practices, rates=self._client.state.rate_limiter.rates
        )

    def _unscoped(self) -> Client:
        return self._client.with_options(subdomain=None, location_id=None)

    def endpoints(self) -> Sequence[Operation]:
        """Return all operations of all API versions as data, except for the login."""
        return operations()


def client_of(session: NexHealth) -> Client:
    """Return the client behind a session, for other packages of this library."""
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
    """Create the transport; raises for arguments that exclude each other."""
    if http is not None and (proxy is not None or ssl is not None or trust_env):
        raise InvalidArgumentError(
            "http= has its own proxy and TLS context; set them on that session, or leave out http="
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
