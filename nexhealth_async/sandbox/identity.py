"""Identity of a sandbox, sent with every response, so that clients recognize a sandbox."""

from __future__ import annotations

from datetime import date
from typing import Final, Literal

import msgspec

__all__ = ["HEADER", "SandboxIdentity"]

HEADER: Final = "Nexhealth-Sandbox"
"""Header of every response of a sandbox; NexHealth's own servers do not send it."""


class SandboxIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """Options of a sandbox that determine its records."""

    kind: Literal["seeded"] = "seeded"
    seed: int
    patients: int
    providers: int
    operatories: int
    appointments: int
    procedures: int
    practices: int
    locations: int
    timezone: str
    map_by_operatory: bool
    anchor: date

    def text(self) -> str:
        """Return the value of the header: a line of JSON in ASCII."""
        return msgspec.json.encode(self).decode()
