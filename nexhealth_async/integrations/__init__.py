"""Ties to other libraries, each behind its extra or imported only when it is used."""

from __future__ import annotations

__all__: list[str] = []
