"""One change has one key, however it is told; two changes have two."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexhealth_async.webhooks import parse
from tests.webhooks.shapes import EVENTS, delivery, sample

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
def test_one_change_told_by_two_versions_has_one_key(data: Any) -> None:
    due = key("appointment_updated", {"appointment": VISIT})
    assert key("appointment_updated", data) == due
    assert key("appointment_updated", data, event_time="2026-01-28T15:00:00Z") == due
    assert key("appointment_updated", data, resource_type="appointment", subdomain=None) == due


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


def test_every_event_of_the_catalogues_has_keys_that_tell_records_and_changes_apart() -> None:
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
        key("appointment_created", {"appointments": list(one)})
        for one in itertools.permutations(records)
    }
    assert len(found) == 1
    assert key("appointment_created", {"appointments": records[:2]}) not in found


def test_records_that_do_not_tell_when_they_changed_are_told_apart_by_the_events_time() -> None:
    cover = {"id": 18, "patient_id": 25, "priority": 0}  # v2 has no updated_at
    one = key("patient_insurance_updated", cover)
    assert key("patient_insurance_updated", cover) == one
    assert key("patient_insurance_updated", cover, event_time="2026-01-28T14:00:01Z") != one
    bare = key("patient_insurance_updated", cover, event_time=None)
    assert key("patient_insurance_updated", cover, event_time=None) == bare
    assert key("patient_insurance_updated", {**cover, "priority": 1}, event_time=None) != bare


def test_events_without_records_are_told_apart_by_their_time() -> None:
    one = key("onboarding_updated", None)
    assert key("onboarding_updated", None) == one
    assert key("onboarding_updated", None, event_time="2026-01-28T14:00:01Z") != one


def test_statuses_of_syncs_are_told_apart_by_practice_source_and_time() -> None:
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


def test_a_key_is_a_short_hash_and_shows_nothing() -> None:
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


@given(
    st.dictionaries(
        st.sampled_from(["id", "updated_at", "start_time", "cancelled", "status"]), odd
    ),
    st.sampled_from(["chair_polished", "patient_updated"]),
)
def test_odd_values_have_keys_too_and_the_same_each_time(
    record: dict[str, Any], event: str
) -> None:
    assert key(event, [record]) == key(event, [dict(reversed(record.items()))])
