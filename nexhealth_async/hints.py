"""What spares users the known traps: phone numbers, patients twice, long slot searches, practices.

The nouns offer these where one looks for them: ``patients.find_or_create(...)``,
``available_slots.flat(...)``, ``nex.practices()``.
"""

from __future__ import annotations

import re
import warnings
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import aclosing, suppress
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from attrs import frozen

from nexhealth_async._client.traceback_boundary import discreet
from nexhealth_async.errors import (
    DuplicatePatient,
    InvalidArgument,
    NexHealthWarning,
    NotInThisVersion,
    OutcomeUnknown,
    UnexpectedShape,
)

if TYPE_CHECKING:
    from nexhealth_async._client.unknown_outcomes import Write
    from nexhealth_async._protocol.operations import Endpoint
    from nexhealth_async.models import Location, Patient, SlotGroup
    from nexhealth_async.pagination.walk import Caller, Walk

__all__ = [
    "Flat",
    "Found",
    "FreeSlot",
    "PatientCalls",
    "PracticeLocation",
    "find_or_create",
    "free_slots",
    "normalize_phone",
    "practice_locations",
]

S = TypeVar("S")
T = TypeVar("T")

_BETWEEN_DIGITS = re.compile(r"[\s().\-/\u2010-\u2015]+")
_PHONE = re.compile(r"(?:\+?1)?([0-9]{10})")
_PHONES = (
    "phone_number",
    "cell_phone_number",
    "home_phone_number",
    "work_phone_number",
    "custom_contact_number",
)
_LONGEST_SEARCH = 14
"""Days the vendor advises for one slot search."""
_FOUND = 200


@discreet
def normalize_phone(text: str) -> str:
    """Return a North American number as the API wants it: ten digits.

    ``"+1 (212) 555-0133"`` becomes ``"2125550133"``. The API cuts longer text off after ten
    characters and looks numbers up by exact match, so do this both before writing and before
    searching. Raises `InvalidArgument`, a ValueError, for what is no such number.
    """
    match = _PHONE.fullmatch(_BETWEEN_DIGITS.sub("", text))
    if match is None:
        raise InvalidArgument("this is no North American phone number of ten digits")
    return match[1]


@frozen(kw_only=True)
class Found:
    """A patient who was there, or has just been made."""

    patient: Patient
    created: bool
    """True if the patient was made by this call."""


@frozen(kw_only=True)
class PatientCalls:
    """A client, and the operations that finding or creating a patient performs with it."""

    client: Caller
    patients: Endpoint[Patient]
    get: Endpoint[Patient]
    create: Endpoint[Patient]


async def find_or_create(calls: PatientCalls, fields: Mapping[str, object]) -> Found:
    """Find the patient of this name, birth date and phone number, or create one.

    v3 does both in one request. In v2 the patients born that day are searched first, since stored
    numbers have many forms, and a refusal that names the one who exists is an answer too.
    """
    bio = cast("Mapping[str, object]", fields.get("bio") or {})
    phones = {
        name: normalize_phone(str(bio[name])) for name in _PHONES if bio.get(name) is not None
    }
    wanted = {**fields, "bio": {**bio, **phones}}
    with suppress(NotInThisVersion):
        arguments = {**wanted, "return_existing_if_match": True}
        patient, status = await calls.client.answered(calls.create, arguments)
        return Found(patient=patient, created=status != _FOUND)
    return await _search_or_create(calls, wanted, phones.get("phone_number"))


async def _search_or_create(
    calls: PatientCalls, wanted: Mapping[str, object], phone: str | None
) -> Found:
    born = cast("Mapping[str, object]", wanted["bio"]).get("date_of_birth")
    names = (_folded(wanted.get(name)) for name in ("first_name", "last_name"))
    identity = ("POST /patients", *names, str(born), phone)
    async with calls.client.write(*identity, subdomain=wanted.get("subdomain")) as write:
        return await _found_or_created(calls, wanted, born, phone, write)


async def _found_or_created(
    calls: PatientCalls, wanted: Mapping[str, object], born: object, phone: str | None, write: Write
) -> Found:
    scope = {name: wanted[name] for name in ("subdomain", "location_id") if name in wanted}
    if born is not None and phone is not None:
        # What is listed without the filter is not known for v2.
        for new in (False, True):
            same_day = {**scope, "date_of_birth": born, "new_patient": new, "prefetch": 0}
            async with aclosing(calls.client.walk(calls.patients, same_day)) as walk:
                async for patient in walk:
                    if _is(patient, wanted, phone):
                        write.settle()
                        return Found(patient=patient, created=False)
    if write.unsettled_until is not None:
        raise OutcomeUnknown(
            "an earlier request for this patient may still be carried out, so it was not sent "
            "again.",
            lookup="Ask for the same patient again after unsettled_until.",
            operation="POST /patients",
            unsettled_until=write.unsettled_until,
        )
    try:
        with write.sending():
            made = await calls.client.call(calls.create, wanted)
    except DuplicatePatient as refusal:
        if refusal.patient_id is None:
            raise
        scope.pop("location_id", None)
        there = await calls.client.call(calls.get, scope, refusal.patient_id)
        return Found(patient=there, created=False)
    return Found(patient=made, created=True)


def _folded(name: object) -> str:
    return str(name).strip().casefold()


def _is(patient: Patient, wanted: Mapping[str, object], phone: str) -> bool:
    for name in ("first_name", "last_name"):
        have: object = getattr(patient, name)
        if _folded(have or "") != _folded(wanted.get(name)):
            return False
    numbers = (str(getattr(patient.bio, name, None)) for name in _PHONES)
    matches = (_PHONE.fullmatch(_BETWEEN_DIGITS.sub("", number)) for number in numbers)
    return any(match is not None and match[1] == phone for match in matches)


class Flat(AsyncIterator[T], Generic[S, T]):
    """The parts of what one walk after another brings; a failed walk never looks like the end.

    As with walks, cancelling ``anext`` loses nothing, and `aclose` ends what is under way.
    """

    def __init__(
        self,
        walks: Iterable[Walk[S]],
        expand: Callable[[S], Iterable[T]],
        *,
        limit: int | None = None,
    ) -> None:
        self._walks: Iterator[Walk[S]] = iter(walks)
        self._walk: Walk[S] | None = None
        self._expand = expand
        self._ready: deque[T] = deque()
        self._left = limit

    @discreet
    async def __anext__(self) -> T:
        """Return the next part."""
        if self._left == 0:
            await self.aclose()
            raise StopAsyncIteration
        while not self._ready:
            if self._walk is None and (walk := next(self._walks, None)) is not None:
                self._walk = walk
            if self._walk is None:
                raise StopAsyncIteration
            try:
                whole = await anext(self._walk)
            except StopAsyncIteration:
                self._walk = None
            else:
                self._ready.extend(self._expand(whole))
        if self._left is not None:
            self._left -= 1
        return self._ready.popleft()

    async def aclose(self) -> None:
        """End it, and its requests."""
        self._walks = iter(())
        self._ready.clear()
        walk, self._walk = self._walk, None
        if walk is not None:
            await walk.aclose()


@frozen(kw_only=True)
class FreeSlot:
    """A time that is free, with whom and where. Pass ``start`` unchanged as ``start_time``."""

    start: datetime
    """In the practice's own offset."""
    end: datetime | None
    provider_id: int | None
    location_id: int | None
    operatory_id: int | None
    """Needed for booking where the location has ``map_by_operatory``."""


def free_slots(
    walk: Callable[..., Walk[SlotGroup]], filters: Mapping[str, object]
) -> Flat[SlotGroup, FreeSlot]:
    """Return the free times one by one, searched in windows of at most 14 days."""
    shared = {**filters}
    limit = cast("int | None", shared.pop("limit", None))
    if limit is not None and limit < 0:
        raise InvalidArgument("limit must be a whole number of at least 0")
    start, days = cast("date", filters["start_date"]), cast("int", filters["days"])
    # The first one shows at once what no search can have.
    first = walk(**{**shared, "days": min(days, _LONGEST_SEARCH)})

    def windows() -> Iterator[Walk[SlotGroup]]:
        yield first
        for gone in range(_LONGEST_SEARCH, days, _LONGEST_SEARCH):
            window = min(days - gone, _LONGEST_SEARCH)
            yield walk(**{**shared, "start_date": start + timedelta(days=gone), "days": window})

    return Flat(windows(), _slots, limit=limit)


def _slots(group: SlotGroup) -> Iterator[FreeSlot]:
    for slot in group.slots:
        if slot.time is None:
            text = "a free slot whose time cannot be read was left out"
            warnings.warn(text, NexHealthWarning, stacklevel=3)
            continue
        yield FreeSlot(
            start=slot.time,
            end=slot.end_time,
            provider_id=slot.provider_id or group.pid,
            location_id=group.lid,
            operatory_id=slot.operatory_id or group.operatory_id,
        )


@frozen(kw_only=True)
class PracticeLocation:
    """One location of one practice that an API key can see: both halves of a scope."""

    subdomain: str
    location_id: int
    institution_id: int | None
    institution_name: str | None
    location_name: str | None
    timezone: str | None
    """IANA name."""
    inactive: bool | None


def practice_locations(
    caller: Caller, locations: Endpoint[Location], subdomain: str | None = None
) -> Flat[Location, PracticeLocation]:
    """Return every location of every practice that a caller can see, or of the one named."""
    scope = {} if subdomain is None else {"subdomain": subdomain}
    return Flat([caller.walk(locations, scope)], _practice_location)


def _practice_location(location: Location) -> Iterator[PracticeLocation]:
    if location.subdomain is None:
        raise UnexpectedShape(
            "a practice was listed without its subdomain", operation="GET /locations"
        )
    yield PracticeLocation(
        subdomain=location.subdomain,
        location_id=location.id,
        institution_id=location.institution_id,
        institution_name=location.institution_name,
        location_name=location.name,
        timezone=location.tz,
        inactive=location.inactive,
    )
