"""What a table shows of the kinds of records that have one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["KINDS", "Column", "Kind"]


@frozen
class Column:
    """One column: its heading, the fields it may come from, and how wide it may grow."""

    title: str
    paths: tuple[str, ...]
    """The first of these that holds something is shown; dots go into parts."""
    widest: int = 12
    least: int = 6
    """A narrow terminal shrinks it down to this; then the columns at the right are left out."""
    right: bool = False
    moment: bool = False
    """Shown to the minute."""

    def text(self, record: Mapping[str, object]) -> str:
        """Return what stands in this column for a record."""
        for path in self.paths:
            value: object = record
            for key in path.split("."):
                value = _part(value, key)
            shown = _text(value)
            if shown:
                return shown[:16].replace("T", " ") if self.moment else shown
        return ""


@frozen
class Kind:
    """How records of one kind are called and shown; the columns that matter most come first."""

    one: str
    many: str
    columns: tuple[Column, ...]

    def counted(self, number: int) -> str:
        """Say how many."""
        return f"{number} {self.one if number == 1 else self.many}"


def _part(value: object, key: str) -> object:
    return cast("Mapping[str, object]", value).get(key) if isinstance(value, dict) else None


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(_text(item) for item in cast("list[object]", value))
        case dict():
            return "{…}"
        case _:
            return str(value)


def _id(title: str = "id", path: str | None = None) -> Column:
    return Column(title, (path or title,), widest=12, least=10, right=True)


def _moment(title: str, path: str) -> Column:
    return Column(title, (path,), widest=16, least=16, moment=True)


_NAME = Column("name", ("name",), widest=32, least=20)
_UPDATED = _moment("updated", "updated_at")

KINDS: Final[dict[str, Kind]] = {
    "patients": Kind(
        "patient",
        "patients",
        (
            _id(),
            _NAME,
            Column("born", ("bio.date_of_birth",), widest=10, least=10),
            Column("phone", ("bio.phone_number", "bio.cell_phone_number"), widest=14, least=10),
            Column("email", ("email",), widest=40, least=24),
            Column("city", ("bio.city",), widest=20, least=8),
            Column("inactive", ("inactive",), widest=8, least=8),
            _UPDATED,
            Column("foreign id", ("foreign_id",), widest=36, least=20),
        ),
    ),
    "appointments": Kind(
        "appointment",
        "appointments",
        (
            _id(),
            _moment("start (UTC)", "start_time"),
            _moment("end (UTC)", "end_time"),
            _id("patient", "patient_id"),
            Column("provider", ("provider_name", "provider_id"), widest=24, least=10),
            Column("confirmed", ("confirmed",), widest=9, least=9),
            Column("cancelled", ("cancelled", "canceled"), widest=9, least=9),
            _id("operatory", "operatory_id"),
            _id("type", "appointment_type_id"),
            _UPDATED,
        ),
    ),
    "providers": Kind(
        "provider",
        "providers",
        (
            _id(),
            _NAME,
            Column("NPI", ("npi",), widest=10, least=10),
            Column("specialty", ("nexhealth_specialty", "specialty_code"), widest=20, least=9),
            Column("inactive", ("inactive",), widest=8, least=8),
            Column("email", ("email",), widest=40, least=24),
            _UPDATED,
        ),
    ),
    "operatories": Kind(
        "operatory",
        "operatories",
        (
            _id(),
            _NAME,
            _id("location", "location_id"),
            Column("active", ("active",), widest=6, least=6),
            Column("online", ("bookable_online",), widest=6, least=6),
            Column("foreign id", ("foreign_id",), widest=36, least=20),
            _UPDATED,
        ),
    ),
    "appointment_types": Kind(
        "appointment type",
        "appointment types",
        (
            _id(),
            _NAME,
            Column("minutes", ("minutes",), widest=7, least=7, right=True),
            Column("online", ("bookable_online",), widest=6, least=6),
            Column("of", ("parent_type",), widest=11, least=8),
            _id("parent", "parent_id"),
        ),
    ),
    "procedures": Kind(
        "procedure",
        "procedures",
        (
            _id(),
            _id("patient", "patient_id"),
            Column("code", ("code",), widest=10, least=6),
            _NAME,
            Column("status", ("status",), widest=18, least=9),
            Column("start", ("start_date",), widest=10, least=10),
            Column("fee", ("fee.amount",), widest=12, least=8, right=True),
            Column("tooth", ("body_site.tooth",), widest=8, least=5),
            _id("provider", "provider_id"),
            _UPDATED,
        ),
    ),
    "working_hours": Kind(
        "window of working hours",
        "windows of working hours",
        (
            _id(),
            _id("provider", "provider_id"),
            _id("operatory", "operatory_id"),
            Column("from", ("begin_time",), widest=5, least=5),
            Column("to", ("end_time",), widest=5, least=5),
            Column("on", ("specific_date", "days", "custom_recurrence.unit"), widest=50, least=12),
            Column("active", ("active",), widest=6, least=6),
        ),
    ),
    "locations": Kind(
        "location",
        "locations",
        (
            _id(),
            _NAME,
            Column("city", ("city",), widest=20, least=8),
            Column("state", ("state",), widest=5, least=5),
            Column("zone", ("tz",), widest=24, least=12),
            Column("inactive", ("inactive",), widest=8, least=8),
            Column("phone", ("phone_number",), widest=14, least=10),
        ),
    ),
    "institutions": Kind(
        "institution",
        "institutions",
        (
            _id(),
            Column("subdomain", ("subdomain",), widest=30, least=14),
            _NAME,
            Column("systems", ("emrs",), widest=24, least=8),
            Column("country", ("country_code",), widest=7, least=7),
            Column("phone", ("phone_number",), widest=14, least=10),
        ),
    ),
}
