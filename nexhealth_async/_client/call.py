"""The way of one call: token, rate gate, sending, and what follows a failure."""

from __future__ import annotations

import asyncio
import logging
import random
import warnings
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar, cast

from attrs import Factory, define, evolve, field

from nexhealth_async._client.backoff_switch import waited
from nexhealth_async._client.budget import Purse
from nexhealth_async._client.hooks import Watch
from nexhealth_async._client.statistics import Stats
from nexhealth_async._client.token_manager import key_refused
from nexhealth_async._client.unknown_outcomes import UnsettledWrites
from nexhealth_async._protocol.api_versions import AUTO, VersionState
from nexhealth_async._protocol.envelopes import ListReading, Reading, RecordReading
from nexhealth_async._protocol.http_messages import HiddenText, Reply
from nexhealth_async._protocol.ignored_params import is_empty_schedule, misread
from nexhealth_async._protocol.requests import version_headers
from nexhealth_async._protocol.retry import Again, Stop, decide
from nexhealth_async._protocol.token_life import Verdict
from nexhealth_async.errors import (
    BudgetSpent,
    ConnectFailed,
    ConnectionLost,
    IgnoredFilter,
    NexHealthError,
    NexHealthWarning,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    SessionStateError,
    Unauthorized,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from nexhealth_async._client.budget import Meter
    from nexhealth_async._client.hooks import Hooks
    from nexhealth_async._client.options import Options
    from nexhealth_async._client.rate_limiter import Gates
    from nexhealth_async._client.token_manager import TokenKeeper
    from nexhealth_async._client.transport import Transport
    from nexhealth_async._protocol.http_messages import Request
    from nexhealth_async._protocol.operations import Row
    from nexhealth_async._protocol.rate_limits import Departure
    from nexhealth_async._protocol.requests import Call
    from nexhealth_async.codec import Codec

__all__ = ["Attempts", "Shared"]

T = TypeVar("T")

_LOG = logging.getLogger("nexhealth_async")


@define(kw_only=True, eq=False)
class Shared:
    """What a session and its copies have in common."""

    transport: Transport
    gates: Gates
    user_agent: str = field(repr=False)
    keeper: TokenKeeper = field(init=False)
    stats: Stats = Factory(Stats)
    version: VersionState = Factory(VersionState)
    """Which version the copies under ``version="auto"`` speak."""
    probing: asyncio.Lock = Factory(asyncio.Lock)
    """Held by the one call that finds out the version."""
    hooks: Hooks | None = None
    meter: Meter | None = None
    loop: asyncio.AbstractEventLoop | None = None
    pid: int = 0
    closed: bool = False
    _codec: Codec | None = None
    ready: set[str] = Factory(set[str])
    """Models whose decoders are built."""
    unsettled: UnsettledWrites = Factory(UnsettledWrites)
    institutions: tuple[tuple[int | None, str], ...] | None = None
    """Ids and subdomains that the key was found to see; None before anything asked."""
    tasks: set[asyncio.Task[ListReading]] = Factory(set["asyncio.Task[ListReading]"])

    _headers: dict[str, dict[str, str]] = field(factory=dict[str, dict[str, str]], repr=False)

    def headers(self, version: str) -> dict[str, str]:
        """Return what every request of a version carries; not to be changed."""
        known = self._headers.get(version)
        if known is None:
            known = {**version_headers(version), "User-Agent": self.user_agent}
            self._headers[version] = known
        return known

    def retire(self, task: asyncio.Task[ListReading]) -> None:
        """Forget a page's task, and call its error seen: a walk that was left asks for none."""
        self.tasks.discard(task)
        if not task.cancelled():
            task.exception()

    def codec(self) -> Codec:
        """Return the decoder, made when first asked for."""
        if self._codec is None:
            from nexhealth_async.codec import Codec

            self._codec = Codec()
        return self._codec


class Attempts:
    """One call: its deadline, and how often it was tried."""

    __slots__ = (
        "_background",
        "_call",
        "_deadline",
        "_headers",
        "_logs_in",
        "_loop",
        "_maybe_done",
        "_options",
        "_pairs",
        "_purse",
        "_renewed",
        "_sent",
        "_shared",
        "_streams",
        "_tries",
        "_watch",
    )

    def __init__(
        self,
        shared: Shared,
        options: Options,
        call: Call,
        *,
        headers: dict[str, str],
        deadline: float | None = None,
        pairs: tuple[tuple[str, str], ...] = (),
        background: bool = False,
        logs_in: bool = False,
        streams: bool = False,
    ) -> None:
        self._shared = shared
        self._options = options
        self._call = call
        self._headers = headers
        self._pairs = pairs
        self._background = background
        self._logs_in = logs_in
        self._streams = streams
        """True if the body is left to be read by whoever asked, beyond the deadline."""
        self._loop = asyncio.get_running_loop()
        self._deadline = self._deadline_from_now() if deadline is None else deadline
        self._sent = 0
        """How often the request was sent."""
        self._tries = 0
        """The same, without the sending again after a 401."""
        self._renewed = False
        self._maybe_done = False
        """True once an attempt may have been carried out without our learning of it."""
        self._purse = None if shared.meter is None else Purse(shared.meter, call.row.rate)
        self._watch = (
            None
            if shared.hooks is None
            else Watch.of(
                call,
                shared.hooks,
                version=call.version,
                base_url=shared.transport.base_url,
                is_login=logs_in,
            )
        )

    def _deadline_from_now(self) -> float | None:
        timeout = self._options.timeout
        return None if timeout is None else self._loop.time() + timeout

    async def run(self, read: Callable[[Reply, Row], T]) -> T:
        """Send until it is answered, refused for good, or not worth another try."""
        stats, purse = self._shared.stats, self._purse
        stats.logins += self._logs_in
        stats.calls += not self._logs_in
        while True:
            try:
                request, generation, departure = await (
                    self._admitted() if purse is None else self._paid_for(purse)
                )
            except NexHealthError as error:
                raise self._signed(error) from None
            self._sent += 1
            self._tries += 1
            stats.requests += 1
            stats.retries += self._sent > 1
            stats.operations[self._call.row.operation] += 1
            try:
                return await self._attempt(request, departure, read)
            except Unauthorized as error:
                if not await self._has_other_token(error, generation):
                    raise
            except NexHealthError as error:
                if self._was_gone(error):
                    return read(Reply(status=204), self._call.row)
                pause = self._after_failure(self._signed(error))
                if pause is None:
                    raise
                if pause:
                    self._note_waits(retry=pause)
                    await asyncio.sleep(pause)
                if not self._affords_another():
                    raise

    async def _attempt(
        self, request: Request, departure: Departure, read: Callable[[Reply, Row], T]
    ) -> T:
        """Send once, read the reply, and let the hooks know."""
        watch = self._watch
        if watch is not None:
            watch.leaves(self._sent)
        failure: str | None = None
        try:
            reply = await self._send(request, departure)
            if not self._logs_in and reply.status != 401:  # noqa: PLR2004 - HTTP's "Unauthorized"
                self._shared.keeper.accepted()
            result = self._noticed(read(reply, self._call.row))
        except BaseException as error:
            failure = type(error).__name__
            self._shared.stats.failures[failure] += 1
            raise
        else:
            if not self._logs_in:
                self._shared.version.confirm(self._call.version)
            return result
        finally:
            if watch is not None:
                watch.ended(failure)

    def _note_waits(
        self,
        *,
        login: float | None = None,
        rate: float | None = None,
        retry: float | None = None,
    ) -> None:
        """Note how long the call waited, by cause; None where it did not have to."""
        stats, watch = self._shared.stats, self._watch
        stats.waited_login += login or 0.0
        stats.waited_rate += rate or 0.0
        stats.waited_retry += retry or 0.0
        if watch is not None:
            watch.waited(login=login, rate=rate, retry=retry)

    async def _paid_for(self, purse: Purse) -> tuple[Request, int, Departure]:
        """Wait as `_admitted` does; what does not leave is not paid for.

        The login pays first: it would find nothing left if all who wait for it had paid.
        """
        now = self._loop.time()
        try:
            purse.check(now)
            if not self._logs_in and self._shared.keeper.current(now) is None:
                await self._shared.keeper.get(self._deadline)
                self._note_waits(login=self._loop.time() - now)
            purse.pay(self._loop.time())
            return await self._admitted()
        except BaseException:
            purse.refund()
            raise

    def _affords_another(self) -> bool:
        """Pay for another try, if the budget allows; the failure is the answer otherwise."""
        try:
            if self._purse is not None:
                self._purse.pay(self._loop.time())
        except BudgetSpent:
            return False
        return True

    async def _admitted(self) -> tuple[Request, int, Departure]:
        """Wait for a token and for the rate limit; return the request that may leave now."""
        call, shared = self._call, self._shared
        gates, keeper, rate = shared.gates, shared.keeper, call.row.rate
        if self._logs_in:
            now = self._loop.time()
            departure = gates.leave_at_once(rate, now)
            if departure is None:
                departure = await gates.leave(rate, background=False, deadline=self._deadline)
                if self._watch is not None:  # those who wait for the token count it themselves
                    self._watch.waited(rate=self._loop.time() - now)
            return call.request(headers=self._headers), 0, departure
        patient = self._background and not self._options.timeout_chosen
        while True:
            now = self._loop.time()
            waited_login = waited_rate = None
            token = keeper.current(now)
            if token is None:
                await keeper.get(self._deadline)
                asked, now = now, self._loop.time()
                waited_login = now - asked
            departure = gates.leave_at_once(rate, now)
            if departure is None:
                departure = await gates.leave(
                    rate, background=self._background, deadline=None if patient else self._deadline
                )
                waited_rate = self._loop.time() - now
            if waited_login is not None or waited_rate is not None:
                self._note_waits(login=waited_login, rate=waited_rate)
                # The wait may have outlived the token.
                token = keeper.current(self._loop.time())
            if patient and self._sent == 0:
                self._deadline = self._deadline_from_now()
            if token:
                headers = {**self._headers, "Authorization": HiddenText(f"Bearer {token.value}")}
                return call.request(*self._pairs, headers=headers), token.generation, departure
            gates.withdraw(departure)

    async def _send(self, request: Request, departure: Departure) -> Reply:
        if self._streams:
            request = evolve(request, streams=True)
        started = self._loop.time()
        seconds = self._options.retry.attempt_timeout
        if self._deadline is not None:
            left = self._deadline - started
            seconds = left if seconds is None else min(left, seconds)
        outcome: object = "no reply"
        # One that was given up may still be on its way, and counted when it arrives.
        over = False
        try:
            reply = await self._shared.transport.send(request, timeout=seconds)
            outcome, over = reply.status, True
            self._shared.stats.bytes_received += len(reply.body)
            if self._watch is not None:
                self._watch.answered(reply)
        except (ConnectFailed, ConnectionLost) as error:
            over = True
            if self._purse is not None and isinstance(error, ConnectFailed):
                self._purse.refund()
            raise
        else:
            return reply
        finally:
            if self._purse is not None:
                self._purse.spend()
            self._shared.gates.ended(departure, answered=over)
            if self._watch is not None:
                self._watch.took(self._loop.time() - started)
            if _LOG.isEnabledFor(logging.DEBUG):
                _LOG.debug(
                    "%s: %s, attempt %d, %.0f ms",
                    self._call.operation,
                    outcome,
                    self._sent,
                    (self._loop.time() - started) * 1000,
                )

    def _signed(self, error: NexHealthError) -> NexHealthError:
        """Note on an error which operation it belongs to and how often that was sent.

        It lets go of what it came from: aiohttp's errors hold the URL, the token and the reply.
        """
        error.__context__ = None
        error.operation = error.operation or self._call.operation
        if error.attempts is None:
            error.attempts = self._sent
        return error

    # An error is raised where it was caught: in the frame of a method that had it for an argument
    # it would be in a cycle with its own traceback, and keep everything in it alive.

    async def _has_other_token(self, error: Unauthorized, generation: int) -> bool:
        """Get another token after a 401; False if that is the answer."""
        self._signed(error)
        keeper = self._shared.keeper
        if self._logs_in:
            return False
        verdict = keeper.verdict(generation)
        if verdict is Verdict.KEY_REFUSED:
            raise key_refused(error) from None
        if self._renewed or verdict is Verdict.GIVE_UP:
            return False
        self._renewed = True
        self._tries -= 1
        refused_at = self._loop.time()
        is_there = verdict is Verdict.USE_CURRENT and keeper.current(refused_at) is not None
        try:
            await keeper.replace(generation, self._deadline)
        except NexHealthError as failure:
            raise self._signed(failure) from None
        if not is_there:
            self._note_waits(login=self._loop.time() - refused_at)
        return True

    def _was_gone(self, error: NexHealthError) -> bool:
        """Tell whether a repeated DELETE found nothing because an earlier attempt had succeeded."""
        return (
            isinstance(error, NotFound) and self._call.row.method == "DELETE" and self._maybe_done
        )

    def _after_failure(self, error: NexHealthError) -> float | None:
        """Return how long to wait before the next try, None to raise the failure as it is.

        Raises what else the failure comes to.
        """
        row = self._call.row
        decision = decide(
            error,
            safe=self._call.safe,
            attempt=self._tries,
            policy=self._options.retry,
            draw=random.random(),  # noqa: S311 - jitter, no secret
        )
        if isinstance(error, RateLimited):
            self._shared.stats.rate_limited += 1
            self._shut_gate(error, decision)
        match decision:
            case Stop():
                return None
            case Again(after=due):
                after = waited(due)
                if self._shared.closed:
                    raise SessionStateError(
                        "the session was closed while the call was under way; "
                        "close it after the last call",
                        operation=row.operation,
                    ) from None
                if self._deadline is not None and self._loop.time() + after >= self._deadline:
                    return None
                refused = isinstance(error, RateLimited)
                arrived = not isinstance(error, (RateLimited, ConnectFailed))
                self._maybe_done = self._maybe_done or arrived
                # The gate is shut for that long, and keeps the order of those who wait.
                return 0.0 if refused else after
            case _:
                late = self._options.retry.late_commit
                raise OutcomeUnknown(
                    f"the write may have happened, or may still happen within {late:g} seconds, "
                    f"or not: {error.message}.",
                    lookup=row.lookup,
                    status=cast("int | None", getattr(error, "status", None)),
                    operation=row.operation,
                    attempts=self._sent,
                    unsettled_until=datetime.now(UTC) + timedelta(seconds=late),
                ) from None

    def _shut_gate(self, error: RateLimited, decision: object) -> None:
        """Keep everyone of the class waiting for as long as the server asked."""
        after = decision.after if isinstance(decision, Again) else error.retry_after or 1.0
        longest = self._options.retry.longest_retry_after
        self._shared.gates.shut(self._call.row.rate, waited(min(after, longest)))

    def _noticed(self, result: T) -> T:
        """Raise or warn where the server said that it did not do quite what was asked."""
        if isinstance(result, ListReading):
            self._shared.stats.records += len(result.records)
            if self._watch is not None:
                self._watch.brought(len(result.records))
            if self._options.version == AUTO and is_empty_schedule(
                self._call, self._pairs, result.records
            ):
                text = (
                    f"{self._call.operation}: nothing came in v2; a practice that is set up under "
                    'v3 answers so: try version="v3"'
                )
                warnings.warn(text, NexHealthWarning, stacklevel=2)
        if not isinstance(result, Reading) or not result.warnings:
            return result
        call = self._call
        ignored = misread(call, result.ignored)
        if ignored and call.row.method == "GET" and self._options.on_ignored == "raise":
            raise IgnoredFilter(ignored, operation=call.operation)
        if ignored:
            names = ", ".join(sorted(ignored))
            text = f"{call.operation}: the server ignored {names}; leave it out"
            warnings.warn(text, NexHealthWarning, stacklevel=2)
        elif isinstance(result, RecordReading):
            text = f"{call.operation}: done, but with a warning; get the record to see what holds"
            warnings.warn(text, NexHealthWarning, stacklevel=2)
        return result
