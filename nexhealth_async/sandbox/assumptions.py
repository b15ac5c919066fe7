"""Assumptions of the sandbox where the vendor's documents leave the behaviour open.

Most are switches: ``sandbox.assumptions.duplicate_status = 200``. Facts with a source are not
here.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from attrs import define

__all__ = ["Assumptions", "CountAs"]

CountAs: TypeAlias = Literal["total", "missing", "string"] | int | None
"""Form of a listing's ``count``: the total, absent, the total as a string, this number, or null."""


@define(kw_only=True)
class Assumptions:
    """Undocumented behaviours of the API, as switches with conservative defaults.

    The following have no switch, because a client can hardly depend on them:

    * Requests are checked in this order: rate limit, version, token, path, scope, parameters,
      body. Rejected requests do not count towards a rate limit.
    * The slot search counts towards the limit of patients and appointments.
    * The texts of 401, 415 and 429, and of invalid values, are made up. One sentence that names
      every missing parameter was observed live, but not its wording for several parameters.
    * A page beyond the end is an empty list. A page or size below 1, and any value that cannot be
      parsed, is a 400. An empty number, date or boolean counts as not sent.
    * A ``per_page`` above the maximum is reduced without a warning.
    * Names match if the full name contains every word of the filter, in any case.
    * Times without a zone are UTC, except in the appointments list, where ``timezone`` may set
      the zone; its ``start`` and ``end`` are both inclusive.
    * ``forms_syncable`` and ``filter_by_subscription_feature`` are accepted and have no effect.
    * The slot search leaves out past slots and groups of unknown providers. It rejects more than
      366 days. A provider booked at one location is busy at all of them. Without
      ``slot_interval``, slots are adjacent.
    * Appointments outside working hours can be booked. Fields of an appointment that cannot be
      changed are ignored with a warning.
    * Working hours have ``appointment_types`` only if they are included.
    * A webhook's ``data`` holds a record under the singular of its resource type; this is
      documented for appointments and patients only. A sync status is ``data`` itself. A receiver
      has 5 seconds to respond.
    """

    duplicate_status: int = 400
    """Status of "A patient with that information already exists". 400 is documented for v3; for v2
    only the text was recorded."""

    slot_taken_status: int = 400
    """Status of "this time is no longer available". The text is documented, the status is not."""

    delete_availability_status: int = 204
    """Status of deleting working hours. 204 is marked as uncertain."""

    unknown_version_status: int = 404
    """Status for a version header with an unknown value. 404 is known for a missing header."""

    any_version_logs_in: bool = False
    """Whether the login accepts a version whose other calls the account refuses. No source says
    which of the two is refused first."""

    cancelled_when_unset: bool | None = False
    """Value of ``cancelled`` in v2's appointments list if it is not sent: ``False`` lists active
    appointments only, as one integration assumes; ``None`` lists both."""

    new_patient_when_unset: bool | None = None
    """Value of ``new_patient`` in the patients list if it is not sent: ``None`` lists both, as
    since June 2026; before, it was ``False``."""

    ignored_in: Literal["description", "error"] = "description"
    """Envelope field with "following parameters are ignored". It was observed in ``description``;
    older documentation has it in ``error``."""

    appointment_record_at: Literal["appt", "bare"] = "appt"
    """Position of a written appointment: under ``data.appt`` (recorded), or ``data`` itself (as one
    sandbox user reported)."""

    patient_record_at: Literal["user", "bare"] = "user"
    """Position of a created patient: under ``data.user`` (recorded), or ``data`` itself."""

    email_or_phone: bool = True
    """Whether email and phone number together find patients with either, in both versions: so the
    troubleshooting page (October 2026). The reference page says that both must match."""

    pids_required: bool = True
    """Whether the slot search needs ``pids[]``, as v2's table says, marked as uncertain. If off, it
    needs ``pids[]`` or ``appointment_type_id``, as in v3."""

    v2_checkin: bool = True
    """Whether v2 accepts ``checkin_at`` on an appointment. Two sources disagree."""

    confirm_needs_sync: bool = True
    """Whether confirming an appointment that is not in the practice's system yet is rejected. This
    was observed live; the text is known from v3's guides. Cancelling works before."""

    contradictory_offset: bool = False
    """Whether appointments have the ``timezone_offset`` of the zone to the east, as a recorded one
    had: ``-04:00`` with ``America/Chicago``."""

    text_descriptor_ids: bool = False
    """Whether ids of appointment descriptors are strings, as in some practice systems."""

    missing_gender: str | None = "Female"
    """Gender of a patient created without one. Documented for v3 as Female."""

    refuse_wrong_content_type: bool = False
    """Whether a JSON body without a JSON media type is a 415. Observed on an unused path only."""

    block_stock_agents: bool = False
    """Whether the firewall blocks Python's default User-Agents with an HTML 403. Reported once."""

    cursor_per_page: int = 5
    """Page size of v3 if ``per_page`` is not sent: 5 in its OpenAPI document, 1000 on its page
    about pagination."""

    undeclared_nulls: bool = False
    """Whether v3 sends nulls that its OpenAPI document does not allow: in nested objects without a
    value, and in an envelope's ``data``, ``description`` and ``error``. Its pages show such nulls.
    If off, they are left out or empty."""

    undeclared_not_found: int = 400
    """Status of v3 for an unknown id if its OpenAPI document has no 404 (single ledger entries and
    their types, payment plans)."""

    unknown_claim_status: int = 404
    """Status of an unknown claim. The OpenAPI document says 404, and 500 in its prose."""

    include_replaces_default: bool = True
    """Whether ``include[]`` replaces v3's default includes. This is the usual meaning, but
    untested."""

    system_reschedules: bool = True
    """Whether the practice's system lets v3 move an appointment. Few do; the others answer 400
    since June 2026 (the text is made up)."""

    repeat_transactions: bool = True
    """Whether a second payment or adjustment with the same ``transaction_id`` is accepted, and
    shown twice. No page promises otherwise. If off, it is a 400."""
