"""What is done in the chair: procedures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexhealth_async.endpoints.rows import (
    Endpoint,
    Need,
    Paging,
    Row,
)

if TYPE_CHECKING:
    from nexhealth_async import models as m

__all__ = ["PROCEDURES", "PROCEDURES_GET"]

PROCEDURES: Endpoint[m.Procedure] = Endpoint(
    resource="procedures",
    verb="walk",
    model="Procedure",
    v2=Row(
        method="GET",
        path="/procedures",
        paging=Paging.NUMBERED,
        max_per_page=300,
        location=Need.OPTIONAL,
        filters=("provider_id", "patient_id", "appointment_id", "updated_since"),
        wire={"updated_since": "updated_after"},
    ),
)

PROCEDURES_GET: Endpoint[m.Procedure] = Endpoint(
    resource="procedures",
    verb="get",
    model="Procedure",
    v2=Row(method="GET", path="/procedures/{id}"),
)
