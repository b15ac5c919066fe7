"""Columns of the tables of records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["RESOURCE_TABLES", "ResourceTable", "TableColumn"]


@frozen
class TableColumn:
    """A column: its heading, its fields and its width."""

    title: str
    paths: tuple[str, ...]
    """Field paths with dots; the first one with a value is shown."""
    max_width: int = 12
    min_width: int = 6
    """Columns shrink to this width; if that is not enough, those on the right are left out."""
    align_right: bool = False
    is_timestamp: bool = False
    """Whether the value is a timestamp, which is shown to the minute."""

    def text(self, record: Mapping[str, object]) -> str:
        """Return the cell of a record."""
        for path in self.paths:
            value: object = record
            for key in path.split("."):
                value = _field(value, key)
            text = _text(value)
            if text:
                return text[:16].replace("T", " ") if self.is_timestamp else text
        return ""


@frozen
class ResourceTable:
    """The name and columns of one kind of record; the most important columns come first."""

    singular: str
    plural: str
    columns: tuple[TableColumn, ...]

    def counted(self, number: int) -> str:
        """Return a number with the name of the records."""
        return f"{number} {self.singular if number == 1 else self.plural}"


def _field(value: object, key: str) -> object:
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


def _id_column(title: str = "id", path: str | None = None) -> TableColumn:
    return TableColumn(title, (path or title,), max_width=12, min_width=10, align_right=True)


def _timestamp_column(title: str, path: str) -> TableColumn:
    return TableColumn(title, (path,), max_width=16, min_width=16, is_timestamp=True)


_NAME = TableColumn("name", ("name",), max_width=32, min_width=20)
_UPDATED = _timestamp_column("updated", "updated_at")

RESOURCE_TABLES: Final[dict[str, ResourceTable]] = {
    "patients": ResourceTable(
        "patient",
        "patients",
        (
            _id_column(),
            _NAME,
            TableColumn("born", ("bio.date_of_birth",), max_width=10, min_width=10),
            TableColumn(
                "phone", ("bio.phone_number", "bio.cell_phone_number"), max_width=14, min_width=10
            ),
            TableColumn("email", ("email",), max_width=40, min_width=24),
            TableColumn("city", ("bio.city",), max_width=20, min_width=8),
            TableColumn("inactive", ("inactive",), max_width=8, min_width=8),
            _UPDATED,
            TableColumn("foreign id", ("foreign_id",), max_width=36, min_width=20),
        ),
    ),
    "appointments": ResourceTable(
        "appointment",
        "appointments",
        (
            _id_column(),
            _timestamp_column("start (UTC)", "start_time"),
            _timestamp_column("end (UTC)", "end_time"),
            _id_column("patient", "patient_id"),
            TableColumn("provider", ("provider_name", "provider_id"), max_width=24, min_width=10),
            TableColumn("confirmed", ("confirmed",), max_width=9, min_width=9),
            TableColumn("cancelled", ("cancelled", "canceled"), max_width=9, min_width=9),
            _id_column("operatory", "operatory_id"),
            _id_column("type", "appointment_type_id"),
            _UPDATED,
        ),
    ),
    "providers": ResourceTable(
        "provider",
        "providers",
        (
            _id_column(),
            _NAME,
            TableColumn("NPI", ("npi",), max_width=10, min_width=10),
            TableColumn(
                "specialty", ("nexhealth_specialty", "specialty_code"), max_width=20, min_width=9
            ),
            TableColumn("inactive", ("inactive",), max_width=8, min_width=8),
            TableColumn("email", ("email",), max_width=40, min_width=24),
            _UPDATED,
        ),
    ),
    "operatories": ResourceTable(
        "operatory",
        "operatories",
        (
            _id_column(),
            _NAME,
            _id_column("location", "location_id"),
            TableColumn("active", ("active",), max_width=6, min_width=6),
            TableColumn("online", ("bookable_online",), max_width=6, min_width=6),
            TableColumn("foreign id", ("foreign_id",), max_width=36, min_width=20),
            _UPDATED,
        ),
    ),
    "appointment_types": ResourceTable(
        "appointment type",
        "appointment types",
        (
            _id_column(),
            _NAME,
            TableColumn("minutes", ("minutes",), max_width=7, min_width=7, align_right=True),
            TableColumn("online", ("bookable_online",), max_width=6, min_width=6),
            TableColumn("of", ("parent_type",), max_width=11, min_width=8),
            _id_column("parent", "parent_id"),
        ),
    ),
    "procedures": ResourceTable(
        "procedure",
        "procedures",
        (
            _id_column(),
            _id_column("patient", "patient_id"),
            TableColumn("code", ("code",), max_width=10, min_width=6),
            _NAME,
            TableColumn("status", ("status",), max_width=18, min_width=9),
            TableColumn("start", ("start_date",), max_width=10, min_width=10),
            TableColumn("fee", ("fee.amount",), max_width=12, min_width=8, align_right=True),
            TableColumn("tooth", ("body_site.tooth",), max_width=8, min_width=5),
            _id_column("provider", "provider_id"),
            _UPDATED,
        ),
    ),
    "working_hours": ResourceTable(
        "window of working hours",
        "windows of working hours",
        (
            _id_column(),
            _id_column("provider", "provider_id"),
            _id_column("operatory", "operatory_id"),
            TableColumn("from", ("begin_time",), max_width=5, min_width=5),
            TableColumn("to", ("end_time",), max_width=5, min_width=5),
            TableColumn(
                "on",
                ("specific_date", "days", "custom_recurrence.unit"),
                max_width=50,
                min_width=12,
            ),
            TableColumn("active", ("active",), max_width=6, min_width=6),
        ),
    ),
    "locations": ResourceTable(
        "location",
        "locations",
        (
            _id_column(),
            _NAME,
            TableColumn("city", ("city",), max_width=20, min_width=8),
            TableColumn("state", ("state",), max_width=5, min_width=5),
            TableColumn("zone", ("tz",), max_width=24, min_width=12),
            TableColumn("inactive", ("inactive",), max_width=8, min_width=8),
            TableColumn("phone", ("phone_number",), max_width=14, min_width=10),
        ),
    ),
    "institutions": ResourceTable(
        "institution",
        "institutions",
        (
            _id_column(),
            TableColumn("subdomain", ("subdomain",), max_width=30, min_width=14),
            _NAME,
            TableColumn("systems", ("emrs",), max_width=24, min_width=8),
            TableColumn("country", ("country_code",), max_width=7, min_width=7),
            TableColumn("phone", ("phone_number",), max_width=14, min_width=10),
        ),
    ),
}
