"""A page of millions of tiny records is refused before it takes memory and time."""

from __future__ import annotations

import tracemalloc

import pytest

from nexhealth_async._protocol.envelopes import read_list
from nexhealth_async._protocol.http_messages import Response
from nexhealth_async._protocol.record_limit import MAX_RECORDS
from nexhealth_async.errors import MalformedBodyError, UnexpectedStructureError
from nexhealth_async.resources import locations, patients

assert patients.LIST.v2 is not None
assert locations.LIST.v2 is not None
PATIENTS, LOCATIONS = patients.LIST.v2, locations.LIST.v2
MB = 2**20


def many(record: bytes, number: int) -> bytes:
    return b"[" + b",".join([record]) + (b"," + record) * (number - 1) + b"]"


@pytest.mark.parametrize("around", [b'{"data":%b}', b'{"data":{"patients":%b}}'])
@pytest.mark.parametrize("record", [b'{"id":1}', b"{}", b"1", b"[]", b"null"])
def test_a_page_of_tiny_records_is_refused_before_it_takes_memory(
    around: bytes, record: bytes
) -> None:
    reply = Response(status=200, body=around % many(record, 6 * MB // (len(record) + 1)))
    tracemalloc.start()
    try:
        with pytest.raises(UnexpectedStructureError):
            read_list(reply, PATIENTS)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 * MB


def test_records_inside_groups_count_as_well() -> None:
    body = b'{"data":[{"id":1,"locations":%b}]}' % many(b'{"id":1}', 3 * MAX_RECORDS)
    with pytest.raises(UnexpectedStructureError):
        read_list(Response(status=200, body=body + b" " * 2 * MB), LOCATIONS)


def test_pages_up_to_the_bound_are_read() -> None:
    record = b'{"id":1,"a":[1,2,3],"b":{"c":"1,2"}}'
    body = b'{"data":%b,"count":1}' % many(record, MAX_RECORDS)
    assert len(body) > 2 * MB
    assert body.count(b",") > 5 * MAX_RECORDS
    assert len(read_list(Response(status=200, body=body), PATIENTS).records) == MAX_RECORDS


def test_a_truncated_large_page_is_an_invalid_body() -> None:
    record = b'{"id":1,"a":[1,2,3],"b":{"c":"1,2"}}'
    body = b'{"data":%b' % many(record, MAX_RECORDS // 2)
    with pytest.raises(MalformedBodyError):
        read_list(Response(status=200, body=body), PATIENTS)
