"""Operations that the confirmation of a write uses, whatever the record."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from nexhealth_async.resources import locations, sync_status
from nexhealth_async.workflows.confirmation_rules import ConfirmationCalls

if TYPE_CHECKING:
    from nexhealth_async._client.client import Client
    from nexhealth_async._protocol.operations import Endpoint

__all__ = ["confirmation_calls"]

T = TypeVar("T")


def confirmation_calls(client: Client, record: Endpoint[T]) -> ConfirmationCalls[T]:
    """Return the calls of a confirmation, with the operation that gets or lists the record."""
    return ConfirmationCalls(
        client=client, record=record, location=locations.GET, sync_status=sync_status.LIST
    )
