"""Factories: complete, plausible, reproducible records; errors for wrong arguments."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from nexhealth_async import FreeSlot, models, testing, to_json
from nexhealth_async.codec import Codec
from nexhealth_async.testing import Factory, make_free_slot, make_patient
from tests.models.model_samples import MODELS

if TYPE_CHECKING:
    from nexhealth_async.models import Record


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_model_can_be_made_and_is_plausible(model: type[Record]) -> None:
    made: Any = Factory().make(model)
    read, repairs = Codec().decode(model, to_json(made))
    assert read == made
    assert not repairs


def test_the_same_calls_make_equal_records() -> None:
    first, second = Factory(), Factory()
    for model in MODELS:
        assert [first.make(model) for _ in range(3)] == [second.make(model) for _ in range(3)]


def test_ids_count_for_each_model_by_itself() -> None:
    factory = Factory()
    patients = [factory.make(models.Patient) for _ in range(3)]
    appointment = factory.make(models.Appointment)
    assert [patient.id for patient in patients] == [1, 2, 3]
    assert (appointment.id, appointment.patient_id) == (1, patients[0].id)
    assert len({patient.email for patient in patients}) == 3


def test_ids_are_unique_across_threads() -> None:
    factory = Factory()
    with ThreadPoolExecutor(4) as pool:
        made = [pool.submit(factory.make, models.Provider) for _ in range(200)]
    assert sorted(provider.result().id for provider in made) == list(range(1, 201))


def test_relevant_fields_can_be_given() -> None:
    factory = Factory()
    patient = factory.make(
        models.Patient,
        id=7,
        first_name="Zoe",
        bio={"phone_number": "2125550199"},
        upcoming_appts=[{"provider_id": 3}, factory.make(models.UpcomingAppointment)],
    )
    assert (patient.id, patient.first_name) == (7, "Zoe")
    assert patient.bio
    assert patient.bio.phone_number == "2125550199"
    assert patient.bio.date_of_birth
    assert patient.upcoming_appts
    assert [appt.provider_id for appt in patient.upcoming_appts] == [3, 1]
    assert factory.make(models.Appointment, foreign_id=None).foreign_id is None


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        ({"frist_name": "Zoe"}, "Patient has no field frist_name; did you mean first_name"),
        ({"id": "7"}, "id: Expected `int`, got `str`"),
        ({"inactive": 1}, "inactive"),
        ({"created_at": datetime(2026, 1, 1)}, "timezone"),  # noqa: DTZ001 - naive on purpose
        ({"bio": {"phone": "2125550199"}}, "PatientBio has no field phone"),
        ({"location_ids": ["1"]}, "location_ids"),
    ],
)
def test_a_mistake_in_a_test_raises_a_clear_error(overrides: dict[str, object], text: str) -> None:
    with pytest.raises(TypeError, match=text):
        Factory().make(models.Patient, **overrides)


def test_payments_are_negative_as_in_a_ledger() -> None:
    amount = Factory().make(models.Payment).payment_amount
    assert amount
    assert amount.amount < Decimal(0)


def test_a_free_slot_belongs_to_a_search() -> None:
    slot = make_free_slot(provider_id=9)
    assert isinstance(slot, FreeSlot)
    assert slot.provider_id == 9
    assert slot.end
    assert (slot.end - slot.start).total_seconds() == 1800
    assert slot.start.astimezone(UTC) != slot.start.replace(tzinfo=UTC)  # in the practice's zone
    with pytest.raises(TypeError, match="FreeSlot has no field time"):
        make_free_slot(time=slot.start)


def test_every_factory_makes_the_model_of_its_name() -> None:
    makers = [name for name in testing.__all__ if name.startswith("make_")]
    assert len(makers) >= 8
    for name in makers:
        made = getattr(testing, name)()
        assert name == "make_" + "".join(
            f"_{letter.lower()}" if letter.isupper() else letter for letter in type(made).__name__
        ).lstrip("_")


def test_reprs_show_no_invented_data() -> None:
    patient = make_patient(id=12, first_name="Quirinia")
    assert repr(patient) == "Patient(id=12)"
