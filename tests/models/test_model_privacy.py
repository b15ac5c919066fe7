"""A record's repr identifies the record, not the person."""

from __future__ import annotations

import pytest

from nexhealth_async.models import Money, Onboarding, Patient, Record, Slot, WebhookEndpoint
from tests.models.model_samples import MODELS, filled

# What may be printed beside an id: names of places and kinds, times that are free, plain amounts.
SHOWN = {
    "AdjustmentType": "name",
    "AppointmentType": "name",
    "BookingParams": "location_id",
    "ClaimPayout": "claim_id charge_id",
    "CustomRecurrence": "num unit ref",
    "DocumentType": "name",
    "Emr": "name",
    "FeeSchedule": "name",
    "FeeScheduleProcedure": "code",
    "Institution": "name subdomain",
    "Location": "name",
    "Money": "amount currency",
    "Onboarding": "subdomain status",
    "Operatory": "name",
    "PaymentType": "name",
    "ProviderRequestable": "location_id",
    "RecallType": "name",
    "Slot": "time provider_id operatory_id",
    "SlotGroup": "lid pid operatory_id",
    "Specialty": "name",
    "SyncStatus": "institution_id read_status write_status",
    "WebhookEndpoint": "active",
    "WebhookSubscription": "resource_type event active",
    "WorkingHours": "provider_id operatory_id",
    "WorkingHoursLabel": "name",
}

# An onboarding's id opens its setup link.
NO_ID = {"Onboarding"}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_the_repr_of_a_record_shows_only_listed_fields(model: type[Record]) -> None:
    record = filled(model)
    allowed = {"id", *SHOWN.get(model.__name__, "").split()}
    if model.__name__ in NO_ID:
        allowed.remove("id")
    assert {name for name, _ in record.__rich_repr__()} <= allowed
    hidden = {f"sentinel-{name}" for name in dir(record)} - {f"sentinel-{name}" for name in allowed}
    nested = [(record,), [record], {"a": record}, f"{record} {record!r}"]
    for printed in (repr(record), str(record), format(record), *map(repr, nested)):
        assert not [text for text in hidden if text in printed]
        if not allowed & {"ref", "time", "amount"}:
            assert "1911" not in printed


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_the_repr_of_a_person_shows_the_id_only(model: type[Record]) -> None:
    if model.__name__ in SHOWN:
        return
    assert repr(filled(model)) in {f"{model.__name__}(id=5)", f"{model.__name__}()"}


def test_reprs_without_personal_data_are_helpful() -> None:
    assert repr(Patient(id=143776, name="Ada")) == "Patient(id=143776)"
    assert repr(filled(Money)) == "Money(amount=Decimal('1911.11'), currency='sentinel-currency')"
    assert repr(Slot()) == "Slot(time=None, provider_id=None, operatory_id=None)"


def test_reprs_show_no_credentials() -> None:
    endpoint = WebhookEndpoint(id=1, secret_key="NArWk7", target_url="https://a.example/?key=k1")
    assert repr(endpoint) == "WebhookEndpoint(id=1, active=None)"
    onboarding = Onboarding(id="y2wxl82", url="https://a.example/y2wxl82", status="in_progress")
    assert repr(onboarding) == "Onboarding(subdomain=None, status='in_progress')"
