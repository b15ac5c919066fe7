"""The endpoint table and the sandbox, written independently, agree on filters and limits."""

from __future__ import annotations

import pkgutil
from importlib import import_module

import pytest

from nexhealth_async._protocol.operations import Endpoint, OperationSpec, ScopeNeed
from nexhealth_async.sandbox import handlers
from nexhealth_async.sandbox.routes import Route
from tests.contract.public_methods import ROWS, bare, dotted_name

PAGES = {"page", "per_page", "start_cursor", "end_cursor"}
MORE_THAN_THE_ROW = {
    ("v2", "webhook_endpoints.subscriptions.walk"): (
        {"subdomain"},
        "one route serves both versions, and v3 takes the practice too",
    ),
}
"""Filters that a route has and its row lacks, with the reason."""

each_row = pytest.mark.parametrize(
    ("version", "endpoint", "row"),
    ROWS,
    ids=[f"{version}-{dotted_name(endpoint)}" for version, endpoint, _ in ROWS],
)


def route_of(version: str, row: OperationSpec) -> tuple[Route, str]:
    """The sandbox's route of a row, and a name for messages."""
    for part in pkgutil.iter_modules(handlers.__path__):
        module = import_module(f"{handlers.__name__}.{part.name}")
        routes: tuple[Route, ...] = getattr(module, "ROUTES", ())
        for route in routes:
            served = (route.method, route.path) == (row.method, row.path)
            if served and version in route.versions:
                file = module.__name__.replace(".", "/")
                return route, f"the route of `{row.operation}` for {version} in {file}.py"
    pytest.fail(
        f"the sandbox does not serve `{row.operation}` in {version}: add a `Route` to a module of "
        "nexhealth_async/sandbox/handlers"
    )


def sent(row: OperationSpec) -> set[str]:
    """The names of a version's query, without those of paging."""
    names = bare(tuple(row.wire.get(name, name) for name in row.wire_names.values()))
    return names if row.subdomain is ScopeNeed.NONE else names | {"subdomain"}


@each_row
def test_a_route_accepts_the_filters_of_its_row(
    version: str, endpoint: Endpoint[object], row: OperationSpec
) -> None:
    route, where = route_of(version, row)
    more, _ = MORE_THAN_THE_ROW.get((version, dotted_name(endpoint)), (set[str](), ""))
    taken = set(route.known) - PAGES - more
    lacks, beyond = sorted(sent(row) - taken), sorted(taken - sent(row))
    instead = f" (is it {beyond} there?)" if beyond else ""
    assert not lacks, (
        f"`takes` of {where} lacks {lacks}{instead}, which {dotted_name(endpoint)} "
        "sends: add it to one, or take it out of the other"
    )
    assert not beyond, (
        f"`takes` of {where} has {beyond}, which {dotted_name(endpoint)} "
        "does not send: take it out, add it to the row, or say why in MORE_THAN_THE_ROW here"
    )


@each_row
def test_a_route_counts_against_the_limit_of_its_row(
    version: str, endpoint: Endpoint[object], row: OperationSpec
) -> None:
    route, where = route_of(version, row)
    assert route.rate == row.rate.value, (
        f'`rate` of {where} is "{route.rate}", and the row of {dotted_name(endpoint)} in '
        f"endpoints/ has `RateClass.{row.rate.name}`: mend the one that is wrong"
    )


def test_additional_filters_of_a_route_have_a_reason() -> None:
    rows = {(version, dotted_name(endpoint)) for version, endpoint, _ in ROWS}
    assert set(MORE_THAN_THE_ROW) <= rows
    assert all(reason for _, reason in MORE_THAN_THE_ROW.values())
