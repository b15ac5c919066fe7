"""``python -m tests.errors`` approves what the library says now: read the diff."""

from __future__ import annotations

from tests.errors.message_collection import APPROVED, collected

APPROVED.write_text(collected(), encoding="utf-8")
