"""What a delivery says: the event and its records."""

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
    """Something that happened in a practice, as one delivery tells it.

    The same event may be delivered several times, and in no order: compare ``updated_at`` of its
    records with what you have. There is no event for check-in, completion or no-show, and a
    cancellation is an ``appointment_updated`` whose appointment is ``cancelled``.

    A printed event shows names of the catalogue and numbers, never its records.
    """

    resource_type: str
    """What it is about, such as ``Appointment``: in the catalogue's spelling if that knows it."""
    event: str
    """What happened, without outcome: ``appointment_insertion``. Empty if nobody could read it."""
    outcome: str | None = None
    """What stood behind the event's name. Of a write: ``complete``, ``failed``, ``timed_out`` (the
    start time came first) or ``incomplete``. Of a sync status: ``red`` or ``green``. Else None."""
    event_time: datetime | None = None
    """When it happened, as the vendor says."""
    subdomain: str | None = None
    """The practice, where the delivery names it."""
    institution_id: int | None = None
    records: tuple[Record | dict[str, JSON], ...] = field(default=(), hash=False)
    """The records it is about, as models where there is one for them. Records of other types, and
    those that no decoder can read, are dicts of what was sent."""
    previous_attributes: dict[str, JSON] | None = field(default=None, hash=False)
    """What a refused change left as it was, if the delivery says so."""
    delivery_errors: tuple[JSON, ...] = field(default=(), hash=False)
    """What the vendor says about delivering it; no page tells its form."""
    repairs: tuple[str, ...] = ()
    """Fields that had to be repaired: ``[0].start_time``, counted in ``records``."""
    is_test: bool = False
    """Whether the vendor sent it to try the endpoint: nothing happened, its records are samples.
    Told by ``"test": true`` in the body or by the header ``Nex-Webhook-Test`` (v3.1.0)."""
    faults: tuple[UndecodableRecordError, ...] = field(default=(), hash=False, eq=False)
    """Why records stayed dicts although there is a model for them."""
    key: str
    """The same for every delivery of one change, also when it comes once for each API version that
    subscribed to it: drop what has a key you have seen. Two changes of a record within the same
    second have two keys. It is a hash, and may be stored."""
    body: bytes
    """The delivery's body, byte for byte."""

    @property
    def name(self) -> str:
        """The event with its outcome, as it was delivered: ``appointment_insertion.complete``."""
        return self.event if self.outcome is None else f"{self.event}.{self.outcome}"

    @property
    def is_known(self) -> bool:
        """Whether the catalogue knows what it is about; unknown ones still have ``raw``."""
        return event_type_of(self.resource_type, self.event) is not None

    @property
    def raw(self) -> dict[str, JSON]:
        """All that was delivered, parsed anew each time; ``{}`` if nobody could read it."""
        try:
            return cast("dict[str, JSON]", msgspec.json.decode(self.body, type=dict))
        except (ValueError, RecursionError):
            return {}

    def of(self, model: type[T]) -> tuple[T, ...]:
        """Return the records of one model: ``event.of(Appointment)``, empty for other events."""
        return tuple(record for record in self.records if isinstance(record, model))

    def __repr__(self) -> str:
        return f"Event({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"

    def __rich_repr__(self) -> Iterator[tuple[str, object]]:
        """Show what is known to be nobody's business; rich would show every field."""
        known = event_type_of(self.resource_type, self.event)
        yield "resource_type", known.resource_type if known else "unknown"
        yield "event", self.event if known and self.event in known.events else "unknown"
        if self.outcome is not None:
            yield "outcome", self.outcome if self.outcome in _OUTCOMES else "unknown"
        yield "records", len(self.records)
        yield "key", self.key


_OUTCOMES = frozenset({"complete", "failed", "timed_out", "incomplete", "red", "green"})
