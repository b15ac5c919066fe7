"""Ignored parameters that change the meaning of a response."""

from __future__ import annotations

import pytest

from nexhealth_async._protocol.ignored_params import significant_ignored_params
from nexhealth_async._protocol.operations import Endpoint, OperationSpec, Paging
from nexhealth_async._protocol.requests import PlannedCall, plan, raw_call
from nexhealth_async.resources import appointment_types, patients


def call(endpoint: Endpoint[object], **arguments: object) -> PlannedCall:
    return plan(endpoint, "v2", subdomain="demo-practice", location_id=7, arguments=arguments)


PATIENTS = call(patients.LIST, inactive=True, include=["upcoming_appts"])
TYPES = call(appointment_types.LIST)
CURSOR = PlannedCall(
    endpoint=patients.LIST,
    spec=OperationSpec(method="GET", path="/patients", paging=Paging.CURSOR),
    path="/patients",
    query=(("inactive", "true"),),
)


@pytest.mark.parametrize(
    ("call", "ignored", "harm"),
    [
        (PATIENTS, {"inactive"}, {"inactive"}),
        (PATIENTS, {"include"}, {"include"}),
        (PATIENTS, {"location_id", "subdomain"}, {"location_id", "subdomain"}),
        (PATIENTS, {"page"}, {"page"}),
        (PATIENTS, {"per_page"}, set[str]()),
        (PATIENTS, {"inactive", "per_page"}, {"inactive"}),
        (PATIENTS, {"email"}, set[str]()),
        (PATIENTS, {"name", "Ada", "Example"}, set[str]()),
        (TYPES, {"page", "per_page"}, set[str]()),
        (TYPES, {"location_id"}, {"location_id"}),
        (CURSOR, {"end_cursor"}, {"end_cursor"}),
        (CURSOR, {"per_page"}, set[str]()),
        (CURSOR, {"inactive", "other"}, {"inactive"}),
        (raw_call("GET", "/patients", params={"sort": "id"}), {"sort"}, {"sort"}),
        (PATIENTS, set[str](), set[str]()),
    ],
)
def test_only_significant_sent_parameters_count(
    call: PlannedCall, ignored: set[str], harm: set[str]
) -> None:
    assert significant_ignored_params(call, frozenset(ignored)) == harm
