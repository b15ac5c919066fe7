"""Tables of the sandbox in tests: typed rows, visible changes, plausible sizes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast, get_args, get_type_hints, is_typeddict

import pytest

from nexhealth_async import NexHealth
from nexhealth_async.sandbox import (
    AppointmentRow,
    AppointmentTypeRow,
    AvailabilityRow,
    Clock,
    OperatoryRow,
    PatientRow,
    ProcedureRow,
    ProviderRow,
    Sandbox,
)

if TYPE_CHECKING:
    from nexhealth_async.sandbox import Rows

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
KINDS: dict[str, type] = {
    "patients": PatientRow,
    "appointments": AppointmentRow,
    "providers": ProviderRow,
    "operatories": OperatoryRow,
    "procedures": ProcedureRow,
    "availabilities": AvailabilityRow,
    "appointment_types": AppointmentTypeRow,
}


def check(value: object, kind: Any, where: str) -> None:
    """Check a value against its annotation."""
    if is_typeddict(kind):
        assert isinstance(value, dict), where
        fields = cast("dict[str, object]", value)
        hints = get_type_hints(kind)
        assert fields.keys() == hints.keys(), where
        for name, inner in hints.items():
            check(fields[name], inner, f"{where}.{name}")
    elif getattr(kind, "__origin__", None) is list:
        assert isinstance(value, list), where
        for one in cast("list[object]", value):
            check(one, get_args(kind)[0], where)
    elif getattr(kind, "__origin__", None) is dict:
        assert isinstance(value, dict), where
    else:
        plain = [getattr(one, "__origin__", one) for one in get_args(kind) or (kind,)]
        assert type(value) in plain, f"{where}: {value!r}"


@pytest.mark.parametrize("name", KINDS)
def test_rows_match_their_annotations(name: str) -> None:
    sandbox = Sandbox(patients=30, operatories=2)
    table: Rows[Any] = getattr(sandbox, name)
    assert len(table)
    for row in table:
        check(row, KINDS[name], name)


def test_fields_of_a_row_are_typed() -> None:
    sandbox = Sandbox(patients=3)
    id = sandbox.patients.ids[0]
    phone: str = sandbox.patients.row(id)["bio"]["phone_number"]
    found = sandbox.patients.get(id)
    assert found is not None
    born: str = found["bio"]["date_of_birth"]
    assert phone.isdigit()
    assert datetime.fromisoformat(born).year > 1900


async def test_an_update_changes_updated_at() -> None:
    clock = Clock(NOW)
    async with (
        Sandbox(patients=6, clock=clock) as sandbox,
        NexHealth(sandbox.api_key, base_url=sandbox.url) as nex,
    ):
        location = nex.practice(sandbox.subdomain).location(sandbox.location_id)
        changed, spelled, _ = sandbox.patients.ids[:3]
        made = sandbox.patients.row(changed)["created_at"]
        clock.advance(60)
        sandbox.patients.update(changed, last_name="Example")
        sandbox.patients.update(spelled, last_name="Example", updated_at="2020-01-01T00:00:00.000Z")
        since = NOW + timedelta(seconds=30)
        found = [patient async for patient in location.patients.walk(updated_since=since)]
        assert [(one.id, one.updated_at) for one in found] == [
            (changed, NOW + timedelta(seconds=60))
        ]
        assert sandbox.patients.row(changed)["created_at"] == made
        visit = sandbox.appointments.ids[0]
        sandbox.appointments.update(visit, note="late")
        assert sandbox.appointments.row(visit)["updated_at"] == "2026-06-15T12:01:00.000Z"
        assert sandbox.patients.row(spelled)["updated_at"] == "2020-01-01T00:00:00.000Z"


def test_rows_without_updated_at_get_none() -> None:
    sandbox = Sandbox(patients=1)
    id = sandbox.appointment_types.ids[0]
    sandbox.appointment_types.update(id, name="Other")
    assert "updated_at" not in sandbox.appointment_types.row(id)


async def test_start_returns_the_sandbox() -> None:
    sandbox = await Sandbox(patients=1).start()
    try:
        assert sandbox.url.startswith("http://127.0.0.1:")
    finally:
        await sandbox.stop()


@pytest.mark.parametrize(("patients", "visits"), [(0, 0), (1, 1), (5, 8), (25, 40), (5_000, 8_000)])
def test_the_number_of_appointments_is_proportional_to_patients(patients: int, visits: int) -> None:
    assert len(Sandbox(patients=patients).appointments) == visits
    assert len(Sandbox(patients=patients, appointments=3).appointments) == (3 if patients else 0)
