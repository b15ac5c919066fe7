"""The library's public methods, found from its classes and its table."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
from typing import Any, Required, Unpack, cast, get_args, get_origin

from nexhealth_async import resources, scopes
from nexhealth_async._client.client import Client, OptionChanges
from nexhealth_async._protocol.operations import Endpoint, OperationSpec, Paging, ScopeNeed
from nexhealth_async.resources import ENDPOINTS, options
from nexhealth_async.resources._base import Resource

__all__ = [
    "CREATING",
    "METHODS",
    "RECORDER",
    "REFERENCE",
    "ROWS",
    "SCOPE",
    "SESSION",
    "AllResources",
    "EndpointRecorder",
    "bare",
    "body_fields",
    "dotted_name",
    "function_of",
    "keywords",
    "method_of",
    "modules_of_resources",
    "nested_in",
    "required_keywords",
    "resources_of",
    "rows_of",
    "scope_keys",
    "unpacked_by",
    "walk_options",
]

REFERENCE = Path(__file__).parents[2].parent / "shared/reference"
"""The reference documents of the API; not part of the project, tests skip without it."""

SCOPE = {"subdomain", "location_id"}
CREATING = {"create", "update"}


class EndpointRecorder(Client):
    """A client that records the endpoint and identifiers of each call."""

    def __init__(self) -> None:
        self.asked: list[tuple[Endpoint[object], Mapping[str, object], tuple[int | str, ...]]] = []
        self.bindings: list[tuple[str, int | None]] = []

    def walk(
        self, endpoint: Endpoint[object], arguments: Mapping[str, object], *ids: int | str
    ) -> Any:
        self.asked.append((endpoint, arguments, ids))

    async def call(
        self, endpoint: Endpoint[object], arguments: Mapping[str, object], *ids: int | str
    ) -> Any:
        self.asked.append((endpoint, arguments, ids))

    async def execute(
        self, endpoint: Endpoint[None], arguments: Mapping[str, object], *ids: int | str
    ) -> None:
        self.asked.append((endpoint, arguments, ids))

    async def call_with_status(
        self, endpoint: Endpoint[object], arguments: Mapping[str, object], *ids: int | str
    ) -> Any:
        return await self.call(endpoint, arguments, *ids), 200

    def pending_write(self, *identity: object, subdomain: object = None) -> Any:
        raise NotImplementedError(identity, subdomain)

    def download(self, url: str | None) -> Any:
        raise NotImplementedError(url)

    def with_options(self, **changes: Unpack[OptionChanges]) -> EndpointRecorder:
        self.bindings.append((str(changes.get("subdomain")), changes.get("location_id")))
        return self


class AllResources(scopes.AccountScope):
    """All resources of a recording client."""

    def __init__(self, caller: EndpointRecorder) -> None:
        self._recorder = caller

    @property
    def _client(self) -> EndpointRecorder:
        return self._recorder


def modules_of_resources() -> dict[str, ModuleType]:
    """The modules of `nexhealth_async.resources` that users may import from, by name."""
    names = [part.name for part in pkgutil.iter_modules(resources.__path__)]
    return {
        name: import_module(f"{resources.__name__}.{name}")
        for name in names
        if not name.startswith("_")
    }


def public(kind: type) -> list[str]:
    return [name for name in dir(kind) if not name.startswith("_")]


def methods_of(resource: Resource, name: str) -> dict[str, MethodType]:
    """The methods of a resource, and of the resources nested in it, by dotted name."""
    found: dict[str, MethodType] = {}
    for member in public(type(resource)):
        value = getattr(resource, member)
        if isinstance(value, Resource):
            found |= methods_of(value, f"{name}.{member}")
        else:
            found[f"{name}.{member}"] = value
    return found


def resources_of(kind: type) -> set[str]:
    return {name for name in public(kind) if isinstance(getattr(kind, name), property)}


RECORDER = EndpointRecorder()
SESSION = AllResources(RECORDER)
METHODS = {
    dotted: method
    for name in resources_of(scopes.AccountScope)
    for dotted, method in methods_of(getattr(SESSION, name), name).items()
}
ROWS = [
    (version, endpoint, row)
    for endpoint in ENDPOINTS
    for version, row in (("v2", endpoint.v2), ("v3", endpoint.v3))
    if row is not None
]


def dotted_name(endpoint: Endpoint[object]) -> str:
    return f"{endpoint.resource}.{endpoint.verb}"


def nested_in(name: str) -> str:
    """The resource of a method, by the method's dotted name."""
    return name.rpartition(".")[0]


def method_of(endpoint: Endpoint[object]) -> MethodType:
    name = dotted_name(endpoint)
    assert name in METHODS, (
        f"`{name}` is declared, and `nex.{name}` does not exist: give a class of its module a "
        f"method `{endpoint.verb}`"
    )
    return METHODS[name]


def function_of(endpoint: Endpoint[object]) -> FunctionType:
    return cast("FunctionType", inspect.unwrap(method_of(endpoint).__func__))


def keywords(endpoint: Endpoint[object]) -> dict[str, Any]:
    """The method's keyword arguments, from the `TypedDict` it unpacks."""
    unpacked = unpacked_by(function_of(endpoint))
    return {} if unpacked is None else dict(unpacked.__annotations__)


def unpacked_by(function: FunctionType) -> type | None:
    """The `TypedDict` that a method unpacks."""
    for annotation in function.__annotations__.values():
        if getattr(annotation, "__origin__", None) is Unpack:
            return cast("type", get_args(annotation)[0])
    return None


def required_keywords(endpoint: Endpoint[object]) -> set[str]:
    return {name for name, kind in keywords(endpoint).items() if get_origin(kind) is Required}


def rows_of(endpoint: Endpoint[object]) -> list[OperationSpec]:
    return [row for row in (endpoint.v2, endpoint.v3) if row is not None]


def body_fields(endpoint: Endpoint[object], row: OperationSpec) -> set[str]:
    """The keywords that a version sends in the body."""
    elsewhere = bare(row.filters) | (SCOPE - set(row.sibling_fields)) | set(row.unsupported)
    return set(keywords(endpoint)) - elsewhere


def scope_keys(row: OperationSpec) -> set[str]:
    keys = set[str]()
    if row.subdomain is not ScopeNeed.NONE:
        keys.add("subdomain")
    if row.location is not ScopeNeed.NONE:
        keys.add("location_id")
    return keys


def walk_options(row: OperationSpec) -> set[str]:
    match row.paging:
        case Paging.SINGLE:
            return set()
        case Paging.WHOLE:
            return set(options.WholeOptions.__annotations__)
        case Paging.CURSOR:
            return set(options.CursorOptions.__annotations__)
        case _:
            return set(options.NumberedOptions.__annotations__)


def bare(names: tuple[str, ...]) -> set[str]:
    return {name.removesuffix("[]") for name in names}
