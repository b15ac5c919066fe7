"""How an operation of the API is declared: method, path, paging, filters, rate class, safety.

Resources declare their operations with these classes. Request building, iteration, the rate
limiter, the retry rules and the command line read the declarations.
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
"""Statuses of a write that was accepted."""
NO_CONTENT = frozenset({200, 204})
"""Statuses of a deletion."""


class Paging(Enum):
    """How a reply relates to the list it belongs to."""

    SINGLE = "single"
    """One record, no list."""
    WHOLE = "whole"
    """The whole list in one reply."""
    NUMBERED = "numbered"
    """``page`` and ``per_page``, finished by the envelope's ``count``."""
    CURSOR = "cursor"
    """``end_cursor``, finished by ``page_info.has_next_page``."""


class RateClass(Enum):
    """Which of the documented limits count a request. Reference: rate limiting, per API key."""

    SLOW = "slow"
    """Appointment reads and slot searches: 10 a second, and the people's minute limit."""
    PEOPLE = "people"
    """Patients and appointments: 1,000 a minute."""
    OTHER = "other"
    """Everything else: 2,000 a minute."""


class ScopeNeed(Enum):
    """Whether an operation takes a practice (subdomain) or a location."""

    NONE = "none"
    OPTIONAL = "optional"
    REQUIRED = "required"


def _operation(row: OperationSpec) -> str:
    return f"{row.method} {row.path}"


def _wire_names(row: OperationSpec) -> dict[str, str]:
    names = {name.removesuffix("[]"): name for name in row.filters}
    if row.location is not ScopeNeed.NONE and row.location_filter not in row.sibling_fields:
        names.setdefault(row.location_filter, row.location_filter)
    return names


@frozen(kw_only=True)
class OperationSpec:
    """One operation in one version of the API."""

    method: str
    path: str
    """Template with the identifiers in braces: ``/patients/{id}``."""
    paging: Paging = Paging.SINGLE
    payload: tuple[str, ...] = ()
    """Keys of ``data`` under which the record or list may sit; ``data`` itself otherwise."""
    inner: str | None = None
    """Key of each listed group under which the records really sit (locations in institutions)."""
    max_per_page: int | None = None
    rate: RateClass = RateClass.OTHER
    safe: bool = True
    """True where doing it twice does no harm, so that a lost answer may be asked for again."""
    success: frozenset[int] = frozenset({200})
    subdomain: ScopeNeed = ScopeNeed.REQUIRED
    location: ScopeNeed = ScopeNeed.NONE
    location_filter: str = "location_id"
    """The filter that takes the scope's location."""
    with_location: tuple[str, ...] = ()
    """Filters that the API takes only together with a location."""
    filters: tuple[str, ...] = ()
    """Query parameters by their public (v3) names; ``[]`` marks those that take several values."""
    required: tuple[str, ...] = ()
    """Filters that must be given, by public name, without ``[]``."""
    one_of: tuple[str, ...] = ()
    """Filters of which at least one must be given, by public name, without ``[]``."""
    at_most: Mapping[str, int] = field(factory=dict[str, int])
    """How many values a filter takes, by public name, without ``[]``."""
    path_from: tuple[str, ...] = ()
    """Filters that fill the path's places in order, where the method takes no identifiers."""
    unscoped_if: Mapping[str, str] = field(factory=dict[str, str])
    """Arguments with whose value nothing of a practice is meant: the subdomain is left out."""
    wire: Mapping[str, str] = field(factory=dict[str, str])
    """Public name to this version's name, where they differ."""
    wrap: str | None = None
    """Key under which the body's fields are sent; ``""`` where they are the body themselves."""
    sibling_fields: Mapping[str, tuple[str, ...]] = field(factory=dict[str, tuple[str, ...]])
    """Body fields that sit elsewhere than under ``wrap``: public name to path of keys."""
    multipart: bool = False
    """True where the body is a form with a file in it, instead of JSON."""
    unsupported: tuple[str, ...] = ()
    """Body fields that only the other version takes."""
    safe_if: str | None = None
    """Body field that makes an unsafe write safe when it is True."""
    lookup_hint: str = ""
    """For unsafe writes: the sentence that says how to find out whether it happened."""

    operation: str = field(init=False, eq=False, default=Factory(_operation, takes_self=True))
    """Verb and template, the name that logs and errors use."""
    wire_names: Mapping[str, str] = field(
        init=False, eq=False, repr=False, default=Factory(_wire_names, takes_self=True)
    )
    """Public name of each filter without ``[]`` to the name with it; the scope's place too."""

    @property
    def takes_body(self) -> bool:
        """Whether the request has a body."""
        return self.wrap is not None or self.multipart


LOGIN = OperationSpec(
    method="POST",
    path="/authenticates",
    payload=(),
    success=CREATED,
    subdomain=ScopeNeed.NONE,
)
"""``POST /authenticates``. It is safe to repeat."""


def _in_both(endpoint: Endpoint[object]) -> OperationSpec | None:
    return endpoint.both


@frozen(kw_only=True)
class Endpoint(Generic[T_co]):
    """One method of the library: its name, what it returns, and its row in each version."""

    resource: str
    verb: str
    model: str | None
    """Name of the class in `nexhealth_async.models`; None where nothing comes back."""
    both: OperationSpec | None = field(default=None, repr=False, eq=False)
    """The operation, where both versions have the same one."""
    v2: OperationSpec | None = field(default=Factory(_in_both, takes_self=True))
    v3: OperationSpec | None = field(default=Factory(_in_both, takes_self=True))


@frozen(kw_only=True)
class Operation:
    """One operation of one API version, as data; `NexHealth.endpoints` lists them."""

    version: str
    method: str
    path: str
    resource: str
    verb: str
    paging: str
    rate_class: str
    safe: bool
    filters: tuple[str, ...]


def operation_of(endpoint: Endpoint[object], version: str, row: OperationSpec) -> Operation:
    """Describe a row for listings and contract checks."""
    return Operation(
        version=version,
        method=row.method,
        path=row.path,
        resource=endpoint.resource,
        verb=endpoint.verb,
        paging=row.paging.value,
        rate_class=row.rate.value,
        safe=row.safe,
        filters=row.filters,
    )
