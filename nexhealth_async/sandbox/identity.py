"""What a sandbox says of itself with every reply, so that nobody takes it for a real account."""

from __future__ import annotations

from datetime import date
from typing import Final, Literal

import msgspec

__all__ = ["HEADER", "SandboxIdentity"]

HEADER: Final = "Nexhealth-Sandbox"
"""The header that every reply of a sandbox carries. NexHealth's own servers send no such header."""


class SandboxIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """The options of a sandbox that decide which records it invents."""

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
        """Return the value of the header: one line of JSON in ASCII."""
        return msgspec.json.encode(self).decode()
