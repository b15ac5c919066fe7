"""Exceptions and warnings of this library.

::

    NexHealthError
    ├── UsageError                            rejected before anything was sent
    │   ├── InvalidArgumentError              an invalid value (also a ValueError)
    │   ├── MissingScopeError                 the practice or the location is missing
    │   ├── NotInVersionError                 the API version lacks the operation or the filter
    │   ├── SessionStateError                 the session is not open, or in another event loop
    │   ├── BudgetExceededError               the request budget is used up: renews_after
    │   ├── UnfinishedPullError               a new fleet pull would discard the unfinished one
    │   ├── OriginError                       the target holds records of another origin
    │   └── WalkClosedError                   the walk was finished, failed or closed
    ├── APIConnectionError                    no complete response was received
    │   ├── ConnectError                      no connection was made, so nothing was sent
    │   ├── ConnectionLostError               the connection broke after sending began
    │   └── APITimeoutError                   the timeout passed (also a TimeoutError)
    ├── OutcomeUnknownError                   a write may or may not have happened
    ├── DoubleBookedError                     rescheduled, but the old appointment remains
    ├── APIError                              the API answered with an error
    │   ├── AuthenticationError               401
    │   │   └── InvalidAPIKeyError            the API key is not accepted
    │   ├── PermissionDeniedError             403
    │   │   ├── VersionNotEnabledError        the account may not use this API version
    │   │   ├── FinancialAccessDisabledError  ledger data is not enabled for the key
    │   │   └── FirewallBlockedError          a firewall answered instead of the API
    │   ├── NotFoundError                     404
    │   ├── InvalidRequestError               400, 415, 422 and code: false
    │   │   ├── DuplicatePatientError         the patient exists already: patient_id
    │   │   ├── SlotTakenError                the slot is no longer available
    │   │   ├── AlreadyCancelledError         the appointment is cancelled already
    │   │   ├── NotYetSyncedError             the practice's system lacks the record yet
    │   │   └── UnsupportedBySystemError      the practice's system does not support it
    │   ├── RateLimitError                    429: retry_after
    │   └── ServerError                       5xx
    ├── InvalidResponseError                  a response that cannot be processed
    │   ├── MalformedBodyError                invalid or truncated JSON
    │   ├── UnexpectedStructureError          JSON of an unexpected structure
    │   └── UndecodableRecordError            a record that does not match its model
    ├── InvalidWebhookError                   a webhook body that is not an event
    ├── IgnoredFilterError                    the server ignored a filter
    ├── DriftError                            the list changed too much to be complete
    ├── StalledCursorError                    more records reported, but no next page
    ├── PartialPullError                      shards of a pull were not read to the end
    └── TargetError                           the target of a pull cannot be used

    NexHealthWarning                          a notice; nothing was lost

The text of an error names the operation, the status and the number of attempts, and says what to
do next. It never holds a body, a query value, a credential or personal data. The body of an error
response is an attribute of the exception.
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
    """Base class of all exceptions of this library.

    ``message`` says what happened. ``operation`` names the call (``"GET /patients"``, without
    values), ``attempts`` is the number of requests sent, and ``resume`` is the position after the
    last page that a walk delivered completely, to be passed as ``after=``. Each is None where it
    does not apply.
    """

    advice: str = ""
    """What to do next; it ends the text. Empty if ``message`` says it."""

    def __init__(
        self, message: str, *, operation: str | None = None, attempts: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.operation = operation
        self.attempts = attempts
        self.resume: str | None = None

    def __reduce__(self) -> tuple[object, ...]:
        """Support copying and pickling, whatever the constructor's arguments."""
        return _rebuild, (type(self), self.args, self.__dict__)

    def __str__(self) -> str:
        """Return operation, message, number of attempts, and advice."""
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
    """The call was rejected before anything was sent."""


class InvalidArgumentError(UsageError, ValueError):
    """An argument is invalid: the API would reject or misread it."""


class MissingScopeError(UsageError):
    """The operation needs a practice or a location, and neither the call nor the scope has one."""


class NotInVersionError(UsageError):
    """The API version lacks the operation or filter; the message names a version that has it."""


class SessionStateError(UsageError):
    """The session is not open, is closed, or belongs to another event loop or process."""


class BudgetExceededError(UsageError):
    """The request budget (``budget=``) is used up.

    ``limit`` names the exhausted limit: ``"overall"``, ``"slow"``, ``"people"`` or ``"other"``.
    ``renews_after`` is the number of seconds until the next period, None if there is none.
    """

    advice = "wait for the next period, or allow more requests with budget="

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
    """The target's last pull is unfinished, and a new fleet pull would discard it.

    `nexhealth_async.fleet.requeue` continues it; ``replace=True`` of
    `nexhealth_async.fleet.fleet_pull` discards it.
    """

    advice = (
        "let workers finish it (after requeue, if they find no jobs), or discard it with "
        "replace=True"
    )


class OriginError(UsageError):
    """The target holds records of another origin than the session's.

    ``option`` names the option that allows the copy: ``"adopt"`` treats the target's records as
    this account's, ``"recopy"`` replaces all of them. None if only another target helps.
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
    """The walk was finished, failed or closed; start a new one."""


class APIConnectionError(NexHealthError):
    """No complete response was received."""


class ConnectError(APIConnectionError):
    """No connection was made (name resolution, refusal, TLS), so nothing was sent."""

    advice = "check the network and base_url, or try again later"


class ConnectionLostError(APIConnectionError):
    """The connection broke after sending began; the request may have arrived."""

    advice = "try again later"


class APITimeoutError(APIConnectionError, TimeoutError):
    """The call's ``timeout`` passed, or the wait before the call would exceed it."""

    advice = "allow more time with timeout=, or try again later"


class OutcomeUnknownError(NexHealthError):
    """A write may or may not have happened; it was not repeated.

    ``lookup`` says how to find out. ``status`` is the HTTP status of an unreadable or failed
    response, None without a response. The API has no idempotency keys, so repeating the write may
    execute it twice.

    The server may also execute the write later. ``unsettled_until`` (UTC) is the time until which
    it may do so; it follows from the assumption `RetryPolicy.late_commit_window`. It is None if the
    server reported the write as accepted.
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
    """An appointment was rescheduled, but the old one could not be cancelled.

    Both exist: ``new_id``, and ``old_id``, which must be cancelled. Do not keep the old one: the
    server may still execute a cancellation whose response was lost.
    """

    advice = "cancel the old one"

    def __init__(
        self, message: str, *, new_id: int, old_id: int, operation: str | None = None
    ) -> None:
        super().__init__(message, operation=operation)
        self.new_id = new_id
        self.old_id = old_id


class APIError(NexHealthError):
    """The API answered with an error.

    ``status`` is the HTTP status, ``body`` the response's body, and ``texts`` the API's texts in
    ``error`` and ``description``. Body and texts may hold personal data, so neither is part of the
    message.
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
    """401: the token was rejected even after a new login."""

    advice = "check the API key, or try again later"


class InvalidAPIKeyError(AuthenticationError):
    """The API key is not accepted: wrong, revoked, or of another environment."""

    advice = "check that it is complete, not revoked, and of the right environment"


class PermissionDeniedError(APIError):
    """403: access is denied.

    The API answers so for a practice of another environment, for a misspelled or capitalized
    subdomain, and for a location outside the practice.
    """

    advice = (
        "check the spelling of the subdomain, and that the key and the practice belong to the "
        "same environment"
    )


class VersionNotEnabledError(PermissionDeniedError):
    """The account may not use this API version; pass ``version="v3"``."""

    advice = 'pass version="v3"'


class FinancialAccessDisabledError(PermissionDeniedError):
    """The key has no access to ledger data."""

    advice = "ask NexHealth to enable ledger data for the key"


class FirewallBlockedError(PermissionDeniedError):
    """A firewall answered instead of the API: the body of the 403 is not JSON."""

    advice = "check user_agent and the IP address you call from"


class NotFoundError(APIError):
    """404: no such record in this practice."""

    advice = "check that the id is one of this practice"


class InvalidRequestError(APIError):
    """The API rejected the request: 400, 415, 422, or ``code: false`` with any status."""

    advice = "see the error's texts for the reason"


class DuplicatePatientError(InvalidRequestError):
    """The patient exists already; ``patient_id`` is its id, None if the API did not name it."""

    advice = "see patient_id for the existing record, if the API named it"

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
    """The slot is no longer available."""

    advice = "search for slots again"


class AlreadyCancelledError(InvalidRequestError):
    """The appointment is cancelled already, so it cannot be changed."""

    advice = "book a new appointment"


class NotYetSyncedError(InvalidRequestError):
    """The record has not reached the practice's system yet; wait and try again."""

    advice = "wait for its webhook, or try again later"


class UnsupportedBySystemError(InvalidRequestError):
    """The practice's system does not support the change."""

    advice = "make the change in that system"


class RateLimitError(APIError):
    """429: the rate limit is exceeded.

    ``retry_after`` is the server's ``Retry-After`` in seconds, None if it sent none.
    """

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
    """A response that cannot be processed; ``status`` is its HTTP status."""

    advice = "if this persists, contact NexHealth's support"

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
    """The body is not valid JSON: empty, truncated, HTML, or otherwise malformed."""


class UnexpectedStructureError(InvalidResponseError):
    """The body is JSON, but a part is missing or of an unexpected type."""


class UndecodableRecordError(InvalidResponseError):
    """A record does not match its model.

    ``record_id`` is its id (None if unreadable), ``path`` the field and ``expected`` the expected
    type. The value is never part of the error.
    """

    advice = "pass on_bad_record= to a walk to skip such records"

    def __init__(
        self,
        *,
        model: str,
        path: str,
        expected: str,
        record_id: int | str | None = None,
        operation: str | None = None,
    ) -> None:
        record = "a record without a readable id" if record_id is None else f"record {record_id}"
        position = f" at {path}" if path else ""
        super().__init__(
            f"{record} does not match {model}: {expected} was expected{position}",
            operation=operation,
        )
        self.model = model
        self.path = path
        self.expected = expected
        self.record_id = record_id


class InvalidWebhookError(NexHealthError):
    """A webhook's body is not a valid event; the error holds nothing of it."""

    advice = "answer it with 400"


class IgnoredFilterError(NexHealthError):
    """The server ignored a filter, so the response may hold records that do not match it.

    ``names`` are the ignored parameters. ``on_ignored="warn"`` turns this into a warning.
    """

    advice = 'leave it out, or open the session with on_ignored="warn"'

    def __init__(self, names: Collection[str], *, operation: str | None = None) -> None:
        listed = ", ".join(sorted(names))
        super().__init__(
            f"the server ignored {listed}, so the response may hold other records",
            operation=operation,
        )
        self.names: frozenset[str] = frozenset(names)


class DriftError(NexHealthError):
    """The list changed too much during the walk to guarantee completeness.

    All records that were read have been delivered. ``at_most_missing`` is the maximum number of
    missed records, None if it is unknown.
    """

    def __init__(
        self, message: str, *, at_most_missing: int | None = None, operation: str | None = None
    ) -> None:
        super().__init__(message, operation=operation)
        self.at_most_missing = at_most_missing


class StalledCursorError(NexHealthError):
    """The server reports more records but no next page, or sends empty pages without end.

    Raised after all received records have been delivered. ``resume`` is the position before the
    last page, whose records are delivered again.
    """

    advice = "resume later with after=error.resume"


class PartialPullError(NexHealthError):
    """A pull is incomplete.

    ``shards`` names the shards that were not read to the end, and ``errors`` holds their errors; a
    shard that was not started has none. ``rejected`` is the number of undecodable records by list.
    """

    advice: str = "see the report for the reasons, and read the rest with resume=True"

    _ADVICE_FOR_REJECTED = 'look at the rejected records, or pass allow_rejected="known" or "all"'
    _MAX_LISTED = 3

    def __init__(
        self,
        shards: Sequence[str],
        *,
        errors: Sequence[NexHealthError] = (),
        rejected: Mapping[str, int] | None = None,
    ) -> None:
        rejected = dict(rejected or {})
        parts = [f"not read to the end: {self._list_names(shards)}"] if shards else []
        if rejected:
            lists = self._list_names([f"{name} ({number})" for name, number in rejected.items()])
            parts.append(f"records that could not be read: {lists}")
        super().__init__("; ".join(parts))
        if not shards:
            self.advice = self._ADVICE_FOR_REJECTED
        self.shards: tuple[str, ...] = tuple(shards)
        self.errors: tuple[NexHealthError, ...] = tuple(errors)
        self.rejected: Mapping[str, int] = rejected

    def _list_names(self, names: Sequence[str]) -> str:
        more = f" and {len(names) - self._MAX_LISTED} more" if len(names) > self._MAX_LISTED else ""
        return f"{', '.join(names[: self._MAX_LISTED])}{more}"


class TargetError(NexHealthError):
    """The target of a pull cannot be reached, is in use, or rejects data.

    Data stored before stays. The text never holds values of records or passwords.
    """


class NexHealthWarning(UserWarning):
    """A notice of the server or the library; nothing was lost."""
