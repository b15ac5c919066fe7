"""Everything this library raises or warns with.

::

    NexHealthError
    ├── UsageError                            refused before anything was sent
    │   ├── InvalidArgumentError              a value the API would refuse or misread (a ValueError)
    │   ├── MissingScopeError                 no practice or no location was given
    │   ├── NotInVersionError                 the API version has no such operation or filter
    │   ├── SessionStateError                 the session is not open, closed, or of another loop
    │   ├── BudgetExceededError               the requests of budget= are used up: renews_after
    │   ├── UnfinishedPullError               a new pull of a fleet would discard the last one
    │   ├── OriginError                       a target holds records of another origin
    │   └── WalkClosedError                   this walk was finished, failed or closed before
    ├── APIConnectionError                    no complete response arrived
    │   ├── ConnectError                      no connection was made, so nothing was sent
    │   ├── ConnectionLostError               the connection broke after sending had begun
    │   └── APITimeoutError                   the deadline passed (a TimeoutError)
    ├── OutcomeUnknownError                   a write may or may not have happened
    ├── DoubleBookedError                     rescheduled, but the old appointment is not cancelled
    ├── APIError                              the API answered with an error
    │   ├── AuthenticationError               401
    │   │   └── InvalidAPIKeyError            the API key itself is not accepted
    │   ├── PermissionDeniedError             403
    │   │   ├── VersionNotEnabledError        the account may not use this API version
    │   │   ├── FinancialAccessDisabledError  a ledger resource not enabled for the key
    │   │   └── FirewallBlockedError          a firewall's page, not the API's answer
    │   ├── NotFoundError                     404
    │   ├── InvalidRequestError               400, 415, 422 and code: false
    │   │   ├── DuplicatePatientError         the patient exists: patient_id
    │   │   ├── SlotTakenError                the time is no longer free
    │   │   ├── AlreadyCancelledError         the appointment was cancelled before
    │   │   ├── NotYetSyncedError             the practice's system does not have it yet
    │   │   └── UnsupportedBySystemError      the practice's system cannot do this
    │   ├── RateLimitError                    429: retry_after
    │   └── ServerError                       5xx
    ├── InvalidResponseError                  a response that is not what the API documents
    │   ├── MalformedBodyError                not the announced JSON, or cut short
    │   ├── UnexpectedStructureError          JSON of another structure
    │   └── UndecodableRecordError            one record that no decoder can read
    ├── InvalidWebhookError                   the body of a webhook that is no event
    ├── IgnoredFilterError                    the server ignored a filter
    ├── DriftError                            the list changed too much to be shown complete
    ├── StalledCursorError                    the server says more exist but not how to get them
    ├── PartialPullError                      some shards of a pull were not read to their end
    └── TargetError                           the target of a copy cannot be used

    NexHealthWarning                          what the library or the server reports

The text of an error names the operation, the status and the number of attempts, and says what to
do next. It never holds a body, a query value, a credential or personal data; the body of a refusal
is on the object for those who ask for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

__all__ = [
    "APIConnectionError",
    "APIError",
    "APITimeoutError",
    "AlreadyCancelledError",
    "AuthenticationError",
    "BudgetExceededError",
    "ConnectError",
    "ConnectionLostError",
    "DoubleBookedError",
    "DriftError",
    "DuplicatePatientError",
    "FinancialAccessDisabledError",
    "FirewallBlockedError",
    "IgnoredFilterError",
    "InvalidAPIKeyError",
    "InvalidArgumentError",
    "InvalidRequestError",
    "InvalidResponseError",
    "InvalidWebhookError",
    "MalformedBodyError",
    "MissingScopeError",
    "NexHealthError",
    "NexHealthWarning",
    "NotFoundError",
    "NotInVersionError",
    "NotYetSyncedError",
    "OriginError",
    "OutcomeUnknownError",
    "PartialPullError",
    "PermissionDeniedError",
    "RateLimitError",
    "ServerError",
    "SessionStateError",
    "SlotTakenError",
    "StalledCursorError",
    "TargetError",
    "UndecodableRecordError",
    "UnexpectedStructureError",
    "UnfinishedPullError",
    "UnsupportedBySystemError",
    "UsageError",
    "VersionNotEnabledError",
    "WalkClosedError",
]


class NexHealthError(Exception):
    """The base of everything this library raises.

    ``operation`` names the call (``"GET /patients"``, never with values), ``attempts`` how often it
    was sent, and ``resume`` where a walk can go on after the last page that was delivered whole:
    pass it as ``after=``. Each is None where it has no meaning. ``message`` is what happened.
    """

    advice: str = ""
    """What to do next, which ends the text; empty where ``message`` says it."""

    def __init__(
        self, message: str, *, operation: str | None = None, attempts: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.operation = operation
        self.attempts = attempts
        self.resume: str | None = None

    def __reduce__(self) -> tuple[object, ...]:
        """Copy and pickle whole, whatever the constructor asks for."""
        return _rebuild, (type(self), self.args, self.__dict__)

    def __str__(self) -> str:
        """Say the operation, what happened, after how many attempts, and what to do next."""
        text = f"{self.operation}: {self.message}" if self.operation else self.message
        if self.attempts is not None and self.attempts > 1:
            text += f" ({self.attempts} attempts)"
        return f"{text}; {self.advice}" if self.advice else text


def _rebuild(
    kind: type[NexHealthError], args: tuple[object, ...], state: dict[str, object]
) -> NexHealthError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class UsageError(NexHealthError):
    """The call was refused before anything was sent."""


class InvalidArgumentError(UsageError, ValueError):
    """An argument has a value that the API could only refuse or misread."""


class MissingScopeError(UsageError):
    """The operation needs a practice or a location, and neither call nor scope names it."""


class NotInVersionError(UsageError):
    """The chosen API version has no such operation or filter; the message names one that has."""


class SessionStateError(UsageError):
    """The session is not open, is closed, or belongs to another event loop or process."""


class BudgetExceededError(UsageError):
    """The requests that ``budget=`` allows are used up.

    ``limit`` names the one that is: ``"overall"``, ``"slow"``, ``"people"`` or ``"other"``.
    ``renews_after`` is in how many seconds a new period begins, None if none does.
    """

    advice = "wait for the next period, or allow more with budget="

    def __init__(
        self,
        message: str,
        *,
        limit: str,
        renews_after: float | None = None,
        operation: str | None = None,
    ) -> None:
        super().__init__(message, operation=operation)
        self.limit = limit
        self.renews_after = renews_after


class UnfinishedPullError(UsageError):
    """The target's last pull is unfinished, and a fleet's new one would forget it.

    `nexhealth_async.fleet.requeue` goes on with it; ``replace=True`` of
    `nexhealth_async.fleet.fleet_pull` forgets it.
    """

    advice = (
        "let workers end it (after requeue if they find nothing of it), or give it up with "
        "replace=True"
    )


class OriginError(UsageError):
    """The target holds records from somewhere else than the session reads from.

    ``option`` names what allows the copy all the same: ``"adopt"`` takes the target's records for
    those of this account, ``"recopy"`` replaces all of them. None: nothing does, but another
    target.
    """

    _ADVICE: ClassVar[Mapping[str, str]] = {
        "adopt": "pass adopt=True if they are of this account, or copy to another target",
        "recopy": "pass recopy=True to replace all of them, or copy to another target",
    }

    def __init__(self, message: str, *, option: Literal["adopt", "recopy"] | None = None) -> None:
        super().__init__(message)
        self.option: Literal["adopt", "recopy"] | None = option
        if option is not None:
            self.advice: str = self._ADVICE[option]


class WalkClosedError(UsageError):
    """This walk was finished, failed or closed before; start a new one."""


class APIConnectionError(NexHealthError):
    """No complete reply came back."""


class ConnectError(APIConnectionError):
    """No connection was made (name look-up, refusal, TLS), so nothing was sent."""

    advice = "check the network and base_url, or try again later"


class ConnectionLostError(APIConnectionError):
    """The connection broke after the request began to leave; it may have arrived."""

    advice = "try again later"


class APITimeoutError(APIConnectionError, TimeoutError):
    """The call's ``timeout`` passed, or a wait ahead of it was longer than what was left of it."""

    advice = "allow more time with timeout=, or try again later"


class OutcomeUnknownError(NexHealthError):
    """A write may or may not have happened; it was not repeated.

    ``lookup`` says how to find out. ``status`` is the HTTP status if an unreadable or failing reply
    came, else None. The API has no idempotency keys, so repeating blindly may do the thing twice.

    The server may also carry it out later: what is not there now may be there in a minute.
    ``unsettled_until`` is until when to reckon with that, in UTC; it follows from the assumption
    `RetryPolicy.late_commit_window`. It is None where the server said that the write was accepted.
    """

    def __init__(
        self,
        message: str,
        *,
        lookup: str,
        status: int | None = None,
        operation: str | None = None,
        attempts: int | None = None,
        unsettled_until: datetime | None = None,
    ) -> None:
        super().__init__(f"{message} {lookup}", operation=operation, attempts=attempts)
        self.lookup = lookup
        self.status = status
        self.unsettled_until = unsettled_until


class DoubleBookedError(NexHealthError):
    """An appointment was booked in place of another one, which then could not be cancelled.

    Both exist: ``new_id`` and ``old_id``, which is left to cancel. Do not keep the old one instead:
    a cancellation whose answer was lost may still be carried out.
    """

    advice = "cancel the old one"

    def __init__(
        self, message: str, *, new_id: int, old_id: int, operation: str | None = None
    ) -> None:
        super().__init__(message, operation=operation)
        self.new_id = new_id
        self.old_id = old_id


class APIError(NexHealthError):
    """The API answered with a refusal.

    ``status`` is the HTTP status. ``body`` holds the reply's bytes and ``texts`` the sentences the
    API gave in ``error`` and ``description``: both may contain personal data, so neither is part of
    the message.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        texts: Sequence[str] = (),
        body: bytes = b"",
        operation: str | None = None,
        attempts: int | None = None,
    ) -> None:
        super().__init__(message, operation=operation, attempts=attempts)
        self.status = status
        self.texts: tuple[str, ...] = tuple(texts)
        self.body = body


class AuthenticationError(APIError):
    """401: the token was refused even after a new login."""

    advice = "check the API key, or try again later"


class InvalidAPIKeyError(AuthenticationError):
    """The API key is not accepted: wrong, revoked, or of the other environment."""

    advice = "check that it is whole, not revoked, and of the right environment"


class PermissionDeniedError(APIError):
    """403: the key may not do this.

    The API says so for a practice of the other environment, for a misspelt or capitalised
    subdomain, and for a location outside the practice.
    """

    advice = (
        "check the subdomain's spelling, and that the key and the practice belong to the "
        "same environment"
    )


class VersionNotEnabledError(PermissionDeniedError):
    """The account may not use this API version; pass ``version="v3"``."""

    advice = 'pass version="v3"'


class FinancialAccessDisabledError(PermissionDeniedError):
    """A ledger resource that NexHealth has not enabled for this key."""

    advice = "NexHealth enables ledger data for each key on request"


class FirewallBlockedError(PermissionDeniedError):
    """A firewall in front of the API answered, not the API: its 403 is no JSON."""

    advice = "check user_agent and the address you call from"


class NotFoundError(APIError):
    """404: no such record in this practice."""

    advice = "check the id, and that it is of this practice"


class InvalidRequestError(APIError):
    """The API refused the request's content: 400, 415, 422, or ``code: false`` under any status."""

    advice = "the error's texts say what it objects to"


class DuplicatePatientError(InvalidRequestError):
    """The patient exists already; ``patient_id`` is its id, None if the API named none."""

    advice = "patient_id names the record, if the API named it"

    def __init__(
        self,
        message: str,
        *,
        status: int,
        patient_id: int | None = None,
        texts: Sequence[str] = (),
        body: bytes = b"",
        operation: str | None = None,
    ) -> None:
        super().__init__(message, status=status, texts=texts, body=body, operation=operation)
        self.patient_id = patient_id


class SlotTakenError(InvalidRequestError):
    """The time asked for is no longer free."""

    advice = "search the slots again"


class AlreadyCancelledError(InvalidRequestError):
    """The appointment was cancelled before, so it cannot be changed."""

    advice = "book a new appointment"


class NotYetSyncedError(InvalidRequestError):
    """The record has not reached the practice's system yet; wait and try again."""

    advice = "wait for its webhook, or try again later"


class UnsupportedBySystemError(InvalidRequestError):
    """The practice's own system cannot take this change."""

    advice = "make the change in that system"


class RateLimitError(APIError):
    """429: too many requests; ``retry_after`` is what the server asks for in seconds, or None."""

    advice = "wait, and give each process that uses the key its share with rates="

    def __init__(
        self,
        message: str,
        *,
        status: int = 429,
        retry_after: float | None = None,
        texts: Sequence[str] = (),
        body: bytes = b"",
        operation: str | None = None,
    ) -> None:
        super().__init__(message, status=status, texts=texts, body=body, operation=operation)
        self.retry_after = retry_after


class ServerError(APIError):
    """5xx: the API failed."""

    advice = "try again later"


class InvalidResponseError(NexHealthError):
    """A reply that cannot be what the API meant; ``status`` is its HTTP status."""

    advice = "if it stays so, tell NexHealth's support"

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        operation: str | None = None,
        attempts: int | None = None,
    ) -> None:
        super().__init__(message, operation=operation, attempts=attempts)
        self.status = status


class MalformedBodyError(InvalidResponseError):
    """The body is not the JSON that was due: empty, cut short, HTML, or otherwise unreadable."""


class UnexpectedStructureError(InvalidResponseError):
    """The body is JSON, but a part is missing or is not of the kind it should be."""


class UndecodableRecordError(InvalidResponseError):
    """One record cannot be read: ``record_id`` (None if unreadable), ``path`` and ``expected``.

    The value that stood there is never part of the error.
    """

    advice = "a walk sets such records aside with on_bad_record="

    def __init__(
        self,
        *,
        model: str,
        path: str,
        expected: str,
        record_id: int | str | None = None,
        operation: str | None = None,
    ) -> None:
        which = "a record without a readable id" if record_id is None else f"record {record_id}"
        where = f" at {path}" if path else ""
        super().__init__(
            f"{which} is no {model}: {expected} was expected{where}", operation=operation
        )
        self.model = model
        self.path = path
        self.expected = expected
        self.record_id = record_id


class InvalidWebhookError(NexHealthError):
    """A webhook's body is no event that could be read; nothing of it is part of the error."""

    advice = "answer it with 400"


class IgnoredFilterError(NexHealthError):
    """The server ignored a filter, so the answer holds records that were not asked for.

    ``names`` are the ignored parameters. ``on_ignored="warn"`` turns this into a warning.
    """

    advice = 'leave it out, or open the session with on_ignored="warn"'

    def __init__(self, names: Collection[str], *, operation: str | None = None) -> None:
        listed = ", ".join(sorted(names))
        super().__init__(
            f"the server ignored {listed}, so its answer is not the one asked for",
            operation=operation,
        )
        self.names: frozenset[str] = frozenset(names)


class DriftError(NexHealthError):
    """The list changed so much during the walk that completeness cannot be shown.

    Everything that was seen has been delivered. ``at_most_missing`` bounds the number of records
    that may have been missed, None where no bound is known.
    """

    def __init__(
        self, message: str, *, at_most_missing: int | None = None, operation: str | None = None
    ) -> None:
        super().__init__(message, operation=operation)
        self.at_most_missing = at_most_missing


class StalledCursorError(NexHealthError):
    """The server says that more follows but names no new page, or sends empty ones without end.

    It is raised once all records that came have been delivered. ``resume`` leads back to before the
    last page, since nothing leads on from it: its records come again.
    """

    advice = "go on later with after=error.resume"


class PartialPullError(NexHealthError):
    """A pull has not brought everything.

    ``shards`` names the shards that were not read to their end, ``errors`` are what they failed
    with; one that was merely not begun has none. ``rejected`` says how many records of which list
    could not be read as their model.
    """

    advice: str = "the report says why, and resume=True reads only these"

    _ADVICE_FOR_REJECTED = 'see where the copy keeps them, or pass allow_rejected="known" or "all"'
    _MAX_LISTED = 3

    def __init__(
        self,
        shards: Sequence[str],
        *,
        errors: Sequence[NexHealthError] = (),
        rejected: Mapping[str, int] | None = None,
    ) -> None:
        rejected = dict(rejected or {})
        parts = [f"not read to the end: {self._named(shards)}"] if shards else []
        if rejected:
            lists = self._named([f"{name} ({number})" for name, number in rejected.items()])
            parts.append(f"records that could not be read: {lists}")
        super().__init__("; ".join(parts))
        if not shards:
            self.advice = self._ADVICE_FOR_REJECTED
        self.shards: tuple[str, ...] = tuple(shards)
        self.errors: tuple[NexHealthError, ...] = tuple(errors)
        self.rejected: Mapping[str, int] = rejected

    def _named(self, names: Sequence[str]) -> str:
        more = f" and {len(names) - self._MAX_LISTED} more" if len(names) > self._MAX_LISTED else ""
        return f"{', '.join(names[: self._MAX_LISTED])}{more}"


class TargetError(NexHealthError):
    """The place a pull is copied to cannot be reached, is in use, or refuses what it is given.

    What was kept before stays. The text never holds a value of a record, nor a password.
    """


class NexHealthWarning(UserWarning):
    """What the server or the library wants noticed although nothing was lost."""
