"""Mapping of error responses to exceptions.

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
        "the slot is no longer available",
    ),
    (
        re.compile(r"already cancell?ed", re.IGNORECASE),
        AlreadyCancelledError,
        "the appointment is cancelled already, and the API cannot change cancelled appointments",
    ),
    (
        re.compile(r"not synced with the PMS|not synced with .*live client", re.IGNORECASE),
        NotYetSyncedError,
        "the record has not reached the practice's system yet",
    ),
    (
        re.compile(r"not supported|does(n't| not) support|unsupported", re.IGNORECASE),
        UnsupportedBySystemError,
        "the practice's system does not support this change through the API",
    ),
)


def error_for_response(
    response: Response, spec: OperationSpec, *, texts: Sequence[str] | None
) -> APIError:
    """Make the error for an error response.

    Args:
        response: The response.
        spec: The operation.
        texts: The envelope's texts; None if the body is not an envelope.
    """
    operation = spec.operation
    known_texts = tuple(texts or ())

    def make(kind: _ErrorClass, message: str, **more: object) -> APIError:
        return kind(
            f"{message} ({response.status})",
            status=response.status,
            texts=known_texts,
            body=response.body,
            operation=operation,
            **more,
        )

    if refuses_version(response.status, known_texts or _plain_text(response)):
        return make(VersionNotEnabledError, "the account may not use this API version")
    match response.status:
        case 401:
            return make(AuthenticationError, "the API does not accept the credentials")
        case 403 if texts is None:
            return make(FirewallBlockedError, "a firewall in front of the API refused the request")
        case 403 if _LEDGER_PATHS.match(spec.path):
            return make(FinancialAccessDisabledError, "access is denied")
        case 403:
            return make(PermissionDeniedError, "access is denied")
        case 404:
            return _not_found_error(make, spec)
        case 429:
            return make(
                RateLimitError,
                "the rate limit of the API is exceeded",
                retry_after=retry_after(response.headers, response.received_at),
            )
        case status if status >= 500:  # noqa: PLR2004 - HTTP's 5xx
            return make(ServerError, "the API failed")
        case _:
            return _invalid_request_error(make, known_texts, response.status)


def _plain_text(response: Response) -> tuple[str, ...]:
    """Return a short body other than HTML, for responses without an envelope."""
    body = response.body
    if len(body) > _MAX_SENTENCE_LENGTH or b"<html" in body.lower():
        return ()
    return (body.decode(errors="replace"),)


def _not_found_error(make: Callable[..., APIError], spec: OperationSpec) -> APIError:
    if spec.path != LOGIN.path:
        error = make(NotFoundError, "there is no such record or path for this practice")
        if "{" not in spec.path:  # the path has no record's id
            error.advice = "check the ids, also the location's, and that they are this practice's"
        return error
    error = make(NotFoundError, "the server has no login in this API version")
    error.advice = "check base_url and version"
    return error


def _invalid_request_error(
    make: Callable[..., APIError], texts: Sequence[str], status: int
) -> APIError:
    for text in texts:
        if _DUPLICATE_PATIENT.search(text):
            match = _DUPLICATE_PATIENT_ID.search(text)
            return make(
                DuplicatePatientError,
                "the patient exists already",
                patient_id=int(match[1]) if match else None,
            )
    for pattern, kind, message in _ERRORS_BY_TEXT:
        # The text of a 415 is about the media type, not about the practice's system.
        if status != 415 and any(pattern.search(text) for text in texts):  # noqa: PLR2004 - HTTP's "Unsupported Media Type"
            return make(kind, message)
    return make(InvalidRequestError, "the API rejected the request as invalid")
