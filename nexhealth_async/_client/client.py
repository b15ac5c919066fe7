"""The client behind a session, its copies and scopes: calls, pages, and the version they speak.

A client is a pair of options and shared state. Copies differ in their options only.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, TypedDict, TypeVar

from attrs import define, evolve, field

from nexhealth_async._client.call import CallRunner
from nexhealth_async._client.files import Download
from nexhealth_async._client.token_manager import key_refused
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
    """Options in which a copy of a client differs; they are checked already."""

    version: str
    subdomain: str | None
    location_id: int | None


@define(eq=False)
class Client:
    """What resources, workflows and bulk copies send their calls with."""

    options: Options
    state: ClientState = field(repr=False)

    def with_options(self, **changes: Unpack[OptionChanges]) -> Client:
        """Return a client of the same session with other options."""
        return evolve(self, options=evolve(self.options, **changes))

    @property
    def stats(self) -> Stats:
        """What the session and its copies have done so far."""
        return self.state.stats

    # Calls

    def walk(
        self, endpoint: Endpoint[T], arguments: Mapping[str, object], *ids: int | str
    ) -> Walk[T]:
        """Start a walk of a listing."""
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

    # `call` and its sisters await the runner themselves: another coroutine between a method and
    # the request would only repeat what they do.

    async def call(
        self, endpoint: Endpoint[T], arguments: Mapping[str, object], *ids: int | str
    ) -> T:
        """Perform a single operation and decode the record it answers with."""
        call = self._plan(endpoint, arguments, ids)
        if endpoint.model not in self.state.ready:
            await self._prepare_decoder(endpoint.model)
        runner = self._runner(call)
        return self._decode(endpoint, runner, await runner.run(read_record))

    async def call_with_status(
        self, endpoint: Endpoint[T], arguments: Mapping[str, object], *ids: int | str
    ) -> tuple[T, int]:
        """As `call`, with the HTTP status: 200 and 201 tell what was found from what was made."""
        call = self._plan(endpoint, arguments, ids)
        if endpoint.model not in self.state.ready:
            await self._prepare_decoder(endpoint.model)
        runner = self._runner(call)
        reading = await runner.run(read_record)
        return self._decode(endpoint, runner, reading), reading.status

    async def get_raw(
        self, endpoint: Endpoint[T], arguments: Mapping[str, object], *ids: int | str
    ) -> tuple[Raw, LazyDecoder[T]]:
        """Read one record as JSON; return it with what decodes it. Pulls use this."""
        call = self._plan(endpoint, arguments, ids)
        if endpoint.model not in self.state.ready:
            await self._prepare_decoder(endpoint.model)
        runner = self._runner(call)
        return _record_of(runner, await runner.run(read_record)), self._decoder(endpoint)

    async def execute(
        self, endpoint: Endpoint[None], arguments: Mapping[str, object], *ids: int | str
    ) -> None:
        """Perform an operation that answers with nothing of use."""
        await self._runner(self._plan(endpoint, arguments, ids)).run(read_empty)

    async def request(self, call: PlannedCall, read: Callable[[Response, OperationSpec], T]) -> T:
        """Perform a call that is spelled alike in all versions, and read the reply as it is."""
        return await self._runner(self._check_in_some_version(call)).run(read)

    def download(self, url: str | None) -> Download:
        """Return a file of the API's own host, to be entered with ``async with``.

        ``url`` is what a record names, such as ``"/documents/18/download"``.
        """
        call = download_call(url, base_url=self.state.base_url, subdomain=self.options.subdomain)

        async def begin() -> Stream:
            runner = self._runner(self._check_in_some_version(call), streams=True)
            return await runner.run(read_stream)

        return Download(begin, call.operation)

    def track_write(self, *identity: object, subdomain: object = None) -> PendingWrite:
        """Return the write of this identity, which must not happen twice in a practice."""
        options = self.options
        return self.state.pending_writes.get(
            subdomain or options.subdomain, *identity, late_commit=options.retry.late_commit_window
        )

    def _runner(self, call: PlannedCall, *, streams: bool = False) -> CallRunner:
        self.state.check_usable()
        return CallRunner(self, call, streams=streams)

    def _decoder(self, endpoint: Endpoint[T]) -> LazyDecoder[T]:
        return LazyDecoder(self.state.codec, str(endpoint.model))

    def _decode(self, endpoint: Endpoint[T], runner: CallRunner, reading: ParsedRecord) -> T:
        try:
            value, _ = self._decoder(endpoint)(_record_of(runner, reading))
        except UndecodableRecordError as error:
            call = runner.call
            error.operation = call.operation
            if call.safe:
                raise
            raise OutcomeUnknownError(
                f"the write was accepted, but its record cannot be read ({error.message}).",
                lookup=call.row.lookup_hint,
                operation=call.operation,
            ) from None
        return value

    async def _prepare_decoder(self, model: str | None) -> None:
        """Build a model's decoder in a thread, once: here it would stall the loop for 20 ms."""
        state = self.state
        if model is not None and model not in state.ready:
            state.check_usable()
            await asyncio.to_thread(build_decoder, model)
            state.ready.add(model)

    async def prepare_decoders(self, models: Iterable[str]) -> None:
        """Build decoders ahead of the first call that needs them."""
        for model in models:
            await self._prepare_decoder(model)

    # Pages; see `nexhealth_async.pagination.prefetching.PageSource`

    async def fetch_page(
        self,
        call: PlannedCall,
        pairs: tuple[tuple[str, str], ...],
        *,
        background: bool,
        slots: AbstractAsyncContextManager[object],
    ) -> ParsedList:
        """Fetch one page; in the background, waiting for the rate limit has no deadline."""
        async with slots:
            if call.endpoint.model not in self.state.ready:
                await self._prepare_decoder(call.endpoint.model)
            self.state.check_usable()
            runner = CallRunner(self, call, pairs=pairs, background=background, keeps_version=True)
            return await runner.run(read_list)

    def check_usable(self) -> None:
        """Raise `SessionStateError` unless pages can be fetched here and now."""
        self.state.check_usable()

    def start_task(self, work: Coroutine[object, object, ParsedList]) -> asyncio.Task[ParsedList]:
        """Run a page's request as a task that ends with the session at the latest."""
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

    # Which version a call is made in

    def _plan(
        self, endpoint: Endpoint[object], arguments: Mapping[str, object], ids: Sequence[int | str]
    ) -> PlannedCall:
        """Spell out a call; under ``"auto"`` for the version that is most likely spoken.

        While that is not known for sure, what only one version would refuse is not refused yet.
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

    def _check_in_some_version(self, call: PlannedCall) -> PlannedCall:
        """Return a call that is spelled alike in all versions."""
        version = self.options.version
        if version != AUTO:
            return evolve(call, version=version)

        def replan(spoken: str) -> PlannedCall:
            return evolve(call, version=spoken)

        return evolve(call, plan_for_version=replan)

    async def resolve_call(self, call: PlannedCall, deadline: float | None = None) -> PlannedCall:
        """Return the call in the version that is spoken, which is found out first."""
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
            # It would be refused in this version, so it must be sure which one is spoken.
            await self._probe(deadline)
            return call.plan_for_version(state.current or version)
        except NexHealthError as error:
            error.operation = error.operation or call.operation
            raise error.with_traceback(None) from None

    def replan_after_refusal(self, call: PlannedCall) -> PlannedCall | None:
        """Return the call in another version after its own was refused, if there is one to try."""
        state = self.state.version
        if (
            call.plan_for_version is None
            or not state.fall_back(call.version)
            or state.current is None
        ):
            return None
        return call.plan_for_version(state.current)

    async def resolve_version(self) -> str:
        """Return the version that is spoken, and find it out for sure if need be; pulls use it."""
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
        """Return the version that the login decided."""
        state = self.state
        if state.version.current is None:
            state.check_usable()
            now = asyncio.get_running_loop().time()
            await state.token_manager.get(deadline)
            state.stats.waited_login += asyncio.get_running_loop().time() - now
        if state.version.current is None:  # the token came from one that did not know it
            await self._probe(deadline, again=False)
        return state.version.current or V2

    async def _probe(self, deadline: float | None, *, again: bool = True) -> None:
        """Find out by the smallest read whether v2 is spoken; one call does so for all.

        With ``again`` also where v2 is spoken already, but no call in it has succeeded yet.
        """
        endpoint = self.state.list_of_practices
        state, row = self.state.version, endpoint.v2
        try:
            async with asyncio.timeout_at(deadline), self.state.version_probe:
                if state.is_final or state.current == V3 or row is None:
                    return
                if state.current is not None and not again:
                    return  # another call has found out meanwhile
                self.state.check_usable()
                runner = CallRunner(
                    self,
                    PlannedCall(endpoint=endpoint, row=row, path=row.path, query=()),
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
                    state.adopt(V2)  # the key may not list practices; its version is not refused
                else:
                    state.adopt(V2)
                    state.confirm(V2)
        except TimeoutError:
            raise APITimeoutError(
                "the call's timeout passed before the API version was known"
            ) from None

    # Logins

    async def log_in(self) -> float:
        """Log in unless there is a token; return how many seconds a token lives."""
        self.state.check_usable()
        token = await self.state.token_manager.get(None)
        return token.lifetime

    async def request_token(self, key: SecretValue) -> str:
        """Send a login; under ``"auto"`` in v3 too, if the account refuses v2."""
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
                error.advice = "the account takes neither v2 nor v3; ask NexHealth which it may use"
                raise
            state.fall_back(version)
        else:
            state.adopt(version)
        return token

    async def _send_login(self, key: SecretValue, version: str) -> str:
        """Send the login, outside of all that needs a token."""
        self.state.check_usable()
        runner = CallRunner(
            evolve(self, options=evolve(self.options, timeout=_LOGIN_SECONDS, on_ignored="warn")),
            PlannedCall(endpoint=_LOGIN, row=LOGIN, path=LOGIN.path, query=(), version=version),
            api_key=HiddenText(key.value),
            keeps_version=True,
        )
        try:
            return await runner.run(read_token)
        except AuthenticationError as error:
            raise key_refused(error) from None


def _record_of(runner: CallRunner, reading: ParsedRecord) -> Raw:
    if reading.record is None:
        raise UnexpectedStructureError("the reply holds no record", operation=runner.call.operation)
    return reading.record


def _deadline(seconds: float | None) -> float | None:
    return None if seconds is None else asyncio.get_running_loop().time() + seconds
