"""Expected outcomes of faults, as data, written independently of the library's logic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from attrs import frozen

from nexhealth_async import (
    APITimeoutError,
    AuthenticationError,
    ConnectError,
    ConnectionLostError,
    FirewallBlockedError,
    InvalidAPIKeyError,
    InvalidRequestError,
    MalformedBodyError,
    NexHealthError,
    NotFoundError,
    OutcomeUnknownError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    UnexpectedStructureError,
)

if TYPE_CHECKING:
    from tests.session.faults.fault_table import FaultCase
    from tests.session.faults.operations import FaultOperation

__all__ = [
    "ATTEMPTS",
    "ExpectedOutcome",
    "FaultHandling",
    "Moment",
    "expected",
    "has_same_outcome_twice",
]

ATTEMPTS = 3
"""Maximum number of times that the sessions of the matrix send a request."""

Moment: TypeAlias = Literal["login", "first page", "middle page", "last page", "call"]


@frozen(kw_only=True)
class FaultHandling:
    """Expected handling of a fault: its error, and the requests that are repeated."""

    error: type[NexHealthError] | None
    again: Literal["nobody", "safe", "everyone"] = "nobody"
    doubtful: bool = False
    """True if it is unknown whether an unsafe write was done."""


FINE = FaultHandling(error=None)
"""It is read as a normal response."""
UNREACHED = FaultHandling(error=ConnectError, again="everyone")
LOST = FaultHandling(error=ConnectionLostError, again="safe", doubtful=True)
SILENT = FaultHandling(error=APITimeoutError, again="safe", doubtful=True)
BROKEN = FaultHandling(error=MalformedBodyError, again="safe", doubtful=True)
FAILING = FaultHandling(error=ServerError, again="safe", doubtful=True)
FAILED = FaultHandling(error=ServerError, doubtful=True)
ODD = FaultHandling(error=UnexpectedStructureError, doubtful=True)
THROTTLED = FaultHandling(error=RateLimitError, again="everyone")
TOO_LONG = FaultHandling(error=RateLimitError)
REDIRECTED = FaultHandling(error=UnexpectedStructureError)
FORBIDDEN = FaultHandling(error=PermissionDeniedError)
BLOCKED = FaultHandling(error=FirewallBlockedError)
ABSENT = FaultHandling(error=NotFoundError)
REFUSED = FaultHandling(error=InvalidRequestError)
LOGGED_OUT = FaultHandling(error=AuthenticationError)
"""Repeated once by everyone, after a new login: it was certainly not done."""
CUT_OFF = FaultHandling(error=ConnectionLostError)
"""A file that began to arrive is not requested again."""
STOPPED = FaultHandling(error=APITimeoutError)


@frozen(kw_only=True)
class ExpectedOutcome:
    """Expected outcome of a call."""

    error: type[NexHealthError] | None
    sent: int
    """Times that the request, or the login at its moment, was sent."""
    attempts: int | None
    """Attempts that the error reports; a file that breaks off later reports none."""
    done: int
    """Times that the server carried out a write; 0 for reads."""


def has_same_outcome_twice(fault: FaultCase) -> bool:
    """Tell whether one fault has the same outcome as many, so that one cell is enough."""
    natures = (fault.nature, *fault.otherwise.values())
    return all(nature.again == "nobody" and nature is not LOGGED_OUT for nature in natures)


def expected(
    operation: FaultOperation, fault: FaultCase, moment: Moment, *, lasting: bool
) -> ExpectedOutcome:
    """Return the expected outcome of a call."""
    at_login = moment == "login"
    reads = "token" if at_login else operation.reads
    nature = fault.otherwise.get(reads, fault.nature)
    safe = at_login or operation.safe
    error, sent = _error(nature, safe=safe, at_login=at_login, lasting=lasting)
    if error is AuthenticationError and moment in {"call", "first page"}:
        error = InvalidAPIKeyError  # nothing ever accepted a token of this key
    if not at_login and operation.reads == "nothing" and fault.leaves_status and sent > 1:
        # The repeated deletion is told that there is nothing to delete: so it was done.
        error, sent = None, 2
    done = 0
    if operation.writes and (error is None or (fault.does and not at_login)):
        done = 1
    attempts = None if nature is CUT_OFF or nature is STOPPED else sent
    return ExpectedOutcome(error=error, sent=sent, attempts=attempts, done=done)


def _error(
    nature: FaultHandling, *, safe: bool, at_login: bool, lasting: bool
) -> tuple[type[NexHealthError] | None, int]:
    if nature.error is None:
        return None, 1
    if nature is LOGGED_OUT:
        if at_login:
            return InvalidAPIKeyError, 1
        return (AuthenticationError if lasting else None), 2
    if nature.doubtful and not safe:
        return OutcomeUnknownError, 1
    if nature.again == "everyone" or (nature.again == "safe" and safe):
        return (nature.error, ATTEMPTS) if lasting else (None, 2)
    return nature.error, 1
