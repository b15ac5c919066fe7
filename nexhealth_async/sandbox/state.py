"""State of the server: practices, clock and assumptions."""

from __future__ import annotations

from collections.abc import Sequence

from nexhealth_async.sandbox.assumptions import Assumptions
from nexhealth_async.sandbox.clock import Clock
from nexhealth_async.sandbox.json_format import JsonRow, RequestRejectedError
from nexhealth_async.sandbox.practice import Practice
from nexhealth_async.sandbox.tables import RecordTable

__all__ = ["World"]


class World:
    """The practices that the API key sees, and the records that belong to the key."""

    def __init__(self, practices: Sequence[Practice], clock: Clock) -> None:
        self.practices: list[Practice] = list(practices)
        self.clock = clock
        self.assumptions: Assumptions = Assumptions()
        self.webhook_endpoints: RecordTable = RecordTable(first_id=701)
        self.webhook_subscriptions: RecordTable = RecordTable(first_id=8_001)
        self.onboardings: RecordTable = RecordTable(first_id=1)
        for owner in (self, *self.practices):
            for table in vars(owner).values():
                if isinstance(table, RecordTable):
                    table.now = clock.now

    def by_subdomain(self, subdomain: str) -> Practice | None:
        """Return the practice with this subdomain (case-sensitive), or None."""
        for practice in self.practices:
            if practice.subdomain == subdomain:
                return practice
        return None

    def location(self, id: int, within: Practice | None = None) -> tuple[Practice, JsonRow]:
        """Return a location and its practice.

        Raises:
            RequestRejectedError: 404 for an unknown location, or one of another practice than
                ``within``.
        """
        for practice in self.practices if within is None else (within,):
            location = practice.locations.get(id)
            if location is not None:
                return practice, location
        raise RequestRejectedError(404, f"Location with id {id} not found")
