"""Each error response becomes the error with its meaning."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexhealth_async._protocol.error_mapping import error_for_response
from nexhealth_async._protocol.http_messages import Response
from nexhealth_async._protocol.operations import OperationSpec
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
from nexhealth_async.resources import patients

ROW = patients.CREATE.v2 or OperationSpec(method="POST", path="/patients")
LEDGER = OperationSpec(method="GET", path="/payments/{id}")
BELOW = "API version 'v2' is below the minimum allowed"
DENIED = "You don't have access to perform this action."


def refused(status: int, *texts: str, row: OperationSpec = ROW) -> APIError:
    return error_for_response(Response(status=status, body=b"{}"), row, texts=texts)


@pytest.mark.parametrize(
    ("status", "text", "row", "kind"),
    [
        (401, "", ROW, AuthenticationError),
        (403, DENIED, ROW, PermissionDeniedError),
        (403, BELOW, ROW, VersionNotEnabledError),
        (403, BELOW.upper(), ROW, VersionNotEnabledError),
        (403, DENIED, LEDGER, FinancialAccessDisabledError),
        (403, BELOW, LEDGER, VersionNotEnabledError),
        (404, "Resource not found", ROW, NotFoundError),
        (400, "Missing parameter start", ROW, InvalidRequestError),
        (415, "Unsupported Media Type", ROW, InvalidRequestError),
        (422, "User phone number is invalid", ROW, InvalidRequestError),
        (200, "whatever", ROW, InvalidRequestError),
        (429, "Too many requests", ROW, RateLimitError),
        (500, "", ROW, ServerError),
        (503, "this time is no longer available", ROW, ServerError),
        (400, "this time is no longer available", ROW, SlotTakenError),
        (400, "Cannot update already cancelled appointment", ROW, AlreadyCancelledError),
        (400, "Cannot update already canceled appointment", ROW, AlreadyCancelledError),
        (400, "Patient is not synced with the PMS and/or a live client", ROW, NotYetSyncedError),
        (
            400,
            "This update is not supported by the practice's system",
            ROW,
            UnsupportedBySystemError,
        ),
        (400, "The EMR doesn't support it", ROW, UnsupportedBySystemError),
        (400, "A webhook endpoint already exists - id=5", ROW, InvalidRequestError),
    ],
)
def test_the_table_of_meanings(
    status: int, text: str, row: OperationSpec, kind: type[APIError]
) -> None:
    error = refused(status, "something", text, row=row)
    assert type(error) is kind
    assert error.status == status
    assert error.operation == row.operation
    assert str(status) in str(error)
    assert text == "" or text not in str(error)


@pytest.mark.parametrize(
    ("text", "patient_id"),
    [
        ("A patient with that information already exists - id=447355829", 447355829),
        ("A patient with that information already exists - id = 7", 7),
        ("A patient with that information already exists", None),
        ("A PATIENT with that information Already Exists - id=12", 12),
        ("A patient with that information already exists - id=" + "9" * 900, None),
    ],
    ids=lambda value: str(value)[-12:],
)
@pytest.mark.parametrize("status", [200, 400, 422])
def test_a_duplicate_names_the_patient_that_exists(
    text: str, patient_id: int | None, status: int
) -> None:
    error = refused(status, text)
    assert isinstance(error, DuplicatePatientError)
    assert error.patient_id == patient_id


def test_an_id_in_another_sentence_is_not_the_patients() -> None:
    error = refused(400, "A patient with that information already exists", "see id=3")
    assert isinstance(error, DuplicatePatientError)
    assert error.patient_id is None


def test_a_403_without_an_envelope_comes_from_the_edge() -> None:
    error = error_for_response(Response(status=403, body=b"<html>"), LEDGER, texts=None)
    assert type(error) is FirewallBlockedError


@settings(max_examples=80, deadline=None)
@given(st.integers(400, 599), st.lists(st.text(max_size=40), max_size=4))
def test_every_error_response_has_a_class_and_shows_no_text(status: int, texts: list[str]) -> None:
    error = refused(status, *texts)
    assert error.texts == tuple(texts)
    assert str(error) == str(error_for_response(Response(status=status), ROW, texts=[])) or type(
        error
    ) in {
        VersionNotEnabledError,
        SlotTakenError,
        AlreadyCancelledError,
        NotYetSyncedError,
        UnsupportedBySystemError,
        DuplicatePatientError,
    }


# Retry-After

NOW = 1_445_412_480.0  # Wed, 21 Oct 2015 07:28:00 GMT


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("7", 7),
        (" 7 ", 7),
        ("1.5", 1.5),
        ("999999999", 999_999_999),
        ("-1", None),
        ("-0", None),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("1e3", None),
        ("9999999999", None),
        ("٣", None),
        ("Wed, 21 Oct 2015 07:28:30 GMT", 30),
        ("Wed, 21 Oct 2015 07:28:30 -0000", 30),
        ("Wed Oct 21 07:28:30 2015", 30),
        ("Wed, 21 Oct 2015 09:28:30 +0200", 30),
        ("Wed, 21 Oct 2015 07:27:00 GMT", 0),
        ("Wed, 21 Oct 99999 07:28:30 GMT", None),
        ("Wed, 21 Oct 2015 07:28:30 +99999", None),
        ("Wed, 99 Oct 2015 07:28:30 GMT", None),
    ],
)
def test_retry_after_is_read_in_both_forms(text: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": text}, NOW) == seconds


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the local zone can be set on Unix only")
def test_dates_are_in_utc_in_every_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "America/New_York")
        time.tzset()
        try:
            assert retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:30 -0000"}, NOW) == 30
        finally:
            patch.undo()
            time.tzset()


def test_a_date_is_compared_with_the_servers_clock() -> None:
    headers = {"retry-after": formatdate(NOW + 20, usegmt=True)}
    dated = {**headers, "date": formatdate(NOW, usegmt=True)}
    assert retry_after(dated, NOW - 86_400) == 20
    assert retry_after({**headers, "date": "yesterday"}, NOW + 5) == 15
    assert retry_after({}, NOW) is None


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=40), st.text(max_size=40))
def test_no_header_raises_or_gives_a_negative_wait(wait: str, date: str) -> None:
    seconds = retry_after({"retry-after": wait, "date": date}, NOW)
    assert seconds is None or seconds >= 0


def test_retry_after_is_on_the_error() -> None:
    reply = Response(status=429, headers={"retry-after": "3"}, received_at=NOW)
    error = error_for_response(reply, ROW, texts=None)
    assert isinstance(error, RateLimitError)
    assert error.retry_after == 3
