"""Records in forms that the API is known to send decode without repairs, and natively."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import cast

import attrs
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexhealth_async import models
from nexhealth_async.codec import Codec, resolve_annotations, to_builtins, to_json
from nexhealth_async.errors import UndecodableRecordError
from nexhealth_async.models import (
    Appointment,
    BookingParams,
    Charge,
    Claim,
    ClaimPayout,
    InsurancePlan,
    Money,
    Onboarding,
    Patient,
    PatientBio,
    Payment,
    Procedure,
    Provider,
    Record,
    SlotGroup,
    WorkingHours,
)
from tests.models.model_samples import MODELS, NO_SLOTS, SAMPLES, SLOTS, filled, instances

CODEC = Codec()
BY_NAME = {model.__name__: model for model in MODELS}


@pytest.mark.parametrize(("name", "data"), SAMPLES)
def test_a_clean_record_needs_no_repair_and_equals_the_native_one(name: str, data: str) -> None:
    model = BY_NAME[name]
    made, repairs = CODEC.decode(model, data.encode())
    assert repairs == ()
    resolve_annotations(model)
    assert msgspec.json.decode(data, type=model) == made
    parsed, again = CODEC.structure_record(model, json.loads(data))
    assert (parsed, again) == (made, ())


@pytest.mark.parametrize(("name", "data"), SAMPLES)
def test_every_known_key_of_a_record_is_a_field(name: str, data: str) -> None:
    model = cast("type[attrs.AttrsInstance]", BY_NAME[name])
    unknown = set(json.loads(data)) - set(attrs.fields_dict(model))
    assert not unknown, f"give {name} a field for {sorted(unknown)}, which its sample has"


def test_a_patient_is_decoded_to_the_last_field() -> None:
    patient, _ = CODEC.decode(Patient, SAMPLES[0][1].encode())
    assert patient.id == 442745156
    assert patient.created_at == datetime(2026, 1, 10, 20, 59, 37, 800_000, tzinfo=UTC)
    assert patient.bio == PatientBio(
        gender="Female",
        phone_number="5550100123",
        date_of_birth=date(1978, 12, 27),
        verified_mobile="5550100123",
    )
    assert patient.balance == Money(amount=Decimal("0.00"), currency="USD")
    assert patient.location_ids == (339273,)
    assert patient.unsubscribe_sms is True
    assert patient.upcoming_appts is None


def test_included_records_are_models() -> None:
    patient, _ = CODEC.decode(Patient, SAMPLES[1][1].encode())
    assert patient.bio == PatientBio()
    assert patient.upcoming_appts is not None
    assert patient.upcoming_appts[0].confirmed is True
    assert patient.adjustments == ()
    assert patient.payments is not None
    assert patient.payments[0].payment_amount == Money(amount=Decimal("-5.10"), currency="USD")
    assert patient.guarantor is not None
    assert patient.guarantor.first_name == "Abbi"
    assert patient.insurance_coverages is not None
    assert patient.insurance_coverages[0].plan is not None
    assert patient.insurance_coverages[0].plan.payer_id == "00005"


def test_a_slot_keeps_the_offset_of_its_practice() -> None:
    none, _ = CODEC.decode(SlotGroup, NO_SLOTS.encode())
    assert none.next_available_date == date(2026, 2, 3)
    group, _ = CODEC.decode(SlotGroup, SLOTS.encode())
    time = group.slots[0].time
    assert time is not None
    assert (time.utcoffset(), time.hour) == (timedelta(hours=-5), 9)
    assert group.operatory_id is None


@pytest.mark.parametrize("tooth", ['"14"', '["14"]'])
def test_a_tooth_is_a_tuple_in_both_versions(tooth: str) -> None:
    data = f'{{"id":1,"body_site":{{"tooth":{tooth}}}}}'
    procedure, repairs = CODEC.decode(Procedure, data.encode())
    assert procedure.body_site is not None
    assert procedure.body_site.tooth == ("14",)
    assert repairs == ()
    resolve_annotations(Procedure)
    assert msgspec.json.decode(data, type=Procedure) == procedure


@pytest.mark.parametrize(
    ("flags", "cancelled"),
    [
        ('"canceled":true', True),
        ('"cancelled":true', True),
        ('"cancelled":false,"canceled":true', True),
        ('"cancelled":true,"canceled":false', True),
        ('"canceled":false', False),
        ('"cancelled":false', False),
        ('"cancelled":null', None),
    ],
)
def test_both_spellings_of_a_cancellation_are_read(*, flags: str, cancelled: bool | None) -> None:
    data = f'{{"id":1,{flags}}}'
    assert CODEC.decode(Appointment, data.encode())[0].cancelled is cancelled
    resolve_annotations(Appointment)
    assert msgspec.json.decode(data, type=Appointment).cancelled is cancelled


@pytest.mark.parametrize("sent", [34, "34", "NHP:JXZEQ1234", None])
def test_a_charge_names_its_procedure_by_number_or_by_text(sent: int | str | None) -> None:
    made, repairs = CODEC.decode(Charge, json.dumps({"id": 1, "procedure_id": sent}).encode())
    assert (made.procedure_id, repairs) == (sent, ())


def test_a_payout_names_the_record_on_the_other_side() -> None:
    claim, _ = CODEC.decode(Claim, b'{"id":1,"charge_payouts":[{"charge_id":2}]}')
    charge, _ = CODEC.decode(Charge, b'{"id":2,"claim_payouts":[{"claim_id":1}]}')
    assert claim.charge_payouts == (ClaimPayout(charge_id=2),)
    assert charge.claim_payouts == (ClaimPayout(claim_id=1),)


def test_a_location_chosen_in_setup_is_a_number_in_every_form() -> None:
    for sent, fixed in ((105, ()), ("105", ("booking_params.location_id",))):
        data = {"id": "y2", "booking_params": {"location_id": sent}}
        made, repairs = CODEC.decode(Onboarding, json.dumps(data).encode())
        assert made.booking_params == BookingParams(location_id=105)
        assert repairs == fixed


@pytest.mark.parametrize("model", [Claim, InsurancePlan, Payment])
def test_an_unreadable_deletion_time_is_an_error(model: type[Record]) -> None:
    with pytest.raises(UndecodableRecordError, match="deleted_at"):
        CODEC.decode(model, b'{"id":1,"deleted_at":"soon"}')


def test_old_field_names_of_the_ledger_are_separate_fields() -> None:
    charge, repairs = CODEC.decode(
        Charge, b'{"id":1,"value":{"amount":"62.00","currency":"USD"},"date":"2026-01-05"}'
    )
    assert (charge.value, charge.date) == (
        Money(amount=Decimal("62.00"), currency="USD"),
        date(2026, 1, 5),
    )
    assert (charge.fee, charge.charged_at, repairs) == (None, None, ())


def test_working_hours_keep_times_of_day_as_text() -> None:
    hours, _ = CODEC.decode(
        WorkingHours, b'{"id":1,"begin_time":"10:30","tz_offset":"-0700","synced":true}'
    )
    assert (hours.begin_time, hours.tz_offset, hours.synced) == ("10:30", "-0700", True)
    assert hours.source is None


def test_absent_null_and_empty_lists_are_distinguished() -> None:
    for data, expected in (("{}", None), ('{"locations":null}', None), ('{"locations":[]}', ())):
        made, repairs = CODEC.structure_record(Provider, {"id": 1, **json.loads(data)})
        assert made.locations == expected
        assert repairs == ()
    made, repairs = CODEC.decode(Provider, b'{"id":1,"provider_requestables":null}')
    assert (made.provider_requestables, repairs) == ((), ())


def test_unknown_fields_and_values_are_accepted() -> None:
    procedure, repairs = CODEC.decode(
        Procedure,
        b'{"id":1,"status":"brand_new","novel":{"a":[1]},"fee":{"amount":"1",'
        b'"currency":"XTS","b":2}}',
    )
    assert procedure.status == "brand_new"
    assert procedure.fee == Money(amount=Decimal(1), currency="XTS")
    assert repairs == ()


@pytest.mark.parametrize("data", [b'{"id":1}', bytearray(b'{"id":1}'), memoryview(b'{"id":1}')])
def test_any_buffer_can_be_decoded(data: bytes | bytearray | memoryview) -> None:
    assert CODEC.decode(Patient, data) == (Patient(id=1), ())
    assert CODEC.decode(Patient, msgspec.Raw(bytes(data))) == (Patient(id=1), ())


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(data=st.data())
def test_encoded_records_are_read_back_by_both_decoders(
    model: type[Record], data: st.DataObject
) -> None:
    made = data.draw(instances(model))
    written = to_json(cast("attrs.AttrsInstance", made))
    assert CODEC.decode(model, written) == (made, ())
    assert CODEC.copy().decode(model, written) == (made, ()), "copies go the tolerant way"
    assert msgspec.json.decode(written, type=model) == made
    assert CODEC.structure_record(model, to_builtins(cast("attrs.AttrsInstance", made))) == (
        made,
        (),
    )


def test_builtins_are_accepted_by_json_dumps() -> None:
    moment = datetime.fromisoformat("2026-01-28T09:00:00-05:00")
    patient = Patient(
        id=1,
        updated_at=moment,
        bio=PatientBio(date_of_birth=date(1978, 12, 27)),
        balance=Money(amount=Decimal("62.10"), currency="USD"),
        location_ids=(1, 2),
    )
    plain = to_builtins(patient)
    assert json.loads(json.dumps(plain)) == plain
    assert plain["updated_at"] == "2026-01-28T09:00:00-05:00"
    assert plain["balance"] == {"amount": "62.10", "currency": "USD"}
    assert plain["location_ids"] == [1, 2]
    assert plain["email"] is None
    bio = plain["bio"]
    assert isinstance(bio, dict)
    assert bio["date_of_birth"] == "1978-12-27"
    assert json.loads(to_json(patient)) == plain
    assert CODEC.unstructure(patient) == plain


def test_records_with_open_objects_can_be_hashed() -> None:
    one, other = (Appointment(id=1, misc={"a": [1]}) for _ in range(2))
    assert len({one, other}) == 1


def test_every_model_is_frozen_slotted_and_keyword_only() -> None:
    for model in MODELS:
        made = attrs.fields(cast("type[attrs.AttrsInstance]", model))
        assert all(attribute.kw_only for attribute in made), model
        assert "__slots__" in vars(model)
        assert all(
            attribute.converter is None and attribute.alias == attribute.name for attribute in made
        ), model
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(filled(model), "idd", 1)  # noqa: B010 - a misspelt field, as in real life


def test_an_absent_field_takes_no_memory_and_reads_as_none() -> None:
    """Half of a patient's fields are rare; see ``optional_fields``."""
    resolve_annotations(Patient)
    absent = msgspec.json.decode(b'{"id":1}', type=Patient)
    null = msgspec.json.decode(b'{"id":1,"bio":null,"name":null}', type=Patient)
    made = Patient(id=1)
    assert absent == null == made
    assert hash(absent) == hash(null) == hash(made)
    assert not vars(absent)
    assert to_json(absent) == to_json(null) == to_json(made)
    assert attrs.evolve(absent, name="Ada") == Patient(id=1, name="Ada")
    copied = pickle.loads(pickle.dumps(absent))  # noqa: S301 - our own bytes
    assert copied == absent
    assert next(iter(to_builtins(absent))) == "id"


def test_every_field_but_the_identifying_ones_may_be_absent() -> None:
    for model in MODELS:
        required = {
            attribute.name
            for attribute in attrs.fields(cast("type[attrs.AttrsInstance]", model))
            if attribute.default is attrs.NOTHING
        }
        more = required - ({"amount", "currency"} if model is models.Money else {"id"})
        assert not more, f"write `| None = None` behind {sorted(more)} of {model.__name__}"
