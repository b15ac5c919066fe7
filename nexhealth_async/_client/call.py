"""Run one API call: version, token, rate limit, send, retry."""

from __future__ import annotations

import asyncio
import logging
import random
import warnings
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol, Self, TypeVar, cast

from attrs import evolve

from nexhealth_async._client.backoff_switch import backoff_delay
from nexhealth_async._client.budget import Reservation
from nexhealth_async._client.hooks import HookRecorder
from nexhealth_async._client.token_manager import invalid_key_error
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

    from nexhealth_async._client.hooks import Hooks
    from nexhealth_async._client.options import Options
    from nexhealth_async._client.state import ClientState
    from nexhealth_async._protocol.http_messages import Request
    from nexhealth_async._protocol.operations import OperationSpec
    from nexhealth_async._protocol.rate_limits import Permit
    from nexhealth_async._protocol.requests import PlannedCall
    from nexhealth_async._protocol.token_life import Token

__all__ = ["CallContext", "CallRunner"]

T = TypeVar("T")

_LOG = logging.getLogger("nexhealth_async")


class CallContext(Protocol):
    """The part of a client that its calls use."""

    @property
    def options(self) -> Options:
        """The options of its calls."""
        ...

    @property
    def state(self) -> ClientState:
        """State shared with other clients of the session."""
        ...

    async def resolve_call(self, call: PlannedCall, deadline: float | None = None) -> PlannedCall:
        """Return the call in the session's API version, which is determined first."""
        ...

    def replan_after_refusal(self, call: PlannedCall) -> PlannedCall | None:
        """Return the call in another version after the account refused its own, if there is one."""
        ...


class CallRunner:
    """One call: its deadline and its attempts."""

    __slots__ = (
        "_api_key",
        "_background",
        "_client",
        "_headers",
        "_keeps_version",
        "_maybe_done",
        "_pairs",
        "_streams",
        "_token_renewed",
        "_tries",
        "call",
        "deadline",
        "logs_in",
        "loop",
        "options",
        "recorder",
        "reservation",
        "sent",
        "state",
    )

    def __init__(
        self,
        client: CallContext,
        call: PlannedCall,
        *,
        deadline: float | None = None,
        pairs: tuple[tuple[str, str], ...] = (),
        background: bool = False,
        api_key: HiddenText | None = None,
        streams: bool = False,
        keeps_version: bool = False,
    ) -> None:
        """Create the runner of a call.

        Args:
            client: Client whose options and state apply.
            call: The call to send.
            deadline: Time on the loop's clock by which the call must end; by default the client's
                timeout from now.
            pairs: Page or cursor parameters.
            background: True for pages that are prefetched.
            api_key: The key that a login sends instead of a token; None for all other calls.
            streams: True if the caller reads the body, for which the deadline does not count.
            keeps_version: True if the call must not change its API version.
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
        """The call as planned for the API version of the last attempt."""

    def _deadline_from_now(self) -> float | None:
        timeout = self.options.timeout
        return None if timeout is None else self.loop.time() + timeout

    async def run(self, read: Callable[[Response, OperationSpec], T]) -> T:
        """Send the call, retry it where allowed, and return what ``read`` makes of the response.

        A call that both API versions have uses the session's version, and is sent in the other
        one if the account refuses that version.
        """
        if self.call.plan_for_version is not None and not self._keeps_version:
            self.call = await self._client.resolve_call(self.call, self.deadline)
        self._begin()
        while True:
            # Most calls need not wait and so need no further coroutine.
            request, generation, permit = (
                self._try_acquire_permit() or await self._wait_for_permit()
            )
            self._count_attempt()
            try:
                with _AttemptContext(self, permit) as attempt:
                    response = await self.state.transport.send(request, timeout=attempt.seconds)
                    attempt.answered(response)
                    return self._check_ignored_params(read(response, self.call.spec))
            except AuthenticationError as error:
                if not await self._has_other_token(error, generation):
                    raise
            except VersionNotEnabledError as error:
                if not self._falls_back(error):
                    raise
            except NexHealthError as error:
                if self._is_repeated_delete(error):
                    return read(Response(status=204), self.call.spec)
                if not await self._waits_for_retry(error):
                    raise

    def _begin(self) -> None:
        """Reset the attempts and count a new call."""
        state, call = self.state, self.call
        self.sent = 0
        """Number of requests sent."""
        self._tries = 0
        """Number of attempts for the retry policy; a repetition after a 401 does not count."""
        self._token_renewed = False
        self._maybe_done = False
        """True once the server may have executed an attempt whose response was lost."""
        self._headers = state.headers(call.version)
        if self._streams:
            # A file is not JSON; an error response is.
            accepted = f"{self._headers['Accept']}, */*;q=0.8"
            self._headers = {**self._headers, "Accept": accepted}
        if self._api_key is not None:
            self._headers = {**self._headers, "Authorization": self._api_key}
        self.reservation = (
            None if state.budget_meter is None else Reservation(state.budget_meter, call.spec.rate)
        )
        self.recorder = None if state.hooks is None else self._make_recorder(state.hooks)
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
        stats.operations[self.call.spec.operation] += 1

    def _falls_back(self, error: VersionNotEnabledError) -> bool:
        """Start over in another version after a refusal; return False if there is none."""
        self._annotate(error)
        replanned = None if self._keeps_version else self._client.replan_after_refusal(self.call)
        if replanned is None:
            return False
        self.state.check_usable()
        self.call = replanned
        self._begin()
        return True

    async def _waits_for_retry(self, error: NexHealthError) -> bool:
        """Wait for the next attempt; return False if the error must be raised."""
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
        """Record seconds waited by cause; None where the call did not wait."""
        stats, recorder = self.state.stats, self.recorder
        stats.waited_login += login or 0.0
        stats.waited_rate += rate or 0.0
        stats.waited_retry += retry or 0.0
        if recorder is not None:
            recorder.waited(login=login, rate=rate, retry=retry)

    async def _wait_for_permit(self) -> tuple[Request, int, Permit]:
        try:
            if self.reservation is not None:
                return await self._charge_budget(self.reservation)
            return await self._acquire_permit()
        except NexHealthError as error:
            raise self._annotate(error) from None

    async def _charge_budget(self, reservation: Reservation) -> tuple[Request, int, Permit]:
        """Charge the budget and wait for a permit; refund the charge if nothing is sent.

        The login is charged first: calls that wait for it would otherwise use up the budget.
        """
        now = self.loop.time()
        try:
            reservation.check(now)
            if not self.logs_in and self.state.token_manager.current(now) is None:
                await self.state.token_manager.get(self.deadline)
                self._record_waits(login=self.loop.time() - now)
            reservation.charge(self.loop.time())
            return await self._acquire_permit()
        except BaseException:
            reservation.refund()
            raise

    def _budget_allows_retry(self) -> bool:
        """Charge the budget for another attempt; return False if nothing is left."""
        try:
            if self.reservation is not None:
                self.reservation.charge(self.loop.time())
        except BudgetExceededError:
            return False
        return True

    def _try_acquire_permit(self) -> tuple[Request, int, Permit] | None:
        """Return the request if a token and a permit are available now; None if it must wait."""
        if self.logs_in or self.reservation is not None:
            return None
        now, state = self.loop.time(), self.state
        token = state.token_manager.current(now)
        permit = None if token is None else state.rate_limiter.try_acquire(self.call.spec.rate, now)
        if token is None or permit is None:
            return None
        if self._background and self.sent == 0 and not self.options.timeout_chosen:
            self.deadline = self._deadline_from_now()
        return self._authorized_request(token), token.generation, permit

    def _authorized_request(self, token: Token) -> Request:
        headers = {**self._headers, "Authorization": HiddenText(f"Bearer {token.value}")}
        request = self.call.request(*self._pairs, headers=headers)
        return evolve(request, stream_response=True) if self._streams else request

    async def _acquire_permit(self) -> tuple[Request, int, Permit]:
        """Wait for a token and for the rate limit; return the request to send now."""
        call, state = self.call, self.state
        limiter, tokens, rate = state.rate_limiter, state.token_manager, call.spec.rate
        if self.logs_in:
            now = self.loop.time()
            permit = limiter.try_acquire(rate, now)
            if permit is None:
                permit = await limiter.acquire(rate, background=False, deadline=self.deadline)
                if self.recorder is not None:  # calls that wait for the login count that wait
                    self.recorder.waited(rate=self.loop.time() - now)
            return call.request(headers=self._headers), 0, permit
        without_deadline = self._background and not self.options.timeout_chosen
        while True:
            now = self.loop.time()
            waited_login = waited_rate = None
            token = tokens.current(now)
            if token is None:
                await tokens.get(self.deadline)
                started, now = now, self.loop.time()
                waited_login = now - started
            permit = limiter.try_acquire(rate, now)
            if permit is None:
                permit = await limiter.acquire(
                    rate,
                    background=self._background,
                    deadline=None if without_deadline else self.deadline,
                )
                waited_rate = self.loop.time() - now
            if waited_login is not None or waited_rate is not None:
                self._record_waits(login=waited_login, rate=waited_rate)
                # The token may have expired during the wait.
                token = tokens.current(self.loop.time())
            if without_deadline and self.sent == 0:
                self.deadline = self._deadline_from_now()
            if token:
                return self._authorized_request(token), token.generation, permit
            limiter.release(permit)

    def _annotate(self, error: NexHealthError) -> NexHealthError:
        """Add the operation and the number of attempts to an error.

        Its context is dropped: aiohttp's errors hold the URL, the token and the response.
        """
        error.__context__ = None
        error.operation = error.operation or self.call.operation
        if error.attempts is None:
            error.attempts = self.sent
        return error

    # Errors are raised where they were caught. Raised in a method that has the error as an
    # argument, it would form a cycle with its own traceback and keep every frame alive.

    async def _has_other_token(self, error: AuthenticationError, generation: int) -> bool:
        """Get another token after a 401; return False if the error must be raised."""
        self._annotate(error)
        tokens = self.state.token_manager
        if self.logs_in:
            return False
        action = tokens.action_after_401(generation)
        if action is AuthAction.REPORT_INVALID_KEY:
            raise invalid_key_error(error) from None
        if self._token_renewed or action is AuthAction.GIVE_UP:
            return False
        self._token_renewed = True
        self._tries -= 1
        refused_at = self.loop.time()
        has_token = action is AuthAction.USE_CURRENT and tokens.current(refused_at) is not None
        try:
            await tokens.replace(generation, self.deadline)
        except NexHealthError as failure:
            raise self._annotate(failure) from None
        if not has_token:
            self._record_waits(login=self.loop.time() - refused_at)
        return True

    def _is_repeated_delete(self, error: NexHealthError) -> bool:
        """Return whether a repeated DELETE got a 404 because an earlier attempt succeeded."""
        return (
            isinstance(error, NotFoundError)
            and self.call.spec.method == "DELETE"
            and self._maybe_done
        )

    def _after_failure(self, error: NexHealthError) -> float | None:
        """Return the seconds to wait before the next attempt, None to raise the error.

        Raises:
            OutcomeUnknownError: An unsafe write may have been executed.
            SessionStateError: The session was closed during the call.
        """
        spec = self.call.spec
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
            case Retry(delay=delay):
                after = backoff_delay(delay)
                if self.state.closed:
                    raise SessionStateError(
                        "the session was closed during the call; close it after the last call",
                        operation=spec.operation,
                    ) from None
                if self.deadline is not None and self.loop.time() + after >= self.deadline:
                    return None
                maybe_arrived = not isinstance(error, (RateLimitError, ConnectError))
                self._maybe_done = self._maybe_done or maybe_arrived
                # After a 429 the paused rate limiter makes the call wait, in its order.
                return 0.0 if isinstance(error, RateLimitError) else after
            case _:
                window = self.options.retry.late_commit_window
                raise OutcomeUnknownError(
                    f"the write may have happened, or may still happen within {window:g} seconds: "
                    f"{error.message}.",
                    lookup=spec.lookup_hint,
                    status=cast("int | None", getattr(error, "status", None)),
                    operation=spec.operation,
                    attempts=self.sent,
                    unsettled_until=datetime.now(UTC) + timedelta(seconds=window),
                ) from None

    def _pause_rate_class(self, error: RateLimitError, decision: object) -> None:
        """Pause the rate class for as long as the server asked."""
        after = decision.delay if isinstance(decision, Retry) else error.retry_after or 1.0
        longest = self.options.retry.max_retry_after
        self.state.rate_limiter.pause(self.call.spec.rate, backoff_delay(min(after, longest)))

    def _check_ignored_params(self, result: T) -> T:
        """Raise or warn where the server ignored parameters or attached a warning."""
        if isinstance(result, ParsedList):
            self.state.stats.records += len(result.records)
            if self.recorder is not None:
                self.recorder.delivered(len(result.records))
            if self.options.version == AUTO and is_empty_schedule(
                self.call, self._pairs, result.records
            ):
                text = (
                    f"{self.call.operation}: the list is empty in v2, as for practices that were "
                    'set up under v3; try version="v3"'
                )
                warnings.warn(text, NexHealthWarning, stacklevel=2)
        if not isinstance(result, ParsedBody) or not result.warnings:
            return result
        call = self.call
        ignored = significant_ignored_params(call, result.ignored)
        if ignored and call.spec.method == "GET" and self.options.on_ignored == "raise":
            raise IgnoredFilterError(ignored, operation=call.operation)
        if ignored:
            names = ", ".join(sorted(ignored))
            text = f"{call.operation}: the server ignored {names}; do not send it"
            warnings.warn(text, NexHealthWarning, stacklevel=2)
        elif isinstance(result, ParsedRecord):
            text = (
                f"{call.operation}: the write succeeded with a warning; get the record to check it"
            )
            warnings.warn(text, NexHealthWarning, stacklevel=2)
        return result


class _AttemptContext:
    """Context of one attempt: time limit, permit, budget, statistics and hooks.

    A context manager rather than a coroutine, which would add a frame to every stack. It releases
    the permit however the attempt ends, cancellation included.
    """

    __slots__ = (
        "_holds_permit",
        "_is_over",
        "_permit",
        "_run",
        "_started",
        "_status",
        "seconds",
    )

    def __init__(self, run: CallRunner, permit: Permit) -> None:
        if run.recorder is not None:
            run.recorder.sending(run.sent)
        self._run = run
        self._permit = permit
        self._holds_permit = True
        self._is_over = False
        """False for an abandoned attempt, which the server may still receive and count."""
        self._status: int | None = None
        self._started = run.loop.time()
        seconds = run.options.retry.attempt_timeout
        if run.deadline is not None:
            left = run.deadline - self._started
            seconds = left if seconds is None or left < seconds else seconds
        self.seconds = seconds
        """Time limit of the attempt in seconds, None without one."""

    def __enter__(self) -> Self:
        return self

    def answered(self, response: Response) -> None:
        """Record a response, before it is parsed."""
        run = self._run
        self._status, self._is_over = response.status, True
        run.state.stats.bytes_received += len(response.body)
        if run.recorder is not None:
            run.recorder.answered(response)
        self._end()
        if not run.logs_in and response.status != 401:  # noqa: PLR2004 - HTTP's "Unauthorized"
            run.state.token_manager.accepted()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        run = self._run
        try:
            if self._holds_permit:
                if isinstance(error, (ConnectError, ConnectionLostError)):
                    self._is_over = True
                if run.reservation is not None and isinstance(error, ConnectError):
                    run.reservation.refund()
                self._end()
            if kind is not None:
                run.state.stats.failures[kind.__name__] += 1
            elif not run.logs_in:
                run.state.version.confirm(run.call.version)
            if run.recorder is not None:
                run.recorder.finished(None if kind is None else kind.__name__)
        finally:
            del error, traceback  # break the cycle between this frame and the traceback

    def _end(self) -> None:
        """Release the permit."""
        run = self._run
        self._holds_permit = False
        if run.reservation is not None:
            run.reservation.commit()
        run.state.rate_limiter.complete(self._permit, answered=self._is_over)
        if run.recorder is not None:
            run.recorder.measured(run.loop.time() - self._started)
        if _LOG.isEnabledFor(logging.DEBUG):
            _LOG.debug(
                "%s: %s, attempt %d, %.0f ms",
                run.call.operation,
                self._status or "no response",
                run.sent,
                (run.loop.time() - self._started) * 1000,
            )
