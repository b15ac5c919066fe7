"""Everything the vendor leaves open, in one place, each with the form the sandbox takes.

Most are switches: ``box.guesses.duplicate_status = 200``. Facts with a source are not here.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from attrs import define

__all__ = ["Assumptions", "CountAs"]

CountAs: TypeAlias = Literal["total", "missing", "string"] | int | None
"""How a listing reports its total: truly, not at all, as a string, as this number, or as null."""


@define(kw_only=True)
class Assumptions:
    """What is not known of the API, as switches set to the conservative form.

    Fixed, because a client can hardly depend on them:

    * Requests are judged in the order rate, version, token, path, scope, parameters, body;
      refused ones do not count against a rate window.
    * The texts of 401, 415 and 429, and of refused values. That one sentence names every missing
      parameter was seen live, its wording for several was not.
    * A page beyond the end is an empty list; a page or size below 1 is a 400, as is any value
      that cannot be read; an empty number, date or boolean counts as not sent.
    * Names match when every word asked for is somewhere in the full name, whatever its case.
    * Moments without a zone are UTC, but for the appointments list, where ``timezone`` may say
      otherwise; ``start`` and ``end`` there are both inclusive.
    * ``forms_syncable`` and ``filter_by_subscription_feature`` are taken and change nothing.
    * Slots in the past and groups of unknown providers are left out of the slot search. A provider
      is busy in every office while booked in one. Without ``slot_interval`` slots touch.
    * Booking outside working hours is allowed; fields an appointment does not let be changed are
      ignored with a warning.
    * Working hours show ``appointment_types`` only when included.
    """

    duplicate_status: int = 400
    """Status of "A patient with that information already exists". 400 is documented for v3; for v2
    only the text was recorded."""

    slot_taken_status: int = 400
    """Status of "this time is no longer available": the text is documented, the status is not."""

    delete_availability_status: int = 204
    """Status of a deletion of working hours: 204 is marked uncertain."""

    unknown_version_status: int = 404
    """Status for a version header with an unknown value; 404 is known for no header at all."""

    any_version_logs_in: bool = False
    """Whether the login is taken in a version whose other calls the account refuses; no source says
    which of the two refuses first."""

    cancelled_when_unset: bool | None = False
    """What v2's appointments list shows when ``cancelled`` is not sent: ``False`` is active ones
    only, as one integration reads it; ``None`` is both."""

    new_patient_when_unset: bool | None = None
    """What the patients list shows when ``new_patient`` is not sent: both, as since June 2026;
    it was ``False`` before."""

    ignored_in: Literal["description", "error"] = "description"
    """Where "following parameters are ignored" stands: observed in the description, older
    documentation has it in ``error``."""

    appointment_record_at: Literal["appt", "bare"] = "appt"
    """Where a written appointment is: under ``data.appt`` (recorded), or bare in ``data`` (told by
    one sandbox user)."""

    patient_record_at: Literal["user", "bare"] = "user"
    """As above for a created patient."""

    email_or_phone: bool = True
    """Whether email and phone number together find patients with either, in both versions: so the
    troubleshooting page (October 2026); the reference page says that both must match."""

    pids_required: bool = True
    """Whether the slot search refuses to run without ``pids[]``: so v2's table says, uncertainly.
    When off, ``pids[]`` or ``appointment_type_id`` is asked for, as in v3."""

    v2_checkin: bool = True
    """Whether v2 takes ``checkin_at`` on an appointment: two sources disagree."""

    confirm_needs_sync: bool = True
    """Whether confirming an appointment the practice's system has not taken yet is refused: seen
    live; the text is known from v3's guides. Cancelling works before."""

    contradictory_offset: bool = False
    """Whether appointments show the ``timezone_offset`` of the zone to the east, as a recorded one
    did: ``-04:00`` beside ``America/Chicago``."""

    text_descriptor_ids: bool = False
    """Whether ids of appointment descriptors are text, as on some practice systems."""

    missing_gender: str | None = "Female"
    """What a patient created without gender becomes: documented for v3 as Female."""

    refuse_wrong_content_type: bool = False
    """Whether a JSON body without a JSON media type is 415: only seen on a dead path."""

    block_stock_agents: bool = False
    """Whether the edge blocks Python's stock User-Agents with an HTML 403: reported once."""

    cursor_per_page: int = 5
    """How many rows a page of v3 has when ``per_page`` is not sent: 5 in its document, 1000 on its
    page about pagination."""

    undeclared_nulls: bool = False
    """Whether v3 says null where its document does not allow it: in nested objects without a value,
    and in an envelope's ``data``, ``description`` and ``error``. Its pages show such nulls. When
    off, they are left out or empty."""

    undeclared_not_found: int = 400
    """Status of v3 for an unknown id where its document knows no 404 (single ledger entries and
    their types, payment plans)."""

    unknown_claim_status: int = 404
    """Status for a claim that is not there: the document says 404, and 500 in its prose."""

    include_replaces_default: bool = True
    """Whether ``include[]`` replaces what v3 includes unasked: the usual meaning, untested."""

    system_reschedules: bool = True
    """Whether the practice's system lets v3 move an appointment: few do; the others answer 400
    since June 2026 (the text is a guess)."""

    repeat_transactions: bool = True
    """Whether a second payment or adjustment with a ``transaction_id`` seen before is accepted, and
    shows twice: no page promises otherwise. When off, it is a 400."""
