"""Filters, fields and checks that the resources of the ledger share (v3)."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Required, TypeAlias

from nexhealth_async._protocol.operations import OperationSpec, Paging, ScopeNeed
from nexhealth_async.errors import InvalidArgumentError
from nexhealth_async.resources.options import CursorOptions, LocationScoped, filter_names

__all__ = ["Amount", "BilledFilters", "LedgerEntry", "SortedFilters", "UpdatedFilters"]

Amount: TypeAlias = Decimal | int
"""Money in whole units, as dollars; never a float, which cannot hold most cents."""


class UpdatedFilters(LocationScoped, CursorOptions, total=False):
    """Filters of a list that is read by changes."""

    updated_since: datetime | None
    """Only those changed at or after this time; a time long past returns all."""


class SortedFilters(UpdatedFilters, total=False):
    """Filters of a list that can be sorted."""

    sort: str | None
    """``"updated_at"``, or ``"-updated_at"`` for the latest change first."""


class BilledFilters(SortedFilters, total=False):
    """Filters of a list of amounts that somebody pays."""

    patient_id: int | None
    """Only those of this patient."""
    provider_id: int | None
    """Only those of this provider."""
    guarantor_id: int | None
    """Only those that this person pays for."""
    include_deleted: bool | None
    """True: also those removed in the practice's system, which have ``deleted_at``."""


class LedgerEntry(LocationScoped, total=False):
    """Fields of a new payment or adjustment."""

    patient_id: Required[int]
    """The patient whose account it is written to."""
    transaction_id: Required[str]
    """Your own unique id for this entry, which finds it again; at most 50 characters.

    Begin it with a prefix of your application (``"shop:123456"``), and never reuse one.
    """
    currency: str
    """The amount's currency, as ``"USD"``; that is the server's default."""
    charge_splits: Mapping[int, Amount]
    """Share of the amount for each charge, by the charge's id; same unit and sign as the amount."""
    provider_splits: Mapping[int, Amount]
    """Share of the amount for each provider, by its id; same unit and sign as the amount."""
    notes: str
    """Written to the practice's system; some systems cut it off."""


ACCEPTED = frozenset({200, 201, 202})
"""Statuses of a write that waits for the practice's system; the response has no body."""


def listing(path: str, filters: type, *, one_of: tuple[str, ...] = ()) -> OperationSpec:
    """Return the declaration of a list of the ledger."""
    return OperationSpec(
        method="GET",
        path=path,
        paging=Paging.CURSOR,
        max_per_page=1000,
        location=ScopeNeed.REQUIRED,
        filters=filter_names(filters),
        one_of=one_of,
    )


_TRANSACTION_ID_LENGTH = 50
"""Reference: ``POST /payments`` and ``POST /adjustments``, ``transaction_id``."""


def check_entry(fields: LedgerEntry, amount: Amount | None) -> None:
    """Raise for an amount that is not exact, or a transaction id that cannot be found again."""
    _check_amount("amount", amount)
    for part in fields.get("charge_splits", {}).values():
        _check_amount("charge_splits", part)
    for part in fields.get("provider_splits", {}).values():
        _check_amount("provider_splits", part)
    name = fields.get("transaction_id", "unchecked")
    if not 0 < len(name.strip()) <= len(name) <= _TRANSACTION_ID_LENGTH:
        raise InvalidArgumentError(
            f"transaction_id must have 1 to {_TRANSACTION_ID_LENGTH} characters; "
            f"this one has {len(name)}"
        )


def _check_amount(name: str, amount: object) -> None:
    """Raise for a float, which cannot hold most amounts exactly."""
    if amount is not None and (isinstance(amount, bool) or not isinstance(amount, (Decimal, int))):
        raise InvalidArgumentError(f"{name} must be Decimal or int, not {type(amount).__name__}")
