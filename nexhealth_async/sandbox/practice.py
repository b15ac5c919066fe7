"""A practice: an institution with its locations and tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from zoneinfo import ZoneInfo

from nexhealth_async.sandbox.fake_data import Maker
from nexhealth_async.sandbox.fake_names import CODES
from nexhealth_async.sandbox.json_format import JsonRow, ints, number
from nexhealth_async.sandbox.ledger_data import LedgerData
from nexhealth_async.sandbox.tables import RecordTable

__all__ = ["Practice"]


class Practice:
    """An institution, its locations and their tables.

    Every table can be changed at any time, also between two pages of a walk. Rows are generated
    from seed and index; ids of different practices are distinct.
    """

    financial_access: bool
    """Whether the key may read this practice's financial records; if off, they are a 403."""

    forbidden: set[int]
    """Ids of locations that are listed, but whose requests are a 403."""

    def __init__(
        self,
        number: int,
        *,
        seed: int,
        subdomain: str,
        locations: int,
        patients: int,
        providers: int,
        operatories: int,
        appointments: int,
        procedures: int,
        timezone: str,
        anchor: date,
        map_by_operatory: bool,
    ) -> None:
        if locations < 1 or providers < 1:
            raise ValueError("A practice needs at least one location and one provider.")
        id_offset = self._id_offset = (number - 1) * 50_000_000
        self._tables: dict[str, RecordTable] = {}
        self.number = number
        self.subdomain = subdomain
        self.timezone = timezone
        self.financial_access = True
        self.forbidden = set()
        self.institution_id: int = 19_089 + number - 1
        location_ids = range(
            339_273 + (number - 1) * 1000, 339_273 + (number - 1) * 1000 + locations
        )
        make = self._maker = Maker(
            seed=seed,
            number=number,
            anchor=anchor,
            timezone=timezone,
            institution_id=self.institution_id,
            location_ids=location_ids,
            map_by_operatory=map_by_operatory,
        )
        self.institution: JsonRow = make.institution(f"Sandbox Dental Group {number}", subdomain)
        self.locations: RecordTable = RecordTable(
            make.location, locations, first_id=location_ids.start
        )
        self.patients: RecordTable = RecordTable(
            make.patient,
            patients,
            first_id=442_700_000 + id_offset * 7,
            step=7,
            facts={"inactive": make.inactive},
        )
        self.providers: RecordTable = RecordTable(
            make.provider, providers, first_id=442_100_000 + id_offset * 7
        )
        self.operatories: RecordTable = RecordTable(
            make.operatory, operatories * locations, first_id=226_562 + id_offset
        )
        self.appointment_types: RecordTable = RecordTable(
            make.appointment_type, 4, first_id=1_001 + id_offset
        )
        self.descriptors: RecordTable = RecordTable(
            make.descriptor, 8 * locations, first_id=9_001 + id_offset
        )
        self.insurance_plans: RecordTable = RecordTable(make.plan, 5, first_id=5_001 + id_offset)
        make.patient_ids = tuple(self.patients.ids) or (0,)
        make.provider_ids = tuple(self.providers.ids)
        make.operatory_ids = tuple(self.operatories.ids)
        make.type_ids = tuple(self.appointment_types.ids)
        make.plan_ids = tuple(self.insurance_plans.ids)
        make.appointment_total = appointments
        self.availabilities: RecordTable = RecordTable(
            make.availability, providers * locations, first_id=7_001 + id_offset
        )
        self.appointments: RecordTable = RecordTable(
            make.appointment,
            appointments if patients else 0,
            first_id=1_232_000_000 + id_offset * 3,
        )
        self.procedures: RecordTable = RecordTable(
            make.procedure, procedures if patients else 0, first_id=3_300_000_000 + id_offset * 3
        )
        self.insurance_coverages: RecordTable = RecordTable(
            make.coverage, patients, first_id=81_000_000 + id_offset
        )
        self.patient_alerts: RecordTable = RecordTable(first_id=61_001 + id_offset)
        self.recall_types: RecordTable = RecordTable(make.recall_type, 2, first_id=301 + id_offset)
        recall_ids: Sequence[int] = tuple(self.recall_types.ids)
        self.patient_recalls: RecordTable = RecordTable(
            lambda index, id: make.recall(index, id, recall_ids),
            (patients + 2) // 3,
            first_id=71_000_000 + id_offset,
        )
        self.document_types: RecordTable = RecordTable(first_id=401 + id_offset)
        for name in ("Consent", "X-ray"):
            self.document_types.add({"name": name, "active": True})
        self._make_ledger(id_offset, patients)
        self.type_descriptors: dict[int, list[int]] = {
            id: [self.descriptors.ids[index % len(self.descriptors)]]
            for index, id in enumerate(self.appointment_types.ids)
        }
        self.appointment_descriptors: dict[int, list[int]] = {}
        self.connected = True
        """Whether the practice has a system of its own, to which records are synced."""
        self.read_status = "green"
        self.write_status = "green"

    def _make_ledger(self, id_offset: int, patients: int) -> None:
        make = LedgerData(self, self._maker)
        self.ledger_data: LedgerData = make

        def table(make: Callable[[int, int], JsonRow], count: int, first_id: int) -> RecordTable:
            return RecordTable(make, count, first_id=first_id + id_offset)

        self.payment_types: RecordTable = table(make.payment_type, 4, 2_101)
        self.adjustment_types: RecordTable = table(make.adjustment_type, 3, 2_201)
        self.fee_schedules: RecordTable = table(make.fee_schedule, 3, 2_301)
        self.fee_schedule_procedures: RecordTable = table(make.fee, 3 * len(CODES), 2_401)
        self.working_hour_labels: RecordTable = table(make.label, 3, 2_501)
        self._maker.label_id = self.working_hour_labels.first_id
        self.staff: RecordTable = table(make.staff, 4, 2_601)
        self.charges: RecordTable = table(make.charge, patients, 10_000_000_000)
        self.claims: RecordTable = table(make.claim, (patients + 2) // 3, 11_000_000_000)
        self.payments: RecordTable = table(make.payment, (patients + 1) // 2, 12_000_000_000)
        self.adjustments: RecordTable = table(make.adjustment, (patients + 4) // 5, 13_000_000_000)
        self.payment_plans: RecordTable = table(make.payment_plan, (patients + 4) // 5, 91_000_000)
        self.treatment_plans: RecordTable = table(
            make.treatment_plan, (patients + 3) // 4, 92_000_000
        )
        self.clinical_notes: RecordTable = table(
            make.clinical_note, (patients + 1) // 2, 93_000_000
        )
        self.documents: RecordTable = RecordTable(first_id=51_001 + id_offset)
        self.document_bytes: dict[int, bytes] = {}
        self.pending: list[tuple[RecordTable, JsonRow]] = []
        """Payments and adjustments that are accepted and not synced yet, with their tables."""
        self.rejected: set[int] = set()
        """Ids of appointments and patients that the practice's system rejected."""

    def table(
        self,
        name: str,
        make: Callable[[Practice, int, int], JsonRow],
        *,
        first_id: int,
        patients_per_row: int = 1,
    ) -> RecordTable:
        """Return the table of this name; the first call creates it.

        Args:
            name: A unique name.
            make: A function that generates a row from the practice, the row's index and its id.
            first_id: Id of the first row in the first practice.
            patients_per_row: Number of patients per row.
        """
        if name not in self._tables:
            table = RecordTable(
                lambda index, id: make(self, index, id),
                -(-len(self.patients) // patients_per_row),
                first_id=first_id + self._id_offset,
            )
            table.now = self.patients.now
            self._tables[name] = table
        return self._tables[name]

    def __repr__(self) -> str:
        return f"<Practice {self.number}: {len(self.patients)} patients>"

    def plans_by_procedure(self) -> dict[int, list[int]]:
        """Return the ids of the treatment plans of each procedure."""

        def build() -> dict[int, list[int]]:
            plan_ids: dict[int, list[int]] = {}
            for plan in self.treatment_plans:
                for procedure_id in ints(plan.get("procedure_ids")):
                    plan_ids.setdefault(procedure_id, []).append(number(plan, "id"))
            return plan_ids

        return self.treatment_plans.cached("by procedure", build)

    def zone(self, location_id: int) -> ZoneInfo:
        """Return a location's time zone."""
        location = self.locations.get(location_id)
        return ZoneInfo(str(location["tz"])) if location else self._maker.zone

    def offset(self, seconds: float, *, colon: bool = True) -> str:
        """Return the practice's UTC offset at a time."""
        return self._maker.offset(seconds, colon=colon)
