"""Client behind sessions and scopes: calls, pages, logins and the choice of the API version.

A client is a pair of options and shared state. Copies differ in their options only.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, TypedDict, TypeVar

from attrs import define, evolve, field

from nexhealth_async._client.call import CallRunner
from nexhealth_async._client.files import Download
from nexhealth_async._client.token_manager import invalid_key_error
from nexhealth_async._protocol.api_versions import AUTO, V2, V3
from nexhealth_async._protocol.download_urls import download_call
from nexhealth_async._protocol.envelopes import (
    read_empty,
    read_list,
    read_record,
    read_stream,
    read_token,
)
from nexhealth_async._protocol.http_messages import HiddenText
from nexhealth_async._protocol.operations import LOGIN, Endpoint
from nexhealth_async._protocol.requests import PlannedCall, plan
from nexhealth_async.codec import LazyDecoder, build_decoder
from nexhealth_async.errors import (
    APITimeoutError,
    AuthenticationError,
    NexHealthError,
    NotFoundError,
    OutcomeUnknownError,
    PermissionDeniedError,
    SessionStateError,
    UndecodableRecordError,
    UnexpectedStructureError,
    VersionNotEnabledError,
)
from nexhealth_async.pagination.walk import Walk, WalkConfig, check_config

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from typing import Unpack

    from msgspec import Raw

    from nexhealth_async._client.options import Options, SecretValue
    from nexhealth_async._client.state import ClientState
    from nexhealth_async._client.statistics import Stats
    from nexhealth_async._client.unknown_outcomes import PendingWrite
    from nexhealth_async._protocol.envelopes import ParsedList, ParsedRecord
    from nexhealth_async._protocol.http_messages import Response, Stream
    from nexhealth_async._protocol.operations import OperationSpec

__all__ = ["Client", "OptionChanges"]

T = TypeVar("T")

_LOGIN_SECONDS = 30.0
_LOGIN: Endpoint[object] = Endpoint(resource="authenticates", verb="create", model=None)
_WALK_OPTIONS = frozenset(
    {"per_page", "limit", "prefetch", "drift", "passes", "on_bad_record", "after"}
)


class OptionChanges(TypedDict, total=False):
    """Validated options of a copy of a client."""

    version: str
    subdomain: str | None
    location_id: int | None


@define(eq=False)
class Client:
    """Sends the calls of resources, workflows and bulk copies."""

    options: Options
    state: ClientState = field(repr=False)

    def with_options(self, **changes: Unpack[OptionChanges]) -> Client:
        """Return a client of the same session with other options."""
        return evolve(self, options=evolve(self.options, **changes))

    @property
    def stats(self) -> Stats:
        """Counters of the session and its copies."""
        return self.state.stats

    # Calls

    def walk(
        self, endpoint: Endpoint[T], arguments: Mapping[str, object], *ids: int | str
    ) -> Walk[T]:
        """Create the walk of a list."""
        options = {
            name: value
            for name, value in arguments.items()
            if name in _WALK_OPTIONS and value is not None
        }
        filters = {name: value for name, value in arguments.items() if name not in _WALK_OPTIONS}
        settings = WalkConfig(
            source=self,
            call=self._plan(endpoint, filters, ids),
            decoder=self._decoder(endpoint),
            **options,  # type: ignore[arg-type]  # checked next, and typed in the TypedDicts
        )
        return Walk(check_config(settings))

    # `call`, `call_with_status` and `get_raw` repeat each other to save a coroutine per call.

    async def call(
        self, endpoint: Endpoint[T], arguments: Mapping[str, object], *ids: int | str
    ) -> T:
        """Send one operation and decode the record in the response."""
        call = self._plan(endpoint, arguments, ids)
        if endpoint.model not in self.state.ready:
            await self._prepare_decoder(endpoint.model)
        runner = self._runner(call)
        return self._decode(endpoint, runner, await runner.run(read_record))

    async def call_with_status(
        self, endpoint: Endpoint[T], arguments: Mapping[str, object], *ids: int | str
    ) -> tuple[T, int]:
        """Like `call`, with the HTTP status: 201 for a created record, 200 for an existing one."""
        call = self._plan(endpoint, arguments, ids)
        if endpoint.model not in self.state.ready:
            await self._prepare_decoder(endpoint.model)
        runner = self._runner(call)
        parsed = await runner.run(read_record)
        return self._decode(endpoint, runner, parsed), parsed.status

    async def get_raw(
        self, endpoint: Endpoint[T], arguments: Mapping[str, object], *ids: int | str
    ) -> tuple[Raw, LazyDecoder[T]]:
        """Get one record as JSON with its decoder, for pulls."""
        call = self._plan(endpoint, arguments, ids)
        if endpoint.model not in self.state.ready:
            await self._prepare_decoder(endpoint.model)
        runner = self._runner(call)
        return _record_of(runner, await runner.run(read_record)), self._decoder(endpoint)

    async def execute(
        self, endpoint: Endpoint[None], arguments: Mapping[str, object], *ids: int | str
    ) -> None:
        """Send an operation whose response holds no record."""
        await self._runner(self._plan(endpoint, arguments, ids)).run(read_empty)

    async def request(self, call: PlannedCall, read: Callable[[Response, OperationSpec], T]) -> T:
        """Send a call that is the same in all API versions."""
        return await self._runner(self._in_session_version(call)).run(read)

    def download(self, url: str | None) -> Download:
        """Return the download of a file on the API's host, for ``async with``.

        Args:
            url: The address in a record, such as ``"/documents/18/download"``.
        """
        call = download_call(url, base_url=self.state.base_url, subdomain=self.options.subdomain)

        async def begin() -> Stream:
            runner = self._runner(self._in_session_version(call), streams=True)
            return await runner.run(read_stream)

        return Download(begin, call.operation)

    def pending_write(self, *identity: object, subdomain: object = None) -> PendingWrite:
        """Return the pending write with this identity, unique in a practice."""
        options = self.options
        return self.state.pending_writes.get(
            subdomain or options.subdomain, *identity, late_commit=options.retry.late_commit_window
        )

    def _runner(self, call: PlannedCall, *, streams: bool = False) -> CallRunner:
        self.state.check_usable()
        return CallRunner(self, call, streams=streams)

    def _decoder(self, endpoint: Endpoint[T]) -> LazyDecoder[T]:
        return LazyDecoder(self.state.codec, str(endpoint.model))

    def _decode(self, endpoint: Endpoint[T], runner: CallRunner, parsed: ParsedRecord) -> T:
        try:
            value, _ = self._decoder(endpoint)(_record_of(runner, parsed))
        except UndecodableRecordError as error:
            call = runner.call
            error.operation = call.operation
            if call.safe:
                raise
            raise OutcomeUnknownError(
                f"the write was accepted, but its record cannot be read ({error.message}).",
                lookup=call.spec.lookup_hint,
                operation=call.operation,
            ) from None
        return value

    async def _prepare_decoder(self, model: str | None) -> None:
        """Build a model's decoder in a thread, once; it would block the event loop for 20 ms."""
        state = self.state
        if model is not None and model not in state.ready:
            state.check_usable()
            await asyncio.to_thread(build_decoder, model)
            state.ready.add(model)

    async def prepare_decoders(self, models: Iterable[str]) -> None:
        """Build decoders before the first call that needs them."""
        for model in models:
            await self._prepare_decoder(model)

    # Pages (`nexhealth_async.pagination.prefetching.PageSource`)

    async def fetch_page(
        self,
        call: PlannedCall,
        pairs: tuple[tuple[str, str], ...],
        *,
        background: bool,
        slots: AbstractAsyncContextManager[object],
    ) -> ParsedList:
        """Fetch one page; a prefetched one waits for the rate limit without a deadline."""
        async with slots:
            if call.endpoint.model not in self.state.ready:
                await self._prepare_decoder(call.endpoint.model)
            self.state.check_usable()
            runner = CallRunner(self, call, pairs=pairs, background=background, keeps_version=True)
            return await runner.run(read_list)

    def check_usable(self) -> None:
        """Raise `SessionStateError` unless pages can be fetched in this event loop."""
        self.state.check_usable()

    def start_task(self, work: Coroutine[object, object, ParsedList]) -> asyncio.Task[ParsedList]:
        """Run a page's request as a task that ends at the latest with the session."""
        state = self.state
        try:
            state.check_usable()
        except SessionStateError:
            work.close()
            raise
        task = asyncio.get_running_loop().create_task(work)
        state.tasks.add(task)
        task.add_done_callback(state.retire)
        return task

    # API versions

    def _plan(
        self, endpoint: Endpoint[object], arguments: Mapping[str, object], ids: Sequence[int | str]
    ) -> PlannedCall:
        """Plan a call; under ``"auto"`` for the most likely API version.

        Until the version is final, arguments that only one version lacks raise no error yet.
        """
        options = self.options

        def plan_for(version: str) -> PlannedCall:
            return plan(
                endpoint,
                version,
                ids=ids,
                subdomain=options.subdomain,
                location_id=options.location_id,
                arguments=arguments,
            )

        def replan(version: str) -> PlannedCall:
            return evolve(plan_for(version), plan_for_version=replan)

        if options.version != AUTO:
            return plan_for(options.version)
        state = self.state.version
        if state.is_final or state.current == V3:
            return plan_for(state.current or V3)
        try:
            return replan(V2)
        except (NexHealthError, TypeError):
            with suppress(NexHealthError, TypeError):
                return replan(V3)
            raise

    def _in_session_version(self, call: PlannedCall) -> PlannedCall:
        """Return a call that is the same in all versions, planned for the session's."""
        version = self.options.version
        if version != AUTO:
            return evolve(call, version=version)

        def replan(version: str) -> PlannedCall:
            return evolve(call, version=version)

        return evolve(call, plan_for_version=replan)

    async def resolve_call(self, call: PlannedCall, deadline: float | None = None) -> PlannedCall:
        """Return the call in the session's API version, which is determined first."""
        if call.plan_for_version is None:
            return call
        if deadline is None:
            deadline = _deadline(self.options.timeout)
        state = self.state.version
        try:
            version = await self._resolved_version(deadline)
            if version == call.version:
                return call
            try:
                return call.plan_for_version(version)
            except (NexHealthError, TypeError):
                if state.is_final:
                    raise
            # This version lacks the call: make sure that it is the session's.
            await self._probe(deadline)
            return call.plan_for_version(state.current or version)
        except NexHealthError as error:
            error.operation = error.operation or call.operation
            raise error.with_traceback(None) from None

    def replan_after_refusal(self, call: PlannedCall) -> PlannedCall | None:
        """Return the call in another version after the account refused its own, if there is one."""
        state = self.state.version
        if (
            call.plan_for_version is None
            or not state.fall_back(call.version)
            or state.current is None
        ):
            return None
        return call.plan_for_version(state.current)

    async def resolve_version(self) -> str:
        """Return the session's API version, probing for it if it is not final; for pulls."""
        pinned = self.options.version
        if pinned != AUTO:
            return pinned
        self.state.check_usable()
        deadline = _deadline(self.options.timeout)
        version = await self._resolved_version(deadline)
        if not self.state.version.is_final:
            await self._probe(deadline)
        return self.state.version.current or version

    async def _resolved_version(self, deadline: float | None) -> str:
        """Return the version that the login determined."""
        state = self.state
        if state.version.current is None:
            state.check_usable()
            now = asyncio.get_running_loop().time()
            await state.token_manager.get(deadline)
            state.stats.waited_login += asyncio.get_running_loop().time() - now
        if state.version.current is None:  # the token was shared without a version
            await self._probe(deadline, confirm=False)
        return state.version.current or V2

    async def _probe(self, deadline: float | None, *, confirm: bool = True) -> None:
        """Determine with a minimal read whether the account accepts v2; one call does so for all.

        With ``confirm`` also where v2 was chosen, but no call in it has succeeded yet.
        """
        endpoint = self.state.list_of_practices
        state, spec = self.state.version, endpoint.v2
        try:
            async with asyncio.timeout_at(deadline), self.state.version_probe:
                if state.is_final or state.current == V3 or spec is None:
                    return
                if state.current is not None and not confirm:
                    return  # determined by another call meanwhile
                self.state.check_usable()
                runner = CallRunner(
                    self,
                    PlannedCall(endpoint=endpoint, spec=spec, path=spec.path, query=()),
                    pairs=(("per_page", "1"),),
                    deadline=deadline,
                    keeps_version=True,
                )
                try:
                    await runner.run(read_list)
                except VersionNotEnabledError:
                    if not state.fall_back(V2):
                        raise
                except (PermissionDeniedError, NotFoundError):
                    state.adopt(V2)  # the key may not list practices, but v2 is accepted
                else:
                    state.adopt(V2)
                    state.confirm(V2)
        except TimeoutError:
            raise APITimeoutError(
                "the call's timeout passed before the API version was determined"
            ) from None

    # Logins

    async def log_in(self) -> float:
        """Log in unless there is a token; return the token's lifetime in seconds."""
        self.state.check_usable()
        token = await self.state.token_manager.get(None)
        return token.lifetime

    async def request_token(self, key: SecretValue) -> str:
        """Log in; under ``"auto"`` in v3 if the account refuses v2."""
        state, version = self.state.version, self.options.version
        if version != AUTO:
            return await self._send_login(key, version)
        version = state.current or V2
        try:
            token = await self._send_login(key, version)
        except VersionNotEnabledError:
            if state.is_final or version == V3:
                raise
            try:
                token = await self._send_login(key, V3)
            except VersionNotEnabledError as error:
                error.advice = (
                    "the account accepts neither v2 nor v3; ask NexHealth which one it may use"
                )
                raise
            state.fall_back(version)
        else:
            state.adopt(version)
        return token

    async def _send_login(self, key: SecretValue, version: str) -> str:
        """Send the login request, which needs no token."""
        self.state.check_usable()
        runner = CallRunner(
            evolve(self, options=evolve(self.options, timeout=_LOGIN_SECONDS, on_ignored="warn")),
            PlannedCall(endpoint=_LOGIN, spec=LOGIN, path=LOGIN.path, query=(), version=version),
            api_key=HiddenText(key.value),
            keeps_version=True,
        )
        try:
            return await runner.run(read_token)
        except AuthenticationError as error:
            raise invalid_key_error(error) from None


def _record_of(runner: CallRunner, parsed: ParsedRecord) -> Raw:
    if parsed.record is None:
        raise UnexpectedStructureError(
            "the response holds no record", operation=runner.call.operation
        )
    return parsed.record


def _deadline(seconds: float | None) -> float | None:
    return None if seconds is None else asyncio.get_running_loop().time() + seconds
