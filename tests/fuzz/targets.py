"""The table of targets.

To add one, write a function of bytes under ``@target`` in a separate module, with ``seeds`` of wide
coverage, and name the module here. The property tests, the short guided run of the suite and ``nox
-s fuzz`` read the table.
"""

from __future__ import annotations

from tests.fuzz import (
    addresses,
    commands,
    decompression,
    deliveries,
    records,
    replies,
    sessions,
    walks,
)
from tests.fuzz.findings import TARGETS

__all__ = ["MODULES", "TARGETS"]

MODULES = (replies, decompression, records, addresses, walks, commands, sessions, deliveries)
"""Every module of targets; importing them registers the targets."""
