"""Webhook events and their records."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar, cast

import msgspec
from attrs import field, frozen

from nexhealth_async._protocol.webhook_events import event_type_of
from nexhealth_async.models import Record

if TYPE_CHECKING:
    from nexhealth_async.errors import UndecodableRecordError
    from nexhealth_async.models import JSON

__all__ = ["Event"]

T = TypeVar("T", bound=Record)


@frozen(kw_only=True, repr=False)
class Event:
    """Webhook event of a practice.

    The same event may be delivered several times and in any order: compare ``updated_at`` of its
    records with your data. There are no events for check-in, completion or no-show, and a
    cancellation is an ``appointment_updated`` whose appointment is ``cancelled``.

    The repr of an event shows catalogue names and numbers, never its records.
    """

    resource_type: str
    """Resource type such as ``Appointment``, in the catalogue's spelling if it is known."""
    event: str
    """Base name of the event, such as ``appointment_insertion``. Empty if it could not be read."""
    outcome: str | None = None
    """Suffix of the event's name, if any.

    Of a write: ``complete``, ``failed``, ``timed_out`` (the start time came first) or
    ``incomplete``. Of a sync status: ``red`` or ``green``.
    """
    event_time: datetime | None = None
    """Time of the event, as the vendor states it."""
    subdomain: str | None = None
    """Subdomain of the practice, if the delivery has it."""
    institution_id: int | None = None
    records: tuple[Record | dict[str, JSON], ...] = field(default=(), hash=False)
    """Records of the event, as models where there is one.

    Records of other types, and those that cannot be decoded, are dicts.
    """
    previous_attributes: dict[str, JSON] | None = field(default=None, hash=False)
    """Attributes before a rejected change, if the delivery has them."""
    delivery_errors: tuple[JSON, ...] = field(default=(), hash=False)
    """Delivery errors as the vendor reports them; the format is not documented."""
    repairs: tuple[str, ...] = ()
    """Repaired fields, such as ``[0].start_time``, by index in ``records``."""
    is_test: bool = False
    """True if the vendor sent it to test the endpoint: the records are samples.

    Taken from ``"test": true`` in the body or the header ``Nex-Webhook-Test`` (v3.1.0).
    """
    faults: tuple[UndecodableRecordError, ...] = field(default=(), hash=False, eq=False)
    """Errors of records that have a model but could not be decoded."""
    key: str
    """Key for deduplication, the same in every delivery of one change and in each API version.

    Two changes of a record within the same second have two keys. It is a hash and may be stored.
    """
    body: bytes
    """Body of the delivery, byte for byte."""

    @property
    def name(self) -> str:
        """Full name as delivered, such as ``appointment_insertion.complete``."""
        return self.event if self.outcome is None else f"{self.event}.{self.outcome}"

    @property
    def is_known(self) -> bool:
        """True if the catalogue has the event; unknown events still have ``raw``."""
        return event_type_of(self.resource_type, self.event) is not None

    @property
    def raw(self) -> dict[str, JSON]:
        """Body as a dict, parsed on each access; ``{}`` if it cannot be parsed."""
        try:
            return cast("dict[str, JSON]", msgspec.json.decode(self.body, type=dict))
        except (ValueError, RecursionError):
            return {}

    def of(self, model: type[T]) -> tuple[T, ...]:
        """Return the records of one model: ``event.of(Appointment)``; empty for other events."""
        return tuple(record for record in self.records if isinstance(record, model))

    def __repr__(self) -> str:
        return f"Event({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"

    def __rich_repr__(self) -> Iterator[tuple[str, object]]:
        """Show no personal data; rich would show every field."""
        known = event_type_of(self.resource_type, self.event)
        yield "resource_type", known.resource_type if known else "unknown"
        yield "event", self.event if known and self.event in known.events else "unknown"
        if self.outcome is not None:
            yield "outcome", self.outcome if self.outcome in _OUTCOMES else "unknown"
        yield "records", len(self.records)
        yield "key", self.key


_OUTCOMES = frozenset({"complete", "failed", "timed_out", "incomplete", "red", "green"})
