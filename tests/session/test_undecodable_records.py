"""Single records that cannot be decoded: an error after a read, never a failed write."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from nexhealth_async import NotFoundError, OutcomeUnknownError, UndecodableRecordError

if TYPE_CHECKING:
    from nexhealth_async import LocationScope
    from nexhealth_async.sandbox import Sandbox


def odd(**data: object) -> bytes:
    return json.dumps({"code": True, "data": data, "error": None}).encode()


async def test_an_unreadable_record_raises_an_error_with_its_path(
    location: LocationScope, sandbox: Sandbox
) -> None:
    sandbox.fail_next(status=200, body=odd(id=7, cancelled_at="someday"), path="/appointments/7")
    with pytest.raises(
        UndecodableRecordError, match=r"^GET /appointments/\{id\}: record 7 "
    ) as caught:
        await location.appointments.get(7)
    assert (caught.value.record_id, caught.value.path) == (7, "cancelled_at")
    assert "someday" not in str(caught.value)


async def test_a_write_with_an_unreadable_record_was_accepted(
    location: LocationScope, sandbox: Sandbox
) -> None:
    sandbox.fail_next(status=201, body=odd(id=None), path="/appointment_types", method="POST")
    with pytest.raises(OutcomeUnknownError, match="accepted, but its record cannot be read"):
        await location.appointment_types.create(name="An invented type", minutes=30)


async def test_null_for_a_record_means_not_found(location: LocationScope, sandbox: Sandbox) -> None:
    sandbox.fail_next(status=200, body=b'{"code": true, "data": null}', path="/procedures/1")
    with pytest.raises(NotFoundError):
        await location.procedures.get(1)
