"""One error of each public class, raised by the library's own code where possible."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from nexhealth_async import Budget, NexHealth, NexHealthError
from nexhealth_async import errors as e
from nexhealth_async._client.budget import BudgetMeter
from nexhealth_async._client.token_manager import invalid_key_error
from nexhealth_async._client.transport import Transport
from nexhealth_async._protocol.envelopes import read_list
from nexhealth_async._protocol.error_mapping import error_for_response
from nexhealth_async._protocol.http_messages import Response
from nexhealth_async._protocol.operations import LOGIN, OperationSpec, RateClass
from nexhealth_async._protocol.proxies import Proxy
from nexhealth_async.resources import appointments, payments
from nexhealth_async.resources.patients import LIST as LIST_PATIENTS
from nexhealth_async.session import client_of
from nexhealth_async.webhooks import parse

__all__ = ["samples"]


def samples() -> list[NexHealthError]:
    """One error of each class, and more where a class has several messages."""
    return [*_usage(), *_refusals(), *_replies(), *_others()]


def _raised(work: Callable[[], object]) -> NexHealthError:
    try:
        work()
    except NexHealthError as error:
        return error
    raise AssertionError("nothing was raised")


def _usage() -> Iterator[NexHealthError]:
    nex = NexHealth("key", version="v2")
    location = nex.practice("demo-practice").location(7)
    yield _raised(lambda: NexHealth("key", timeout=-1))
    yield _raised(lambda: nex.practice("Demo-Practice"))
    yield _raised(nex.patients.walk)
    yield _raised(nex.practice("demo-practice").patients.walk)
    yield _raised(location.charges.walk)
    yield _raised(lambda: location.working_hours.walk(label_id=4))
    yield _raised(client_of(nex).check_usable)
    meter = BudgetMeter(Budget(overall=1, seconds=60))
    yield _raised(lambda: [meter.take(RateClass.OTHER, 0) for _ in range(2)])
    yield e.UnfinishedPullError(
        "a pull of 2 lists is unfinished in this schema: 0 of 5 parts are done"
    )
    yield e.OriginError("the target holds records of another sandbox; use another target")
    yield e.OriginError("the target does not say where its records came from", option="adopt")
    yield e.OriginError("the target holds records of API version v2", option="recopy")
    yield e.WalkClosedError(
        "this walk was finished; start a new one to read the list again",
        operation="GET /patients",
    )


def _refusals() -> Iterator[NexHealthError]:
    def refused(status: int, text: str, row: OperationSpec | None) -> e.APIError:
        assert row is not None
        return error_for_response(
            Response(status=status, body=b"{}"), row, texts=(text,) if text else None
        )

    patients, ledger, booking = LIST_PATIENTS.v2, payments.LIST.v3, appointments.CREATE.v2
    unauthorized = refused(401, "no", patients)
    yield unauthorized
    assert isinstance(unauthorized, e.AuthenticationError)
    yield invalid_key_error(unauthorized)
    yield refused(403, "no", patients)
    yield refused(403, "API version 'v2' is below the minimum allowed", patients)
    yield refused(403, "no", ledger)
    yield refused(403, "", patients)
    yield refused(404, "no", patients)
    yield refused(404, "", LOGIN)
    yield refused(400, "no", patients)
    yield refused(400, "A patient already exists - id=7", patients)
    yield refused(400, "no longer available", booking)
    yield refused(400, "already cancelled", booking)
    yield refused(400, "not synced with the PMS", booking)
    yield refused(400, "not supported", booking)
    yield refused(429, "no", patients)
    failed = refused(503, "no", patients)
    failed.attempts = 4
    yield failed


def _replies() -> Iterator[NexHealthError]:
    row = LIST_PATIENTS.v2
    assert row is not None
    for body in (b"", b"<html>", b'{"code":true,"da', b'{"code":true,"data":7}'):
        yield _raised(partial(read_list, Response(status=200, body=body), row))
    yield _raised(partial(read_list, Response(status=302, body=b""), row))
    yield e.UndecodableRecordError(
        model="Patient",
        path="bio.weight",
        expected="a number",
        record_id=7,
        operation=row.operation,
    )
    yield _raised(partial(parse, b"[]"))


def _others() -> Iterator[NexHealthError]:
    yield e.ConnectError(
        "no connection to nexhealth.info: the host name cannot be resolved",
        operation="POST /authenticates",
    )
    proxied = Transport(
        "https://api.example.com", None, proxy=Proxy(scheme="http", host="proxy", port=3128)
    )
    yield proxied._proxy_error(407)
    yield e.ConnectionLostError(
        "the connection broke before the response", operation="GET /patients"
    )
    yield e.APITimeoutError("no response within 2 seconds", operation="GET /patients", attempts=2)
    row = appointments.CREATE.v2
    assert row is not None
    yield e.OutcomeUnknownError(
        "the write may have happened, or may still happen within 120 seconds: the API "
        "failed (503).",
        lookup=row.lookup_hint,
        status=503,
        operation=row.operation,
        attempts=1,
    )
    yield e.DoubleBookedError(
        "appointment 8 was booked, but appointment 7, which it replaces, could not be "
        "cancelled: the API failed (503)",
        new_id=8,
        old_id=7,
        operation="PATCH /appointments/{id}",
    )
    yield e.IgnoredFilterError(["inactive"], operation="GET /patients")
    yield e.DriftError(
        "the list kept changing, so completeness could not be shown; everything seen was "
        "delivered. Try again at a quieter time, or raise passes",
        at_most_missing=3,
        operation="GET /patients",
    )
    yield e.StalledCursorError(
        "the server reports another page but sent no new cursor for it",
        operation="GET /patients",
    )
    yield e.PartialPullError(["patients/demo-practice/7", "providers/demo-practice"])
    yield e.PartialPullError([], rejected={"patients/demo-practice": 2})
    yield e.PartialPullError(["providers/demo-practice"], rejected={"patients/demo-practice": 2})
    yield e.TargetError(
        "the directory out cannot be used: No space left on device; fix it and resume the pull"
    )
