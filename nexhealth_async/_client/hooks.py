"""Hooks: what an application is told before and after each attempt of a call."""

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
"""Why a request waits: for a token, for a place within the rate limits, or to be repeated."""

_LOG = logging.getLogger("nexhealth_async")


@frozen(kw_only=True, eq=False)
class Attempt:
    """One sending of a request, as hooks see it before it leaves.

    It holds no identifier of a record, no query, no header and no body. Each attempt is one object,
    the same in `Hook.before` and in `AttemptOutcome.attempt`, and equal to no other, so that it may
    be the key of a dictionary.
    """

    operation: str
    """Verb and path template: ``"GET /patients/{id}"``."""
    method: str
    """The HTTP method."""
    path: str
    """The path template, identifiers in braces."""
    resource: str
    """The noun, ``"patients"``; ``"authenticates"`` for logins, ``"request"`` for a free call."""
    rate_class: str
    """The limit that counts it: ``"slow"``, ``"people"`` or ``"other"``."""
    version: str
    """The version of the API it is made for: ``"v2"``, ``"v3.0.0"``."""
    base_url: str
    """Address of the API, without a trailing slash."""
    subdomain: str | None = field(default=None, repr=False)
    """The practice that the request names. It may be the name of a customer of yours, or of a
    dentist: no ``repr`` shows it, and what you make of it is your decision."""
    number: int = 1
    """Which sending of the same request it is, from 1; one sent again after a 401 counts too."""
    is_login: bool = False
    """True for the request that gets a token."""
    waited_login: float = 0.0
    """Seconds that it waited for a token since the attempt before, or since the call began."""
    waited_rate: float = 0.0
    """Seconds that it waited for a place within the rate limits, those after a 429 included."""
    waited_retry: float = 0.0
    """Seconds of back-off before it."""
    waited_for: tuple[WaitCause, ...] = ()
    """What it had to wait for, however short the wait: seconds may be 0.0 on a coarse clock."""


@frozen(kw_only=True, eq=False)
class AttemptOutcome:
    """What came of an attempt. It holds nothing of what was sent or answered."""

    attempt: Attempt
    seconds: float
    """From leaving until the body was read, or until it was given up; no wait is part of it."""
    status: int | None = None
    """The HTTP status; None if no reply came."""
    error: str | None = None
    """Name of the error's class, ``"RateLimitError"``; None if all is well. It need not reach the
    caller: the call may be tried again. ``"CancelledError"`` if the caller gave up."""
    bytes_received: int | None = None
    """Bytes of the body, unpacked; None without a reply, and for a file, which comes later."""
    records: int | None = None
    """How many records a list's page held; None where no list was read."""


class Hook:
    """Base of what is told of every attempt; override one method or both.

    Give objects of it to the session: ``NexHealth(..., hooks=[MyHook()])``. They serve its copies
    too. Each `before` is followed by exactly one `after`, whatever happens in between, logins and
    cancelled calls included. Several hooks are asked in the order given, and in the reverse one
    after the attempt. A call that sends nothing (it was refused, or its deadline passed in a queue)
    is not told.

    Both methods run in the event loop's thread, in the task that makes the request: what they take,
    the event loop waits for. So they must be plain methods, quick, and hold no lock that another
    thread keeps for long. Context variables are those of the caller; a prefetched page and a login
    run in tasks of their own, which have the variables of whoever started them, at that time.

    An error that a hook raises is logged once for each hook, by its class and without its text, and
    changes nothing of the call.
    """

    def before(self, attempt: Attempt, /) -> None:
        """Be told of a request that leaves now."""

    def after(self, outcome: AttemptOutcome, /) -> None:
        """Be told what came of it."""


class Hooks:
    """A session's hooks, asked so that none of them can break a call."""

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
        """Tell all of an attempt that begins."""
        for hook in self._hooks:
            self._notify(hook, hook.before, attempt)

    def after(self, outcome: AttemptOutcome) -> None:
        """Tell all of an attempt that ended."""
        for hook in self._reversed:
            self._notify(hook, hook.after, outcome)

    def _notify(self, hook: Hook, method: Callable[[T], None], event: T) -> None:
        try:
            method(event)
        except Exception as error:  # noqa: BLE001 - no observer may break what it observes
            if id(hook) not in self._reported:
                self._reported.add(id(hook))
                _LOG.warning(
                    "the hook %s raised %s; calls go on, and its later errors are not logged",
                    type(hook).__name__,
                    type(error).__name__,
                )


class HookRecorder:
    """One call under the eyes of a session's hooks: gathers what they are told."""

    __slots__ = ("_attempt", "_bytes", "_hooks", "_records", "_seconds", "_status", "_waits")

    def __init__(self, hooks: Hooks, attempt: Attempt) -> None:
        self._hooks = hooks
        self._attempt = attempt
        self._waits: dict[WaitCause, float] = {}
        self._forget()

    def _forget(self) -> None:
        self._seconds = 0.0
        self._status: int | None = None
        self._bytes: int | None = None
        self._records: int | None = None

    @classmethod
    def of(
        cls, call: PlannedCall, hooks: Hooks, *, version: str, base_url: str, is_login: bool
    ) -> HookRecorder:
        """Watch a call, of which only what the table says is looked at, and its practice."""
        attempt = Attempt(
            operation=call.operation,
            method=call.row.method,
            path=call.row.path,
            resource=call.endpoint.resource,
            rate_class=call.row.rate.value,
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
        """Note seconds that the next attempt waited; None where it did not have to."""
        waits: tuple[tuple[WaitCause, float | None], ...] = (
            ("login", login),
            ("rate", rate),
            ("retry", retry),
        )
        for cause, seconds in waits:
            if seconds is not None:
                self._waits[cause] = self._waits.get(cause, 0.0) + seconds

    def sending(self, number: int) -> None:
        """Tell that an attempt begins."""
        waits, self._waits = self._waits, {}
        self._forget()
        self._attempt = evolve(
            self._attempt,
            number=number,
            waited_login=waits.get("login", 0.0),
            waited_rate=waits.get("rate", 0.0),
            waited_retry=waits.get("retry", 0.0),
            waited_for=tuple(waits),
        )
        self._hooks.before(self._attempt)

    def finished(self, seconds: float) -> None:
        """Note how long sending and receiving took."""
        self._seconds = seconds

    def answered(self, reply: Response) -> None:
        """Note that a reply came."""
        self._status = reply.status
        self._bytes = len(reply.body) if reply.stream is None else None

    def delivered(self, records: int) -> None:
        """Note that the reply was a page of a list."""
        self._records = records

    def failed(self, error: str | None) -> None:
        """Tell that the attempt is over, for good or with an error of this class."""
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
    """Return the hooks of a session, None if there are none: then nothing is spent on them."""
    given = Hooks(hooks)
    return given or None


def _check(hook: object) -> None:
    if not isinstance(hook, Hook):
        raise InvalidArgumentError("hooks must be objects of classes that derive from Hook")
    if iscoroutinefunction(hook.before) or iscoroutinefunction(hook.after):
        raise InvalidArgumentError(
            f"the methods of the hook {type(hook).__name__} must not be async"
        )
