"""Declarations of API operations: method, path, paging, filters, rate class, safety.

Resources declare their operations with these classes. Request building, walks, the rate limiter,
the retry rules and the command line use the declarations.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Generic, TypeVar

from attrs import Factory, field, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "CREATED",
    "LOGIN",
    "NO_CONTENT",
    "Endpoint",
    "Operation",
    "OperationSpec",
    "Paging",
    "RateClass",
    "ScopeNeed",
    "operation_of",
]

T_co = TypeVar("T_co", covariant=True)

CREATED = frozenset({200, 201})
"""Statuses of a successful write."""
NO_CONTENT = frozenset({200, 204})
"""Statuses of a successful deletion."""


class Paging(Enum):
    """Paging of an operation."""

    SINGLE = "single"
    """One record, not a list."""
    WHOLE = "whole"
    """The whole list in one response."""
    NUMBERED = "numbered"
    """Numbered pages (``page``, ``per_page``), up to the envelope's ``count``."""
    CURSOR = "cursor"
    """Cursors (``end_cursor``), until ``page_info.has_next_page`` is false."""


class RateClass(Enum):
    """Group of documented limits that count a request. Reference: rate limiting, per API key."""

    SLOW = "slow"
    """Appointment reads and slot searches: 10 per second, and the limit of ``PEOPLE``."""
    PEOPLE = "people"
    """Patients and appointments: 1,000 per minute."""
    OTHER = "other"
    """Everything else: 2,000 per minute."""


class ScopeNeed(Enum):
    """Need of an operation for a practice (subdomain) or a location."""

    NONE = "none"
    OPTIONAL = "optional"
    REQUIRED = "required"


def _operation(spec: OperationSpec) -> str:
    return f"{spec.method} {spec.path}"


def _wire_names(spec: OperationSpec) -> dict[str, str]:
    names = {name.removesuffix("[]"): name for name in spec.filters}
    if spec.location is not ScopeNeed.NONE and spec.location_filter not in spec.sibling_fields:
        names.setdefault(spec.location_filter, spec.location_filter)
    return names


@frozen(kw_only=True)
class OperationSpec:
    """One operation in one version of the API."""

    method: str
    path: str
    """Template with ids in braces: ``/patients/{id}``."""
    paging: Paging = Paging.SINGLE
    payload: tuple[str, ...] = ()
    """Keys of ``data`` that may hold the record or list; otherwise it is ``data`` itself."""
    inner: str | None = None
    """Key of each listed group that holds the records (locations in institutions)."""
    max_per_page: int | None = None
    rate: RateClass = RateClass.OTHER
    safe: bool = True
    """True if repeating the operation does no harm, so that it may be retried."""
    success: frozenset[int] = frozenset({200})
    subdomain: ScopeNeed = ScopeNeed.REQUIRED
    location: ScopeNeed = ScopeNeed.NONE
    location_filter: str = "location_id"
    """The filter that receives the scope's location."""
    with_location: tuple[str, ...] = ()
    """Filters that the API accepts only together with a location."""
    filters: tuple[str, ...] = ()
    """Query parameters by their public (v3) names; ``[]`` marks those with several values."""
    required: tuple[str, ...] = ()
    """Required filters, by public name without ``[]``."""
    one_of: tuple[str, ...] = ()
    """Filters of which at least one is required, by public name without ``[]``."""
    at_most: Mapping[str, int] = field(factory=dict[str, int])
    """Maximum number of values of a filter, by public name without ``[]``."""
    path_from: tuple[str, ...] = ()
    """Filters that are path parameters in this version, in order."""
    unscoped_if: Mapping[str, str] = field(factory=dict[str, str])
    """Values of arguments that select data of no practice: the subdomain is then left out."""
    wire: Mapping[str, str] = field(factory=dict[str, str])
    """Name in this version by public name, where they differ."""
    wrap: str | None = None
    """Key of the body that holds its fields; ``""`` if they are the body itself."""
    sibling_fields: Mapping[str, tuple[str, ...]] = field(factory=dict[str, tuple[str, ...]])
    """Path of keys by public name, for body fields outside ``wrap``."""
    multipart: bool = False
    """True if the body is a form with a file instead of JSON."""
    unsupported: tuple[str, ...] = ()
    """Body fields that only the other version has."""
    safe_if: str | None = None
    """Body field that makes an unsafe write safe if it is True."""
    lookup_hint: str = ""
    """Sentence that says how to look up whether an unsafe write happened."""

    operation: str = field(init=False, eq=False, default=Factory(_operation, takes_self=True))
    """Method and path template, for logs and errors."""
    wire_names: Mapping[str, str] = field(
        init=False, eq=False, repr=False, default=Factory(_wire_names, takes_self=True)
    )
    """Name with ``[]`` by public name without it, for filters and for the scope's location."""

    @property
    def takes_body(self) -> bool:
        """True if the request has a body."""
        return self.wrap is not None or self.multipart


LOGIN = OperationSpec(
    method="POST",
    path="/authenticates",
    payload=(),
    success=CREATED,
    subdomain=ScopeNeed.NONE,
)
"""The login, which is safe to repeat."""


def _in_both(endpoint: Endpoint[object]) -> OperationSpec | None:
    return endpoint.both


@frozen(kw_only=True)
class Endpoint(Generic[T_co]):
    """A method of the library: its name, its model, and its operation in each API version."""

    resource: str
    verb: str
    model: str | None
    """Name of the class in `nexhealth_async.models`; None if no record is returned."""
    both: OperationSpec | None = field(default=None, repr=False, eq=False)
    """The operation if it is the same in both versions."""
    v2: OperationSpec | None = field(default=Factory(_in_both, takes_self=True))
    v3: OperationSpec | None = field(default=Factory(_in_both, takes_self=True))


@frozen(kw_only=True)
class Operation:
    """Description of an operation in one API version, as `NexHealth.endpoints` lists it."""

    version: str
    method: str
    path: str
    resource: str
    verb: str
    paging: str
    rate_class: str
    safe: bool
    filters: tuple[str, ...]


def operation_of(endpoint: Endpoint[object], version: str, spec: OperationSpec) -> Operation:
    """Describe an operation for listings and contract tests."""
    return Operation(
        version=version,
        method=spec.method,
        path=spec.path,
        resource=endpoint.resource,
        verb=endpoint.verb,
        paging=spec.paging.value,
        rate_class=spec.rate.value,
        safe=spec.safe,
        filters=spec.filters,
    )
