"""What a pull knows of each resource: where it is read, in which lists, and what it can promise.

The endpoint table says most of it. Written down here is what the table cannot say: which lists
make a copy complete although the server hides records by default, and why.
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
    """What one list of a resource belongs to."""

    ACCOUNT = "account"
    PRACTICE = "practice"
    LOCATION = "location"


class Deletions(Enum):
    """How a pull learns that a record was deleted."""

    TOMBSTONES = "tombstones"
    """Deleted records stay in the list, with ``deleted_at``: refreshing brings them."""
    COMPARISON = "comparison"
    """Deleted records just go missing: only comparing with the whole list shows it."""


@frozen(kw_only=True)
class Variant:
    """One of the lists that together hold all records of a resource."""

    filters: Filters = field(factory=dict[str, "str | int | bool | None"])
    reason: str = ""
    """Why these filters; empty where there are none, since the server hides nothing."""


@frozen(kw_only=True)
class ResourceFacts:
    """All a pull knows of one resource in one version of the API."""

    resource: str
    version: str
    endpoint: Endpoint[object] = field(repr=False)
    row: OperationSpec = field(repr=False)
    level: Level
    lists: tuple[Variant, ...]
    """The lists to walk, in the order in which records move from one to the next."""
    deletions: Deletions
    keyed: bool
    """Whether its records have ids; those without cannot be told apart."""

    @property
    def model(self) -> str:
        """Name of the records' class in `nexhealth_async.models`."""
        return self.endpoint.model or ""

    @property
    def paging(self) -> Paging:
        """How its lists come."""
        return self.row.paging

    @property
    def rate(self) -> RateClass:
        """Which limits count its requests."""
        return self.row.rate

    @property
    def incremental(self) -> bool:
        """Whether its lists can be asked for what changed since a moment."""
        return "updated_since" in self.row.filters

    @property
    def needs_since(self) -> bool:
        """Whether the API refuses its lists without a filter, for which a long past moment does."""
        return "updated_since" in self.row.one_of

    @property
    def windowed(self) -> bool:
        """Whether its lists need a first and a last moment."""
        return "start" in self.row.required

    @property
    def narrows(self) -> bool:
        """Whether a pull of some locations of a practice reads only theirs.

        Else it reads the practice's whole list, because the API knows no location there, or
        because records without ids that several locations share would come several times.
        """
        by_filter = self.row.location is ScopeNeed.OPTIONAL and self.keyed
        return self.level is Level.LOCATION or (self.level is Level.PRACTICE and by_filter)

    @property
    def guarantee(self) -> str:
        """What a pull promises of it, in a few sentences."""
        return " ".join(
            (_READ_GUARANTEES[self.paging], _REFRESH_GUARANTEES[self.incremental], self._deleting())
        )

    def _deleting(self) -> str:
        if self.deletions is Deletions.TOMBSTONES:
            return "Deleted records come with their time of deletion."
        if self.incremental:
            return "Deleted records are found only by comparing with the whole list."
        return "Deleted records are found each time, since it is always compared as a whole."


_READ_GUARANTEES = {
    Paging.WHOLE: "It comes in one reply, as it is at that moment.",
    Paging.NUMBERED: "It is read until it is shown to be the whole list of one moment.",
    Paging.CURSOR: "It is read from page to page to its end; what changes meanwhile may come as "
    "it was before or after.",
}
_REFRESH_GUARANTEES = {
    True: "Refreshing reads what changed since the last pull.",
    False: "Refreshing reads all of it, since it cannot be asked for changes.",
}


def resources(version: str) -> tuple[str, ...]:
    """Return the names of all resources that a whole pull reads in a version of the API."""
    return tuple(
        name
        for name, endpoint in _WALKS.items()
        if _row(endpoint, version) is not None
        and name not in _BY_NAME
        and _exclusion(endpoint, version) is None
    )


def every_resource() -> tuple[str, ...]:
    """Return the names of all lists of all versions, those that are not pulled included."""
    return tuple(_WALKS)


def excluded_resources(version: str) -> Mapping[str, str]:
    """Return the lists of a version that a whole pull leaves out, each with the reason.

    ``appointment_categories`` is pulled when asked for by name; the others are not at all.
    """
    found = {
        name: _exclusion(endpoint, version) or _BY_NAME.get(name)
        for name, endpoint in _WALKS.items()
        if _row(endpoint, version) is not None
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
            "there is no such resource; use the name of a list, such as "
            "patients or locations.appointment_descriptors"
        )
    return endpoint


def facts(resource: str, version: str) -> ResourceFacts:
    """Return what a pull knows of a resource.

    Raises `InvalidArgumentError` for names that are no list or a list that cannot be pulled, and
    `NotInVersionError` for those that only the other version of the API has.
    """
    endpoint = endpoint_of(resource)
    version = version_name(version)
    if (sentence := _exclusion(endpoint, version)) is not None:
        elsewhere = _pullable_elsewhere(endpoint, version)
        raise (NotInVersionError if elsewhere else InvalidArgumentError)(sentence)
    row = spec_for(endpoint, version)
    return ResourceFacts(
        resource=resource,
        version=version,
        endpoint=endpoint,
        row=row,
        level=_level(resource, row),
        lists=_lists(resource, version, row),
        deletions=(
            Deletions.TOMBSTONES if "include_deleted" in row.filters else Deletions.COMPARISON
        ),
        keyed=resource not in _WITHOUT_ID,
    )


_WALKS: Mapping[str, Endpoint[object]] = {
    one.resource: one for one in ENDPOINTS if one.verb == "walk"
}

_BELOW_LOCATIONS = "locations.appointment_descriptors"
"""The one list below single records that a pull reads: there are few locations."""
_ACCOUNT_RESOURCES = frozenset({"onboardings"})
"""Some have no practice yet, so that reading them practice by practice would miss those."""
_BY_LOCATION = frozenset({_BELOW_LOCATIONS, "appointment_types"})
"""Read for each location: institutions that keep types by location refuse the list without one."""
_WITHOUT_ID = frozenset({"sync_status"})
_BY_NAME = {
    "appointment_categories": (
        "appointment_categories is the old name of appointment_types, which a whole pull reads; "
        "ask for it by name to have it as well"
    )
}
_EXCLUDED = {
    "available_slots": (
        "available_slots holds no records but answers a search; call available_slots.walk with "
        "start_date and days instead of pulling it"
    ),
    "locations.providers": (
        "locations.providers is another way to the providers, and no part of a pull; pull "
        "providers instead"
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


def _row(endpoint: Endpoint[object], version: str) -> OperationSpec | None:
    return endpoint.v2 if _family(version) == "v2" else endpoint.v3


def _exclusion(endpoint: Endpoint[object], version: str) -> str | None:
    """Say why a list cannot be pulled, if it cannot, and what to do instead."""
    name, row = endpoint.resource, _row(endpoint, version)
    if (sentence := _EXCLUDED.get(name)) is not None:
        return sentence
    if row is None or "{id}" not in row.path or name == _BELOW_LOCATIONS:
        return None
    owner = _OWNERS[row.path.split("/")[1]]
    if _pullable_elsewhere(endpoint, version):
        return (
            f"{name} is listed {owner} by {owner} in v2 and no part of a pull there; open the "
            f'session with version="v3", or call {name}.walk for each {owner}'
        )
    return (
        f"{name} is listed {owner} by {owner} and no part of a pull; "
        f"call {name}.walk for each {owner} you need"
    )


def _pullable_elsewhere(endpoint: Endpoint[object], version: str) -> bool:
    """Whether v3 has as one list what v2 has below single records."""
    newer = endpoint.v3
    return _family(version) == "v2" and newer is not None and "{id}" not in newer.path


def _level(resource: str, row: OperationSpec) -> Level:
    needs_location = row.location is ScopeNeed.REQUIRED or row.location_filter in row.one_of
    if needs_location or resource in _BY_LOCATION:
        return Level.LOCATION
    if row.subdomain is ScopeNeed.NONE or resource in _ACCOUNT_RESOURCES:
        return Level.ACCOUNT
    return Level.PRACTICE


def _lists(resource: str, version: str, row: OperationSpec) -> tuple[Variant, ...]:
    chosen = _EXPLICIT_LISTS.get((resource, _family(version))) or _EXPLICIT_LISTS.get(
        (resource, None)
    )
    if chosen is not None:
        return chosen
    if "include_deleted" in row.filters:
        return (_INCLUDES_DELETED,)
    return (Variant(),)


_INCLUDES_DELETED = Variant(
    filters={"include_deleted": True},
    reason="Records deleted in the practice's system are left out else.",
)
_ACTIVE_AND_INACTIVE = (
    Variant(filters={"active": True}, reason="The server lists only these by default."),
    Variant(filters={"active": False}, reason="Those retired come only when asked for."),
)
_EXPLICIT_LISTS: Mapping[tuple[str, str | None], tuple[Variant, ...]] = {
    ("providers", None): (
        Variant(filters={"inactive": False}, reason="The server lists only these by default."),
        Variant(filters={"inactive": True}, reason="Inactive ones come only when asked for."),
    ),
    ("document_types", None): _ACTIVE_AND_INACTIVE,
    ("working_hours", None): _ACTIVE_AND_INACTIVE,
    ("payment_types", None): _ACTIVE_AND_INACTIVE,
    ("adjustment_types", None): _ACTIVE_AND_INACTIVE,
    ("fee_schedules", None): _ACTIVE_AND_INACTIVE,
    ("insurance_coverages", "v3"): (
        Variant(filters={"active": True}, reason="The server lists only these by default."),
        Variant(filters={"active": False}, reason="Those that ended come only when asked for."),
    ),
    ("guarantor_balances", None): (
        Variant(
            filters={"show_zero_balances": True},
            reason="People who owe nothing are left out else.",
        ),
    ),
    ("patients", None): (
        Variant(
            filters={"new_patient": True},
            reason="New patients with an upcoming appointment: whether they are listed unasked "
            "differs by version and has changed.",
        ),
        Variant(filters={"new_patient": False}, reason="All others; new ones become these."),
    ),
    ("appointments", None): (
        Variant(
            filters={"cancelled": False},
            reason="Whether cancelled ones are listed unasked is not documented.",
        ),
        Variant(filters={"cancelled": True}, reason="Those cancelled; others become these."),
    ),
}
