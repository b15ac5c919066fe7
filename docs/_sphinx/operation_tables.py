"""Tables of all operations, for docs/operations.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from nexhealth_async._protocol.operations import LOGIN, Endpoint, OperationSpec, Paging, RateClass
from nexhealth_async.bulk import facts
from nexhealth_async.errors import InvalidArgumentError, NotInVersionError
from nexhealth_async.resources import ENDPOINTS

__all__ = ["counts", "login", "operations_tables"]

_REPLY: Final = {
    Paging.SINGLE: "one",
    Paging.WHOLE: "whole list",
    Paging.NUMBERED: "numbered pages",
    Paging.CURSOR: "cursors",
}


def counts() -> str:
    """Return a sentence with the number of operations in each version and in both."""
    v2 = 1 + sum(one.v2 is not None for one in ENDPOINTS)
    v3 = 1 + sum(one.v3 is not None for one in ENDPOINTS)
    same = 1 + sum(one.v2 is not None and one.v2 == one.v3 for one in ENDPOINTS)
    return (
        f"{v2} operations of API v2 and {v3} of API v3.0.0, the login among both; "
        f"{same} are the same in both versions in everything this library knows of them."
    )


def operations_tables() -> str:
    """Return a heading and a short table for each resource."""
    lines = ["## By resource", ""]
    for noun in sorted({_noun(one) for one in ENDPOINTS}):
        lines += [*_resource(noun, [one for one in ENDPOINTS if _noun(one) == noun]), ""]
    return "\n".join(lines)


def _noun(endpoint: Endpoint[object]) -> str:
    return endpoint.resource.partition(".")[0]


def _resource(noun: str, endpoints: list[Endpoint[object]]) -> Iterator[str]:
    yield f"### {noun}"
    yield ""
    yield _limit([row for one in endpoints for row in (one.v2, one.v3) if row is not None])
    yield ""
    for endpoint in endpoints:
        if endpoint.verb == "walk" and (note := _asked_for(endpoint)):
            yield note
            yield ""
    yield "| method | request | answer | again |"
    yield "| --- | --- | --- | --- |"
    for endpoint in endpoints:
        method = f"{endpoint.resource}.{endpoint.verb}".removeprefix(f"{noun}.")
        for version, row in _rows(endpoint):
            name = f"`{method}`{version}"
            yield f"| {name} | `{row.operation}` | {_REPLY[row.paging]} | {_again(row)} |"


def _rows(endpoint: Endpoint[object]) -> list[tuple[str, OperationSpec]]:
    """Return one row if the versions do not differ in the table, else one for each version."""
    v2, v3 = endpoint.v2, endpoint.v3
    if v2 is not None and v3 is not None and _shown(v2) == _shown(v3):
        return [("", v3)]
    return [(name, row) for name, row in ((" v2", v2), (" v3", v3)) if row is not None]


def _shown(row: OperationSpec) -> tuple[str, Paging, str]:
    return row.operation, row.paging, _again(row)


def _again(row: OperationSpec) -> str:
    if row.safe_if is not None:
        return f"with `{row.safe_if}`"
    return "yes" if row.safe else "**no**"


def _asked_for(endpoint: Endpoint[object]) -> str:
    """Return a note on records that the API leaves out by default; empty if there are none."""
    rows = (("v2", endpoint.v2), ("v3", endpoint.v3))
    served = [version for version, row in rows if row is not None]
    found = {version: told for version in served if (told := _choices(endpoint.resource, version))}
    texts = set(found.values())
    if not texts:
        return ""
    (choices,) = texts
    api = "The API" if len(found) == len(served) else f"In {' and '.join(found)} the API"
    return f"{api} may leave out records by itself: walk {choices} to have all."


def _choices(resource: str, version: str) -> str:
    """Return the filters that a bulk pull sends to get all records of a list."""
    try:
        lists = facts(resource, version).lists
    except (InvalidArgumentError, NotInVersionError):
        return ""
    each = [f"`{name}={value}`" for one in lists for name, value in one.filters.items()]
    return f"with {each[0]}" if len(each) == 1 else " and ".join(f"once with {one}" for one in each)


def _limit(rows: Iterable[OperationSpec]) -> str:
    reads = {row.rate for row in rows if row.method == "GET"}
    writes = {row.rate for row in rows if row.method != "GET"}
    if reads == writes or not writes:
        return f"Limit: {_names(reads)}."
    return f"Limit: {_names(reads)} for reads, {_names(writes)} for writes."


def _names(rates: set[RateClass]) -> str:
    return " and ".join(sorted(f"*{rate.value}*" for rate in rates))


def login() -> str:
    return (
        f"A session logs in by itself, with `{LOGIN.operation}`; `await nex.log_in()` does so "
        f"early. Limit: *{LOGIN.rate.value}*."
    )
