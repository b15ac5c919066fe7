"""Hooks called before and after each attempt of a call."""

from __future__ import annotations

import logging
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

from attrs import evolve, field, frozen

from nexhealth_async.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nexhealth_async._protocol.http_messages import Response
    from nexhealth_async._protocol.requests import PlannedCall

__all__ = ["Attempt", "AttemptOutcome", "Hook", "HookRecorder", "Hooks", "WaitCause", "make_hooks"]

T = TypeVar("T")

WaitCause: TypeAlias = Literal["login", "rate", "retry"]
"""Cause of a wait: for a token, for the rate limit, or before a retry."""

_LOG = logging.getLogger("nexhealth_async")


@frozen(kw_only=True, eq=False)
class Attempt:
    """One attempt to send a request, as passed to hooks.

    It holds no record ids, query, headers or body. `Hook.before` and `AttemptOutcome.attempt`
    receive the same object. Attempts compare by identity, so they can be dictionary keys.
    """

    operation: str
    """Method and path template: ``"GET /patients/{id}"``."""
    method: str
    """The HTTP method."""
    path: str
    """The path template, identifiers in braces."""
    resource: str
    """Name of the resource, ``"patients"``; ``"authenticates"`` for logins, ``"request"`` for
    ``nex.request()``."""
    rate_class: str
    """Rate class that counts it: ``"slow"``, ``"people"`` or ``"other"``."""
    version: str
    """API version of the request: ``"v2"``, ``"v3.0.0"``."""
    base_url: str
    """Address of the API, without a trailing slash."""
    subdomain: str | None = field(default=None, repr=False)
    """The practice in the request. It may name a customer or a dentist, so ``repr`` hides it."""
    number: int = 1
    """Number of the attempt, from 1; one repeated after a 401 counts too."""
    is_login: bool = False
    """True for the request of a token."""
    waited_login: float = 0.0
    """Seconds waited for a token since the previous attempt, or since the call began."""
    waited_rate: float = 0.0
    """Seconds waited for the rate limit, pauses after a 429 included."""
    waited_retry: float = 0.0
    """Seconds of back-off before the attempt."""
    waited_for: tuple[WaitCause, ...] = ()
    """Causes of all waits, also of those that last 0.0 seconds on a coarse clock."""


@frozen(kw_only=True, eq=False)
class AttemptOutcome:
    """Result of an attempt. It holds no content of the request or the response."""

    attempt: Attempt
    seconds: float
    """Seconds from sending until the body was read or the attempt abandoned, without waits."""
    status: int | None = None
    """The HTTP status; None without a response."""
    error: str | None = None
    """Name of the error's class, ``"RateLimitError"``; None on success. The caller does not see it
    if the call is retried. ``"CancelledError"`` if the caller cancelled."""
    bytes_received: int | None = None
    """Size of the decompressed body; None without a response, and for a download."""
    records: int | None = None
    """Number of records in a page of a list; None for other operations."""


class Hook:
    """Base class of hooks; override one method or both.

    Pass instances to the session: ``NexHealth(..., hooks=[MyHook()])``. They serve its copies too.
    Each `before` is followed by exactly one `after`, also for logins and cancelled calls. Hooks
    run in the order of the list before an attempt, and in reverse order after it. A call that
    sends nothing (an invalid argument, or a deadline that passed in a queue) calls no hook.

    Both methods run in the event loop's thread, in the task that sends the request, and block the
    event loop. They must be plain methods, quick, and must not wait for locks of other threads.
    Context variables are the caller's; prefetched pages and logins run in their own tasks, with
    the context of the call that started them.

    A hook's error does not affect the call. It is logged once per hook, by class and without its
    text.
    """

    def before(self, attempt: Attempt, /) -> None:
        """Handle an attempt that is about to be sent."""

    def after(self, outcome: AttemptOutcome, /) -> None:
        """Handle the result of an attempt."""


class Hooks:
    """The hooks of a session, called so that their errors cannot fail a call."""

    __slots__ = ("_hooks", "_reported", "_reversed")

    def __init__(self, hooks: Iterable[Hook]) -> None:
        self._hooks = tuple(hooks)
        self._reversed = self._hooks[::-1]
        self._reported: set[int] = set()
        for hook in self._hooks:
            _check(hook)

    def __bool__(self) -> bool:
        return bool(self._hooks)

    def before(self, attempt: Attempt) -> None:
        """Call all hooks before an attempt."""
        for hook in self._hooks:
            self._notify(hook, hook.before, attempt)

    def after(self, outcome: AttemptOutcome) -> None:
        """Call all hooks after an attempt, in reverse order."""
        for hook in self._reversed:
            self._notify(hook, hook.after, outcome)

    def _notify(self, hook: Hook, method: Callable[[T], None], event: T) -> None:
        try:
            method(event)
        except Exception as error:  # noqa: BLE001 - an observer's error must not fail the call
            if id(hook) not in self._reported:
                self._reported.add(id(hook))
                _LOG.warning(
                    "the hook %s raised %s; calls are not affected, its later errors not logged",
                    type(hook).__name__,
                    type(error).__name__,
                )


class HookRecorder:
    """Collects the data of one call's attempts and calls the hooks."""

    __slots__ = ("_attempt", "_bytes", "_hooks", "_records", "_seconds", "_status", "_waits")

    def __init__(self, hooks: Hooks, attempt: Attempt) -> None:
        self._hooks = hooks
        self._attempt = attempt
        self._waits: dict[WaitCause, float] = {}
        self._reset()

    def _reset(self) -> None:
        self._seconds = 0.0
        self._status: int | None = None
        self._bytes: int | None = None
        self._records: int | None = None

    @classmethod
    def of(
        cls, call: PlannedCall, hooks: Hooks, *, version: str, base_url: str, is_login: bool
    ) -> HookRecorder:
        """Create the recorder of a call, from its specification and its practice only."""
        attempt = Attempt(
            operation=call.operation,
            method=call.spec.method,
            path=call.spec.path,
            resource=call.endpoint.resource,
            rate_class=call.spec.rate.value,
            version=version,
            base_url=base_url,
            subdomain=dict(call.query).get("subdomain"),
            is_login=is_login,
        )
        return cls(hooks, attempt)

    def waited(
        self,
        *,
        login: float | None = None,
        rate: float | None = None,
        retry: float | None = None,
    ) -> None:
        """Record seconds that the next attempt waited; None where it did not wait."""
        waits: tuple[tuple[WaitCause, float | None], ...] = (
            ("login", login),
            ("rate", rate),
            ("retry", retry),
        )
        for cause, seconds in waits:
            if seconds is not None:
                self._waits[cause] = self._waits.get(cause, 0.0) + seconds

    def sending(self, number: int) -> None:
        """Call the hooks before an attempt."""
        waits, self._waits = self._waits, {}
        self._reset()
        self._attempt = evolve(
            self._attempt,
            number=number,
            waited_login=waits.get("login", 0.0),
            waited_rate=waits.get("rate", 0.0),
            waited_retry=waits.get("retry", 0.0),
            waited_for=tuple(waits),
        )
        self._hooks.before(self._attempt)

    def measured(self, seconds: float) -> None:
        """Record the duration of sending and receiving."""
        self._seconds = seconds

    def answered(self, response: Response) -> None:
        """Record a response."""
        self._status = response.status
        self._bytes = len(response.body) if response.stream is None else None

    def delivered(self, records: int) -> None:
        """Record the number of records in a page of a list."""
        self._records = records

    def finished(self, error: str | None) -> None:
        """Call the hooks after an attempt; ``error`` is None on success."""
        self._hooks.after(
            AttemptOutcome(
                attempt=self._attempt,
                seconds=self._seconds,
                status=self._status,
                error=error,
                bytes_received=self._bytes,
                records=self._records,
            )
        )


def make_hooks(hooks: Iterable[Hook]) -> Hooks | None:
    """Return the hooks of a session, None if there are none."""
    return Hooks(hooks) or None


def _check(hook: object) -> None:
    if not isinstance(hook, Hook):
        raise InvalidArgumentError("hooks must be instances of subclasses of Hook")
    if iscoroutinefunction(hook.before) or iscoroutinefunction(hook.after):
        raise InvalidArgumentError(
            f"the methods of the hook {type(hook).__name__} must not be async"
        )
