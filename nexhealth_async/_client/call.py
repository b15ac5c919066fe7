"""The way of one call: version, token, rate limit, sending, and what follows a failure."""

from __future__ import annotations

import asyncio
import logging
import random
import warnings
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Self, TypeVar, cast

from attrs import evolve

from nexhealth_async._client.backoff_switch import backoff_delay
from nexhealth_async._client.budget import Reservation
from nexhealth_async._client.hooks import HookRecorder
from nexhealth_async._client.token_manager import key_refused
from nexhealth_async._protocol.api_versions import AUTO
from nexhealth_async._protocol.envelopes import ParsedBody, ParsedList, ParsedRecord
from nexhealth_async._protocol.http_messages import HiddenText, Response
from nexhealth_async._protocol.ignored_params import is_empty_schedule, significant_ignored_params
from nexhealth_async._protocol.retry import GiveUp, Retry, decide
from nexhealth_async._protocol.token_life import AuthAction
from nexhealth_async.errors import (
    AuthenticationError,
    BudgetExceededError,
    ConnectError,
    ConnectionLostError,
    IgnoredFilterError,
    NexHealthError,
    NexHealthWarning,
    NotFoundError,
    OutcomeUnknownError,
    RateLimitError,
    SessionStateError,
    VersionNotEnabledError,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from nexhealth_async._client.client import Client
    from nexhealth_async._client.hooks import Hooks
    from nexhealth_async._protocol.http_messages import Request
    from nexhealth_async._protocol.operations import OperationSpec
    from nexhealth_async._protocol.rate_limits import Permit
    from nexhealth_async._protocol.requests import PlannedCall
    from nexhealth_async._protocol.token_life import Token

__all__ = ["CallRunner"]

T = TypeVar("T")

_LOG = logging.getLogger("nexhealth_async")


class CallRunner:
    """One call: its deadline, and how often it was tried."""

    __slots__ = (
        "_api_key",
        "_background",
        "_client",
        "_headers",
        "_keeps_version",
        "_maybe_done",
        "_pairs",
        "_renewed",
        "_streams",
        "_tries",
        "call",
        "deadline",
        "logs_in",
        "loop",
        "options",
        "purse",
        "sent",
        "state",
        "watch",
    )

    def __init__(
        self,
        client: Client,
        call: PlannedCall,
        *,
        deadline: float | None = None,
        pairs: tuple[tuple[str, str], ...] = (),
        background: bool = False,
        api_key: HiddenText | None = None,
        streams: bool = False,
        keeps_version: bool = False,
    ) -> None:
        """Make the runner of a call.

        Args:
            client: Whose options and state count.
            call: What is to be sent.
            deadline: When it must be over, in the loop's time; by default after the client's
                timeout.
            pairs: Page or cursor parameters.
            background: True for pages that nobody waits for yet.
            api_key: What a login sends instead of a token; None for all other calls.
            streams: True if the body is left to be read by whoever asked, beyond the deadline.
            keeps_version: True if the call is made in its version only, whatever is spoken.
        """
        self._client = client
        self.state = client.state
        self.options = client.options
        self._pairs = pairs
        self._background = background
        self.logs_in = api_key is not None
        self._streams = streams
        self._keeps_version = keeps_version
        self.loop = asyncio.get_running_loop()
        self.deadline = self._deadline_from_now() if deadline is None else deadline
        self._api_key = api_key
        self.call = call
        """The call, in the version in which it was made last."""

    def _deadline_from_now(self) -> float | None:
        timeout = self.options.timeout
        return None if timeout is None else self.loop.time() + timeout

    async def run(self, read: Callable[[Response, OperationSpec], T]) -> T:
        """Send until it is answered, refused for good, or not worth another try.

        A call that may be made in several versions is made in the one that is spoken, and again in
        another one after the account refused it.
        """
        if self.call.plan_for_version is not None and not self._keeps_version:
            self.call = await self._client.resolve_call(self.call, self.deadline)
        self._begin()
        while True:
            # Most calls need not wait, and are spared the coroutines that would.
            admitted = self._try_acquire_permit() or await self._wait_for_permit()
            request, generation, departure = admitted
            self._count_attempt()
            try:
                with _Attempt(self, departure) as attempt:
                    reply = await self.state.transport.send(request, timeout=attempt.seconds)
                    attempt.answered(reply)
                    return self._check_ignored_params(read(reply, self.call.row))
            except AuthenticationError as error:
                if not await self._has_other_token(error, generation):
                    raise
            except VersionNotEnabledError as error:
                if not self._falls_back(error):
                    raise
            except NexHealthError as error:
                if self._is_repeated_delete(error):
                    return read(Response(status=204), self.call.row)
                if not await self._waits_for_retry(error):
                    raise

    def _begin(self) -> None:
        """Count a call of which nothing was sent yet."""
        state, call = self.state, self.call
        self.sent = 0
        """How often the request was sent."""
        self._tries = 0
        """The same, without the sending again after a 401."""
        self._renewed = False
        self._maybe_done = False
        """True once an attempt may have been carried out without our learning of it."""
        self._headers = state.headers(call.version)
        if self._streams:
            # What comes is no JSON, unless it is a refusal.
            accepted = f"{self._headers['Accept']}, */*;q=0.8"
            self._headers = {**self._headers, "Accept": accepted}
        if self._api_key is not None:
            self._headers = {**self._headers, "Authorization": self._api_key}
        self.purse = (
            None if state.budget_meter is None else Reservation(state.budget_meter, call.row.rate)
        )
        self.watch = None if state.hooks is None else self._make_recorder(state.hooks)
        state.stats.logins += self.logs_in
        state.stats.calls += not self.logs_in

    def _make_recorder(self, hooks: Hooks) -> HookRecorder:
        call = self.call
        base_url = self.state.base_url
        return HookRecorder.of(
            call, hooks, version=call.version, base_url=base_url, is_login=self.logs_in
        )

    def _count_attempt(self) -> None:
        stats = self.state.stats
        self.sent += 1
        self._tries += 1
        stats.requests += 1
        stats.retries += self.sent > 1
        stats.operations[self.call.row.operation] += 1

    def _falls_back(self, error: VersionNotEnabledError) -> bool:
        """Begin anew in another version after a refusal; False if there is none to try."""
        self._annotate(error)
        again = None if self._keeps_version else self._client.replan_after_refusal(self.call)
        if again is None:
            return False
        self.state.check_usable()
        self.call = again
        self._begin()
        return True

    async def _waits_for_retry(self, error: NexHealthError) -> bool:
        """Wait until it may be tried again; False if the failure is the answer."""
        pause = self._after_failure(self._annotate(error))
        if pause is None:
            return False
        if pause:
            self._record_waits(retry=pause)
            await asyncio.sleep(pause)
        return self._budget_allows_retry()

    def _record_waits(
        self,
        *,
        login: float | None = None,
        rate: float | None = None,
        retry: float | None = None,
    ) -> None:
        """Note how long the call waited, by cause; None where it did not have to."""
        stats, watch = self.state.stats, self.watch
        stats.waited_login += login or 0.0
        stats.waited_rate += rate or 0.0
        stats.waited_retry += retry or 0.0
        if watch is not None:
            watch.waited(login=login, rate=rate, retry=retry)

    async def _wait_for_permit(self) -> tuple[Request, int, Permit]:
        try:
            if self.purse is not None:
                return await self._charge_budget(self.purse)
            return await self._acquire_permit()
        except NexHealthError as error:
            raise self._annotate(error) from None

    async def _charge_budget(self, purse: Reservation) -> tuple[Request, int, Permit]:
        """Wait as `_admitted` does; what does not leave is not paid for.

        The login pays first: it would find nothing left if all who wait for it had paid.
        """
        now = self.loop.time()
        try:
            purse.check(now)
            if not self.logs_in and self.state.token_manager.current(now) is None:
                await self.state.token_manager.get(self.deadline)
                self._record_waits(login=self.loop.time() - now)
            purse.charge(self.loop.time())
            return await self._acquire_permit()
        except BaseException:
            purse.refund()
            raise

    def _budget_allows_retry(self) -> bool:
        """Pay for another try, if the budget allows; the failure is the answer otherwise."""
        try:
            if self.purse is not None:
                self.purse.charge(self.loop.time())
        except BudgetExceededError:
            return False
        return True

    def _try_acquire_permit(self) -> tuple[Request, int, Permit] | None:
        """Return the request if there is a token and a place for it now; None if it must wait."""
        if self.logs_in or self.purse is not None:
            return None
        now, state = self.loop.time(), self.state
        token = state.token_manager.current(now)
        departure = (
            None if token is None else state.rate_limiter.try_acquire(self.call.row.rate, now)
        )
        if token is None or departure is None:
            return None
        if self._background and self.sent == 0 and not self.options.timeout_chosen:
            self.deadline = self._deadline_from_now()
        return self._authorized_request(token), token.generation, departure

    def _authorized_request(self, token: Token) -> Request:
        headers = {**self._headers, "Authorization": HiddenText(f"Bearer {token.value}")}
        request = self.call.request(*self._pairs, headers=headers)
        return evolve(request, stream_response=True) if self._streams else request

    async def _acquire_permit(self) -> tuple[Request, int, Permit]:
        """Wait for a token and for the rate limit; return the request that may leave now."""
        call, state = self.call, self.state
        gates, keeper, rate = state.rate_limiter, state.token_manager, call.row.rate
        if self.logs_in:
            now = self.loop.time()
            departure = gates.try_acquire(rate, now)
            if departure is None:
                departure = await gates.acquire(rate, background=False, deadline=self.deadline)
                if self.watch is not None:  # those who wait for the token count it themselves
                    self.watch.waited(rate=self.loop.time() - now)
            return call.request(headers=self._headers), 0, departure
        patient = self._background and not self.options.timeout_chosen
        while True:
            now = self.loop.time()
            waited_login = waited_rate = None
            token = keeper.current(now)
            if token is None:
                await keeper.get(self.deadline)
                asked, now = now, self.loop.time()
                waited_login = now - asked
            departure = gates.try_acquire(rate, now)
            if departure is None:
                departure = await gates.acquire(
                    rate, background=self._background, deadline=None if patient else self.deadline
                )
                waited_rate = self.loop.time() - now
            if waited_login is not None or waited_rate is not None:
                self._record_waits(login=waited_login, rate=waited_rate)
                # The wait may have outlived the token.
                token = keeper.current(self.loop.time())
            if patient and self.sent == 0:
                self.deadline = self._deadline_from_now()
            if token:
                return self._authorized_request(token), token.generation, departure
            gates.withdraw(departure)

    def _annotate(self, error: NexHealthError) -> NexHealthError:
        """Note on an error which operation it belongs to and how often that was sent.

        It lets go of what it came from: aiohttp's errors hold the URL, the token and the reply.
        """
        error.__context__ = None
        error.operation = error.operation or self.call.operation
        if error.attempts is None:
            error.attempts = self.sent
        return error

    # An error is raised where it was caught: in the frame of a method that had it for an argument
    # it would be in a cycle with its own traceback, and keep everything in it alive.

    async def _has_other_token(self, error: AuthenticationError, generation: int) -> bool:
        """Get another token after a 401; False if that is the answer."""
        self._annotate(error)
        keeper = self.state.token_manager
        if self.logs_in:
            return False
        verdict = keeper.action_after_401(generation)
        if verdict is AuthAction.REPORT_INVALID_KEY:
            raise key_refused(error) from None
        if self._renewed or verdict is AuthAction.GIVE_UP:
            return False
        self._renewed = True
        self._tries -= 1
        refused_at = self.loop.time()
        is_there = verdict is AuthAction.USE_CURRENT and keeper.current(refused_at) is not None
        try:
            await keeper.replace(generation, self.deadline)
        except NexHealthError as failure:
            raise self._annotate(failure) from None
        if not is_there:
            self._record_waits(login=self.loop.time() - refused_at)
        return True

    def _is_repeated_delete(self, error: NexHealthError) -> bool:
        """Tell whether a repeated DELETE found nothing because an earlier attempt had succeeded."""
        return (
            isinstance(error, NotFoundError)
            and self.call.row.method == "DELETE"
            and self._maybe_done
        )

    def _after_failure(self, error: NexHealthError) -> float | None:
        """Return how long to wait before the next try, None to raise the failure as it is.

        Raises what else the failure comes to.
        """
        row = self.call.row
        decision = decide(
            error,
            safe=self.call.safe,
            attempt=self._tries,
            policy=self.options.retry,
            random_fraction=random.random(),  # noqa: S311 - jitter, no secret
        )
        if isinstance(error, RateLimitError):
            self.state.stats.rate_limited += 1
            self._pause_rate_class(error, decision)
        match decision:
            case GiveUp():
                return None
            case Retry(delay=due):
                after = backoff_delay(due)
                if self.state.closed:
                    raise SessionStateError(
                        "the session was closed while the call was under way; "
                        "close it after the last call",
                        operation=row.operation,
                    ) from None
                if self.deadline is not None and self.loop.time() + after >= self.deadline:
                    return None
                refused = isinstance(error, RateLimitError)
                arrived = not isinstance(error, (RateLimitError, ConnectError))
                self._maybe_done = self._maybe_done or arrived
                # The gate is shut for that long, and keeps the order of those who wait.
                return 0.0 if refused else after
            case _:
                late = self.options.retry.late_commit_window
                raise OutcomeUnknownError(
                    f"the write may have happened, or may still happen within {late:g} seconds, "
                    f"or not: {error.message}.",
                    lookup=row.lookup_hint,
                    status=cast("int | None", getattr(error, "status", None)),
                    operation=row.operation,
                    attempts=self.sent,
                    unsettled_until=datetime.now(UTC) + timedelta(seconds=late),
                ) from None

    def _pause_rate_class(self, error: RateLimitError, decision: object) -> None:
        """Keep everyone of the class waiting for as long as the server asked."""
        after = decision.delay if isinstance(decision, Retry) else error.retry_after or 1.0
        longest = self.options.retry.max_retry_after
        self.state.rate_limiter.pause(self.call.row.rate, backoff_delay(min(after, longest)))

    def _check_ignored_params(self, result: T) -> T:
        """Raise or warn where the server said that it did not do quite what was asked."""
        if isinstance(result, ParsedList):
            self.state.stats.records += len(result.records)
            if self.watch is not None:
                self.watch.delivered(len(result.records))
            if self.options.version == AUTO and is_empty_schedule(
                self.call, self._pairs, result.records
            ):
                text = (
                    f"{self.call.operation}: nothing came in v2; a practice that is set up under "
                    'v3 answers so: try version="v3"'
                )
                warnings.warn(text, NexHealthWarning, stacklevel=2)
        if not isinstance(result, ParsedBody) or not result.warnings:
            return result
        call = self.call
        ignored = significant_ignored_params(call, result.ignored)
        if ignored and call.row.method == "GET" and self.options.on_ignored == "raise":
            raise IgnoredFilterError(ignored, operation=call.operation)
        if ignored:
            names = ", ".join(sorted(ignored))
            text = f"{call.operation}: the server ignored {names}; leave it out"
            warnings.warn(text, NexHealthWarning, stacklevel=2)
        elif isinstance(result, ParsedRecord):
            text = f"{call.operation}: done, but with a warning; get the record to see what holds"
            warnings.warn(text, NexHealthWarning, stacklevel=2)
        return result


class _Attempt:
    """One sending of a call, as a context: what surrounds the await without being awaited.

    A context manager, since another coroutine would be in every traceback and on every stack. It
    gives back the place in the limits whatever ends the attempt, a cancellation too.
    """

    __slots__ = (
        "_departure",
        "_is_over",
        "_is_under_way",
        "_outcome",
        "_run",
        "_started",
        "seconds",
    )

    def __init__(self, run: CallRunner, departure: Permit) -> None:
        if run.watch is not None:
            run.watch.sending(run.sent)
        self._run = run
        self._departure = departure
        self._is_under_way = True
        self._is_over = False
        """False for one that was given up: it may be on its way, and counts when it arrives."""
        self._outcome: int | None = None
        self._started = run.loop.time()
        seconds = run.options.retry.attempt_timeout
        if run.deadline is not None:
            left = run.deadline - self._started
            seconds = left if seconds is None or left < seconds else seconds
        self.seconds = seconds
        """How long it may take."""

    def __enter__(self) -> Self:
        return self

    def answered(self, reply: Response) -> None:
        """Note that a reply came, which is still to be read."""
        run = self._run
        self._outcome, self._is_over = reply.status, True
        run.state.stats.bytes_received += len(reply.body)
        if run.watch is not None:
            run.watch.answered(reply)
        self._end()
        if not run.logs_in and reply.status != 401:  # noqa: PLR2004 - HTTP's "AuthenticationError"
            run.state.token_manager.accepted()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        run = self._run
        try:
            if self._is_under_way:
                if isinstance(error, (ConnectError, ConnectionLostError)):
                    self._is_over = True
                if run.purse is not None and isinstance(error, ConnectError):
                    run.purse.refund()
                self._end()
            if kind is not None:
                run.state.stats.failures[kind.__name__] += 1
            elif not run.logs_in:
                run.state.version.confirm(run.call.version)
            if run.watch is not None:
                run.watch.failed(None if kind is None else kind.__name__)
        finally:
            del error, traceback  # a frame that holds an error it is in would be a cycle

    def _end(self) -> None:
        """Let go of the place in the limits."""
        run = self._run
        self._is_under_way = False
        if run.purse is not None:
            run.purse.commit()
        run.state.rate_limiter.complete(self._departure, answered=self._is_over)
        if run.watch is not None:
            run.watch.finished(run.loop.time() - self._started)
        if _LOG.isEnabledFor(logging.DEBUG):
            _LOG.debug(
                "%s: %s, attempt %d, %.0f ms",
                run.call.operation,
                self._outcome or "no reply",
                run.sent,
                (run.loop.time() - self._started) * 1000,
            )
