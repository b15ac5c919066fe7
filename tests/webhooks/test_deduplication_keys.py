"""Deduplication keys: the same for one change in any form, different for two changes."""

from __future__ import annotations

import itertools
import json
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexhealth_async import models
from nexhealth_async.webhooks import parse
from nexhealth_async.webhooks.common_fields import SHARED
from tests.webhooks.payloads import EVENTS, delivery, sample

VISIT = sample("Appointment")


def key(event: str, data: Any, **members: Any) -> str:
    return parse(delivery(event, data, **members)).key


SAME: dict[str, Any] = {
    "as it is": {"appointment": VISIT},
    "bare": VISIT,
    "in a list": {"appointments": [VISIT]},
    "with fields of another version": {"appointment": {**VISIT, "ehr_id": 3, "patient": None}},
    "without fields of another version": {
        "appointment": {name: VISIT[name] for name in VISIT if name not in {"misc", "timezone"}}
    },
    "times in another zone": {"appointment": {**VISIT, "start_time": "2026-01-28T09:00:00-05:00"}},
    "times without zeros": {"appointment": {**VISIT, "end_time": "2026-01-28T14:15:00Z"}},
}


@pytest.mark.parametrize("data", SAME.values(), ids=SAME)
def test_one_change_delivered_in_two_versions_has_one_key(data: Any) -> None:
    expected = key("appointment_updated", {"appointment": VISIT})
    assert key("appointment_updated", data) == expected
    assert key("appointment_updated", data, event_time="2026-01-28T15:00:00Z") == expected
    assert key("appointment_updated", data, resource_type="appointment", subdomain=None) == expected


def rewritten(body: bytes) -> bytes:
    """Return the same JSON with other spaces, escapes and order of keys."""
    text = json.dumps(json.loads(body), indent=3, sort_keys=True, ensure_ascii=True)
    return text.encode().replace(b"Jonas", b"\\u004aonas")


def test_a_repeated_or_reformatted_change_has_one_key() -> None:
    for event, data in (
        ("appointment_updated", {"appointment": VISIT}),
        ("patient_updated", {"patients": [sample("Patient")]}),
        ("message_created", {"message": {"id": 5, "to": ["a", "b"], "more": {"x": 1, "y": None}}}),
    ):
        body = delivery(event, data)
        later = delivery(
            event, data, event_time="2026-01-28T19:00:00Z", delivery_errors=["503", "timeout"]
        )
        keys = {parse(one).key for one in (body, rewritten(body), later)}
        # A message has no update time.
        assert len(keys) == (2 if event == "message_created" else 1)


SAME_SECOND: dict[str, tuple[str, str, dict[str, Any]]] = {
    "note": ("appointment_updated", "Appointment", {"note": "Bring the papers"}),
    "provider": ("appointment_updated", "Appointment", {"provider_id": 77}),
    "room": ("appointment_updated", "Appointment", {"operatory_id": 78}),
    "check-in": ("appointment_updated", "Appointment", {"checkin_at": "2026-01-28T13:50:00Z"}),
    "deleted": ("appointment_updated", "Appointment", {"deleted": True}),
    "email": ("patient_updated", "Patient", {"email": "another@example.com"}),
    "phone": ("patient_updated", "Patient", {"bio": {"phone_number": "5550100100"}}),
    "price": ("procedure_updated", "Procedure", {"fee": {"amount": "9.95", "currency": "USD"}}),
    "tooth": ("procedure_updated", "Procedure", {"body_site": {"tooth": "4", "surface": "M"}}),
    "payment": (
        "payment_updated",
        "Payment",
        {"payment_amount": {"amount": "-7.00", "currency": "USD"}},
    ),
    "no model": ("procedure_code_updated", "", {"description": "another"}),
}


@pytest.mark.parametrize(("event", "model", "change"), SAME_SECOND.values(), ids=SAME_SECOND)
def test_two_changes_within_the_same_second_have_two_keys(
    event: str, model: str, change: dict[str, Any]
) -> None:
    record = {"id": 7, **sample(model), "updated_at": "2026-01-26T23:55:01Z"}
    assert key(event, [record]) != key(event, [{**record, **change}])


def test_an_unreadable_record_is_distinguished_by_its_content() -> None:
    malformed = {**VISIT, "cancelled_at": "no time at all"}
    one = key("appointment_updated", malformed)
    assert key("appointment_updated", dict(reversed(malformed.items()))) == one
    assert key("appointment_updated", {**malformed, "note": "another"}) != one


def test_failed_updates_are_distinguished_by_their_previous_attributes() -> None:
    keys = {
        key("appointment_updated.failed", {"appointment": VISIT, "previous_attributes": before})
        for before in ({"note": "one"}, {"note": "two"})
    }
    assert len(keys) == 2


FORMS: dict[str, tuple[str, str, dict[str, Any], dict[str, Any]]] = {
    "nothing, in three spellings": (
        "patient_updated",
        "Patient",
        {"guarantor_id": None, "middle_name": None, "bio": {"city": ""}},
        {"guarantor_id": 0, "middle_name": "", "bio": {}},
    ),
    "who pays for themselves": ("patient_updated", "Patient", {"guarantor_id": 442745156}, {}),
    "one tooth": (
        "procedure_updated",
        "Procedure",
        {"body_site": {"tooth": "14", "surface": None}},
        {"body_site": {"tooth": ["14"], "surface": ""}},
    ),
    "an amount": (
        "procedure_updated",
        "Procedure",
        {"fee": {"amount": "1.50", "currency": "USD"}},
        {"fee": {"amount": 1.5, "currency": "USD"}},
    ),
    "fields of v2 alone": (
        "patient_updated",
        "Patient",
        {"unsubscribe_sms": True, "balance": {"amount": "1.00", "currency": "USD"}},
        {"unsubscribe_sms": None, "balance": None, "hipaa": {"consent": True}},
    ),
}


@pytest.mark.parametrize(("event", "model", "old", "new"), FORMS.values(), ids=FORMS)
def test_version_specific_forms_of_one_change_have_one_key(
    event: str, model: str, old: dict[str, Any], new: dict[str, Any]
) -> None:
    record = {**sample(model), "last_sync_time": None}
    v2 = {"user" if model == "Patient" else "procedure": {**record, **old}}
    later = "2026-01-28T15:00:00Z"
    v3 = [{**record, **new, "last_sync_time": later}]
    assert key(event, v2) == key(event, v3, event_time=later)


def test_a_test_delivery_never_hides_a_real_change() -> None:
    assert key("appointment_updated", VISIT, test=True) != key("appointment_updated", VISIT)
    assert key("appointment_updated", VISIT, test=False) == key("appointment_updated", VISIT)


def test_the_shared_fields_are_fields_of_the_models() -> None:
    for name, fields in SHARED.items():
        assert fields <= {field.name for field in attrs.fields(getattr(models, name))}


OTHERS: dict[str, tuple[str, dict[str, Any]]] = {
    "another event": ("appointment_created", {}),
    "another outcome": ("appointment_updated.failed", {}),
    "another record": ("appointment_updated", {"id": 1}),
    "changed later": ("appointment_updated", {"updated_at": "2026-01-26T23:55:01.513Z"}),
    "moved": ("appointment_updated", {"start_time": "2026-01-28T15:00:00.000Z"}),
    "cancelled": ("appointment_updated", {"cancelled": True}),
    "confirmed": ("appointment_updated", {"confirmed": True}),
}


def test_two_changes_have_two_keys() -> None:
    keys = [key("appointment_updated", VISIT)]
    keys += [key(event, {**VISIT, **change}) for event, change in OTHERS.values()]
    assert len(set(keys)) == len(OTHERS) + 1


def test_every_event_of_the_catalogues_has_distinguishing_keys() -> None:
    keys: list[str] = []
    for kind, (model, _, events) in EVENTS.items():
        record = {**sample(model), "updated_at": "2026-01-10T20:59:37.800Z"}
        if kind == "SyncStatus":
            record = {"institution_id": 1, "read_status_at": "2026-01-10T20:59:37.800Z"}
        if kind == "Onboarding":
            record["id"] = "an-id"
        later = {
            name: value.replace("37.800Z", "38.800Z") if isinstance(value, str) else value
            for name, value in record.items()
        }
        other = {**record, "id": "2", "institution_id": 2}  # a sync status has no id
        keys += [key(event, data) for event in events for data in (record, later, other)]
    assert len(set(keys)) == len(keys) == 3 * sum(len(events) for _, _, events in EVENTS.values())


def test_the_order_of_records_does_not_matter() -> None:
    records = [{**VISIT, "id": id} for id in (1, 2, 3)]
    found = {
        key("appointment_created", {"appointments": list(permutation)})
        for permutation in itertools.permutations(records)
    }
    assert len(found) == 1
    assert key("appointment_created", {"appointments": records[:2]}) not in found


def test_records_without_an_update_time_are_distinguished_by_the_events_time() -> None:
    cover = {"id": 18, "patient_id": 25, "priority": 0}  # v2 has no updated_at
    one = key("patient_insurance_updated", cover)
    assert key("patient_insurance_updated", cover) == one
    assert key("patient_insurance_updated", cover, event_time="2026-01-28T14:00:01Z") != one
    bare = key("patient_insurance_updated", cover, event_time=None)
    assert key("patient_insurance_updated", cover, event_time=None) == bare
    assert key("patient_insurance_updated", {**cover, "priority": 1}, event_time=None) != bare


def test_events_without_records_are_distinguished_by_their_time() -> None:
    one = key("onboarding_updated", None)
    assert key("onboarding_updated", None) == one
    assert key("onboarding_updated", None, event_time="2026-01-28T14:00:01Z") != one


def test_sync_statuses_are_distinguished_by_practice_source_and_time() -> None:
    status: dict[str, Any] = {
        "institution_id": 3,
        "sync_source_name": "a",
        "read_status": "red",
        "read_status_at": "2026-01-28T14:00:00Z",
    }
    changes: list[dict[str, Any]] = [
        {},
        {"institution_id": 4},
        {"sync_source_name": "b"},
        {"read_status": "green"},
        {"read_status_at": "2026-01-28T14:00:01Z"},
    ]
    keys = {key("sync_status_read_change.red", {**status, **change}) for change in changes}
    assert len(keys) == len(changes)


def test_a_key_is_a_short_hash_and_reveals_nothing() -> None:
    found = key("patient_created", {"patient": {**sample("Patient"), "name": "Zaphquill"}})
    assert len(found) == 32
    assert set(found) <= set("0123456789abcdef")


odd: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(),
    st.just({}),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(
        st.sampled_from(["id", "updated_at", "start_time", "cancelled", "status"]), odd
    ),
    st.sampled_from(["chair_polished", "patient_updated"]),
)
def test_malformed_values_have_stable_keys_too(record: dict[str, Any], event: str) -> None:
    assert key(event, [record]) == key(event, [dict(reversed(record.items()))])
