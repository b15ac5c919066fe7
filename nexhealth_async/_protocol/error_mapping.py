"""A refused reply to the error that says what the refusal means.

Reference: v2 1.11 status codes; v3 1.6 error texts worth recognising.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from nexhealth_async._protocol.api_versions import refuses_version
from nexhealth_async._protocol.operations import LOGIN
from nexhealth_async._protocol.retry_after import retry_after
from nexhealth_async.errors import (
    AlreadyCancelledError,
    APIError,
    AuthenticationError,
    DuplicatePatientError,
    FinancialAccessDisabledError,
    FirewallBlockedError,
    InvalidRequestError,
    NotFoundError,
    NotYetSyncedError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    SlotTakenError,
    UnsupportedBySystemError,
    VersionNotEnabledError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nexhealth_async._protocol.http_messages import Response
    from nexhealth_async._protocol.operations import OperationSpec

__all__ = ["error_for_response"]

_ErrorClass: TypeAlias = Callable[..., APIError]

_LEDGER_PATHS = re.compile(
    r"/(charges|payments|adjustments|claims|fee_schedules|fee_schedule_procedures|insurance_plans"
    r"|insurance_balances|guarantor_balances|payment_plans|payment_types|adjustment_types)\b"
)
_MAX_SENTENCE_LENGTH = 2_000
_DUPLICATE_PATIENT = re.compile(r"\bpatient\b.*\balready exists\b", re.IGNORECASE)
_DUPLICATE_PATIENT_ID = re.compile(r"\bid\s?=\s?([0-9]{1,19})\b")

_ERRORS_BY_TEXT: tuple[tuple[re.Pattern[str], _ErrorClass, str], ...] = (
    (
        re.compile(r"no longer available", re.IGNORECASE),
        SlotTakenError,
        "the time is no longer free",
    ),
    (
        re.compile(r"already cancell?ed", re.IGNORECASE),
        AlreadyCancelledError,
        "the appointment is cancelled already, and the API changes no cancelled appointment",
    ),
    (
        re.compile(r"not synced with the PMS|not synced with .*live client", re.IGNORECASE),
        NotYetSyncedError,
        "the record has not reached the practice's system yet",
    ),
    (
        re.compile(r"not supported|does(n't| not) support|unsupported", re.IGNORECASE),
        UnsupportedBySystemError,
        "the practice's own system does not take this change from outside",
    ),
)


def error_for_response(
    reply: Response, row: OperationSpec, *, texts: Sequence[str] | None
) -> APIError:
    """Make the error for a refused reply; ``texts`` is None where the body was no envelope."""
    operation = row.operation
    said = tuple(texts or ())

    def make(kind: _ErrorClass, message: str, **more: object) -> APIError:
        return kind(
            f"{message} ({reply.status})",
            status=reply.status,
            texts=said,
            body=reply.body,
            operation=operation,
            **more,
        )

    if refuses_version(reply.status, said or _plain_text(reply)):
        return make(VersionNotEnabledError, "the account may not use this API version")
    match reply.status:
        case 401:
            return make(AuthenticationError, "the API does not accept the credentials")
        case 403 if texts is None:
            return make(
                FirewallBlockedError,
                "a firewall in front of the API refused the request",
            )
        case 403 if _LEDGER_PATHS.match(row.path):
            return make(
                FinancialAccessDisabledError,
                "access is denied",
            )
        case 403:
            return make(
                PermissionDeniedError,
                "access is denied",
            )
        case 404:
            return _not_found_error(make, row)
        case 429:
            return make(
                RateLimitError,
                "more requests were sent than the API allows",
                retry_after=retry_after(reply.headers, reply.received_at),
            )
        case status if status >= 500:  # noqa: PLR2004 - the failures' hundred
            return make(ServerError, "the API failed")
        case _:
            return _invalid_request_error(make, said, reply.status)


def _plain_text(reply: Response) -> tuple[str, ...]:
    """Return a short body that is no page of HTML, for replies that are no envelope."""
    body = reply.body
    if len(body) > _MAX_SENTENCE_LENGTH or b"<html" in body.lower():
        return ()
    return (body.decode(errors="replace"),)


def _not_found_error(error_class: Callable[..., APIError], row: OperationSpec) -> APIError:
    if row.path != LOGIN.path:
        error = error_class(NotFoundError, "there is no such record or path for this practice")
        if "{" not in row.path:  # no record was named
            error.advice = (
                "check the ids given, the location's too, and that they are this practice's"
            )
        return error
    error = error_class(NotFoundError, "this address answers, but has no login in this version")
    error.advice = "check base_url and version"
    return error


def _invalid_request_error(
    make: Callable[..., APIError], texts: Sequence[str], status: int
) -> APIError:
    for text in texts:
        if _DUPLICATE_PATIENT.search(text):
            found = _DUPLICATE_PATIENT_ID.search(text)
            return make(
                DuplicatePatientError,
                "the patient exists already",
                patient_id=int(found[1]) if found else None,
            )
    for pattern, kind, message in _ERRORS_BY_TEXT:
        # 415 speaks of the request's media type, not of the practice's system.
        if status != 415 and any(pattern.search(text) for text in texts):  # noqa: PLR2004 - HTTP's "Unsupported Media Type"
            return make(kind, message)
    return make(InvalidRequestError, "the API refuses the request as invalid")
