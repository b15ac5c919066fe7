"""Facts about each resource that a pull needs: scope, lists, paging and guarantees.

Most of them follow from the declared endpoints. This module adds the lists that make a copy
complete although the server hides records by default, each with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from attrs import field, frozen

from nexhealth_async._protocol.operations import (
    Endpoint,
    OperationSpec,
    Paging,
    RateClass,
    ScopeNeed,
)
from nexhealth_async._protocol.requests import spec_for, version_name
from nexhealth_async.bulk.shards import Filters
from nexhealth_async.errors import InvalidArgumentError, NotInVersionError
from nexhealth_async.resources import ENDPOINTS

__all__ = [
    "Deletions",
    "Level",
    "ResourceFacts",
    "Variant",
    "endpoint_of",
    "every_resource",
    "excluded_resources",
    "facts",
    "resources",
]


class Level(Enum):
    """Scope of one list of a resource."""

    ACCOUNT = "account"
    PRACTICE = "practice"
    LOCATION = "location"


class Deletions(Enum):
    """Ways in which a pull finds deleted records."""

    TOMBSTONES = "tombstones"
    """Deleted records stay in the list with ``deleted_at``; a refresh returns them."""
    COMPARISON = "comparison"
    """Deleted records disappear; only a comparison with the whole list finds them."""


@frozen(kw_only=True)
class Variant:
    """One of the lists that together hold all records of a resource."""

    filters: Filters = field(factory=dict[str, "str | int | bool | None"])
    reason: str = ""
    """Reason for the filters; empty without filters."""


@frozen(kw_only=True)
class ResourceFacts:
    """Facts about one resource in one API version."""

    resource: str
    version: str
    endpoint: Endpoint[object] = field(repr=False)
    spec: OperationSpec = field(repr=False)
    level: Level
    lists: tuple[Variant, ...]
    """Lists to walk, in the order in which records move between them."""
    deletions: Deletions
    keyed: bool
    """True if its records have ids; records without cannot be deduplicated."""

    @property
    def model(self) -> str:
        """Name of the records' class in `nexhealth_async.models`."""
        return self.endpoint.model or ""

    @property
    def paging(self) -> Paging:
        """Paging of its lists."""
        return self.spec.paging

    @property
    def rate(self) -> RateClass:
        """Rate class of its requests."""
        return self.spec.rate

    @property
    def incremental(self) -> bool:
        """True if its lists can be filtered by ``updated_since``."""
        return "updated_since" in self.spec.filters

    @property
    def needs_since(self) -> bool:
        """True if its lists need a filter; ``updated_since`` long ago is enough."""
        return "updated_since" in self.spec.one_of

    @property
    def windowed(self) -> bool:
        """True if its lists need a start and an end time."""
        return "start" in self.spec.required

    @property
    def narrows(self) -> bool:
        """True if a pull of some locations of a practice reads only their records.

        Otherwise it reads the practice's whole list: the API has no location filter there, or
        records without ids that several locations share would come several times.
        """
        by_filter = self.spec.location is ScopeNeed.OPTIONAL and self.keyed
        return self.level is Level.LOCATION or (self.level is Level.PRACTICE and by_filter)

    @property
    def guarantee(self) -> str:
        """Guarantees of a pull of it, in a few sentences."""
        return " ".join(
            (_READ_GUARANTEES[self.paging], _REFRESH_GUARANTEES[self.incremental], self._deleting())
        )

    def _deleting(self) -> str:
        if self.deletions is Deletions.TOMBSTONES:
            return "Deleted records are listed with their time of deletion."
        if self.incremental:
            return "Deleted records are found only by a comparison with the whole list."
        return "Deleted records are found each time, since the whole list is always compared."


_READ_GUARANTEES = {
    Paging.WHOLE: "It is read in one response, a snapshot.",
    Paging.NUMBERED: "It is read until it is verified to be a consistent snapshot.",
    Paging.CURSOR: "It is read page by page to its end; records that change meanwhile may come "
    "in either state.",
}
_REFRESH_GUARANTEES = {
    True: "A refresh reads the changes since the last pull.",
    False: "A refresh reads all of it, since it cannot be filtered by change.",
}


def resources(version: str) -> tuple[str, ...]:
    """Return the resources that a whole pull reads in an API version."""
    return tuple(
        name
        for name, endpoint in _WALKS.items()
        if _spec(endpoint, version) is not None
        and name not in _BY_NAME
        and _exclusion(endpoint, version) is None
    )


def every_resource() -> tuple[str, ...]:
    """Return the names of all lists of all API versions, including those not pulled."""
    return tuple(_WALKS)


def excluded_resources(version: str) -> Mapping[str, str]:
    """Return the lists of an API version that a whole pull omits, each with the reason.

    ``appointment_categories`` can be pulled by name; the others cannot be pulled.
    """
    found = {
        name: _exclusion(endpoint, version) or _BY_NAME.get(name)
        for name, endpoint in _WALKS.items()
        if _spec(endpoint, version) is not None
    }
    return {name: sentence for name, sentence in found.items() if sentence is not None}


def endpoint_of(resource: str) -> Endpoint[object]:
    """Return the endpoint that lists a resource.

    Raises:
        InvalidArgumentError: There is no such resource.
    """
    endpoint = _WALKS.get(resource)
    if endpoint is None:
        raise InvalidArgumentError(
            "unknown resource; use the name of a list, such as "
            "patients or locations.appointment_descriptors"
        )
    return endpoint


def facts(resource: str, version: str) -> ResourceFacts:
    """Return the facts about a resource.

    Raises:
        InvalidArgumentError: The name is not a list, or the list cannot be pulled.
        NotInVersionError: Only the other API version has the list.
    """
    endpoint = endpoint_of(resource)
    version = version_name(version)
    if (sentence := _exclusion(endpoint, version)) is not None:
        elsewhere = _pullable_elsewhere(endpoint, version)
        raise (NotInVersionError if elsewhere else InvalidArgumentError)(sentence)
    spec = spec_for(endpoint, version)
    return ResourceFacts(
        resource=resource,
        version=version,
        endpoint=endpoint,
        spec=spec,
        level=_level(resource, spec),
        lists=_lists(resource, version, spec),
        deletions=(
            Deletions.TOMBSTONES if "include_deleted" in spec.filters else Deletions.COMPARISON
        ),
        keyed=resource not in _WITHOUT_ID,
    )


_WALKS: Mapping[str, Endpoint[object]] = {
    endpoint.resource: endpoint for endpoint in ENDPOINTS if endpoint.verb == "walk"
}

_BELOW_LOCATIONS = "locations.appointment_descriptors"
"""The only list nested in a record that a pull reads: there are few locations."""
_ACCOUNT_RESOURCES = frozenset({"onboardings"})
"""Some onboardings have no practice yet, so a pull by practice would miss them."""
_BY_LOCATION = frozenset({_BELOW_LOCATIONS, "appointment_types"})
"""Lists read by location: some institutions require it for appointment types."""
_WITHOUT_ID = frozenset({"sync_status"})
_BY_NAME = {
    "appointment_categories": (
        "appointment_categories is the old name of appointment_types, which a whole pull reads; "
        "name it to pull it as well"
    )
}
_EXCLUDED = {
    "available_slots": (
        "available_slots is a search, not a list of records; call available_slots.walk with "
        "start_date and days instead"
    ),
    "locations.providers": (
        "locations.providers returns the same records as providers; pull providers instead"
    ),
}
_OWNERS = {
    "patients": "patient",
    "appointments": "appointment",
    "appointment_types": "appointment type",
    "webhook_endpoints": "webhook endpoint",
}


def _family(version: str) -> str:
    return "v2" if version == "v2" or version.startswith("v2.") else "v3"


def _spec(endpoint: Endpoint[object], version: str) -> OperationSpec | None:
    return endpoint.v2 if _family(version) == "v2" else endpoint.v3


def _exclusion(endpoint: Endpoint[object], version: str) -> str | None:
    """Return why a list cannot be pulled, and an alternative; None if it can."""
    name, spec = endpoint.resource, _spec(endpoint, version)
    if (sentence := _EXCLUDED.get(name)) is not None:
        return sentence
    if spec is None or "{id}" not in spec.path or name == _BELOW_LOCATIONS:
        return None
    owner = _OWNERS[spec.path.split("/")[1]]
    if _pullable_elsewhere(endpoint, version):
        return (
            f"{name} needs a request for each {owner} in v2 and cannot be pulled there; open the "
            f'session with version="v3", or call {name}.walk for each {owner}'
        )
    return (
        f"{name} needs a request for each {owner} and cannot be pulled; "
        f"call {name}.walk for each {owner}"
    )


def _pullable_elsewhere(endpoint: Endpoint[object], version: str) -> bool:
    """Return whether v3 has one list for what v2 nests in single records."""
    newer = endpoint.v3
    return _family(version) == "v2" and newer is not None and "{id}" not in newer.path


def _level(resource: str, spec: OperationSpec) -> Level:
    needs_location = spec.location is ScopeNeed.REQUIRED or spec.location_filter in spec.one_of
    if needs_location or resource in _BY_LOCATION:
        return Level.LOCATION
    if spec.subdomain is ScopeNeed.NONE or resource in _ACCOUNT_RESOURCES:
        return Level.ACCOUNT
    return Level.PRACTICE


def _lists(resource: str, version: str, spec: OperationSpec) -> tuple[Variant, ...]:
    chosen = _EXPLICIT_LISTS.get((resource, _family(version))) or _EXPLICIT_LISTS.get(
        (resource, None)
    )
    if chosen is not None:
        return chosen
    if "include_deleted" in spec.filters:
        return (_INCLUDES_DELETED,)
    return (Variant(),)


_INCLUDES_DELETED = Variant(
    filters={"include_deleted": True},
    reason="The server omits deleted records by default.",
)
_ACTIVE_AND_INACTIVE = (
    Variant(filters={"active": True}, reason="The server lists only these by default."),
    Variant(filters={"active": False}, reason="Retired records are listed only on request."),
)
_EXPLICIT_LISTS: Mapping[tuple[str, str | None], tuple[Variant, ...]] = {
    ("providers", None): (
        Variant(filters={"inactive": False}, reason="The server lists only these by default."),
        Variant(filters={"inactive": True}, reason="Inactive records are listed only on request."),
    ),
    ("document_types", None): _ACTIVE_AND_INACTIVE,
    ("working_hours", None): _ACTIVE_AND_INACTIVE,
    ("payment_types", None): _ACTIVE_AND_INACTIVE,
    ("adjustment_types", None): _ACTIVE_AND_INACTIVE,
    ("fee_schedules", None): _ACTIVE_AND_INACTIVE,
    ("insurance_coverages", "v3"): (
        Variant(filters={"active": True}, reason="The server lists only these by default."),
        Variant(filters={"active": False}, reason="Ended coverages are listed only on request."),
    ),
    ("guarantor_balances", None): (
        Variant(
            filters={"show_zero_balances": True},
            reason="The server omits zero balances by default.",
        ),
    ),
    ("patients", None): (
        Variant(
            filters={"new_patient": True},
            reason="New patients with an upcoming appointment: their default listing differs by "
            "version and has changed.",
        ),
        Variant(filters={"new_patient": False}, reason="All others; new patients move here."),
    ),
    ("appointments", None): (
        Variant(
            filters={"cancelled": False},
            reason="The default for cancelled appointments is not documented.",
        ),
        Variant(filters={"cancelled": True}, reason="Cancelled appointments; others move here."),
    ),
}
