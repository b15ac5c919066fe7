"""The sandbox: an API server for tests, with settings, faults and recorded requests."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Collection
from datetime import date
from types import TracebackType
from typing import Self, cast

from aiohttp import web

from nexhealth_async.sandbox.assumptions import Assumptions, CountAs
from nexhealth_async.sandbox.auth import KeyRing
from nexhealth_async.sandbox.clock import Clock
from nexhealth_async.sandbox.connection_faults import ConnectionFaults
from nexhealth_async.sandbox.ehr_sync import Insertion, InsertionOutcome, insert_pending
from nexhealth_async.sandbox.identity import HEADER, SandboxIdentity
from nexhealth_async.sandbox.json_format import format_timestamp
from nexhealth_async.sandbox.late_commits import LateCommit
from nexhealth_async.sandbox.practice import Practice
from nexhealth_async.sandbox.rate_limits import RateLimits, RetryAfter, WindowKind
from nexhealth_async.sandbox.request_log import RecordedPage, RecordedRequest
from nexhealth_async.sandbox.routes import Version
from nexhealth_async.sandbox.row_types import (
    AppointmentRow,
    AppointmentTypeRow,
    AvailabilityRow,
    OperatoryRow,
    PatientRow,
    ProcedureRow,
    ProviderRow,
    Rows,
)
from nexhealth_async.sandbox.server import MEDIA_TYPE, RequestHandler
from nexhealth_async.sandbox.state import World
from nexhealth_async.sandbox.webhook_deliveries import Deliveries, SentDelivery

__all__ = ["DEFAULT_ANCHOR", "Sandbox"]

DEFAULT_ANCHOR = date(2026, 6, 1)
"""Default of ``anchor``, the day around which seeded records lie."""


class Sandbox(ConnectionFaults):
    """An API server with invented practices on 127.0.0.1, for tests.

    .. code-block:: python

        async with Sandbox(patients=5000, seed=1) as sandbox:
            async with NexHealth(sandbox.api_key, base_url=sandbox.url) as nex:
                location = nex.practice(sandbox.subdomain).location(sandbox.location_id)
                assert await location.patients.walk().count() == 5000

    The same arguments give the same records, including ids and times. Tokens differ, and so does
    the key unless ``api_key`` is set. Data, clock and settings can be changed at any time, also
    before the start. The sandbox serves v2 and v3 with the same records; a request selects the
    version. Behaviour that the vendor does not document is in ``assumptions``.

    Args:
        patients: Number of patients of each practice.
        seed: Seed of the records.
        providers: Number of providers of each practice.
        operatories: Number of operatories of each location.
        appointments: Number of appointments of each practice; by default eight per five patients.
        procedures: Number of procedures of each practice; by default two per patient.
        practices: Number of practices.
        locations: Number of locations of each practice.
        timezone: IANA time zone of the locations.
        map_by_operatory: Whether appointments need an operatory.
        practice_system: False gives a new test account, which has no practice's system:
            `sync` has no effect, writes are never complete, and ``GET /sync_status`` is empty.
            ``practice.connected = True`` connects a system later.
        anchor: Day around which seeded records lie. It does not follow the clock, so that data stay
            the same; ``date.today()`` gives recent and upcoming appointments.
        clock: Clock of the server; by default the system clock. See ``Clock``.
        token_lifetime: Seconds until a token expires.
        api_key: API key; by default a random one. Never use a real key.
        remember: Maximum number of recorded requests.
        versions: API versions that the account may use; ``{"v3"}`` refuses v2.

    Raises:
        ValueError: There is no practice, location or provider, or a version is unknown.
    """

    page_cap: int
    """Maximum ``per_page`` of numbered pages (300, as documented). That a greater one is reduced
    without a warning is an assumption."""

    cursor_page_cap: int
    """Maximum ``per_page`` of v3's cursor pages (1000, as documented)."""

    financial_access: bool
    """Whether the key may read financial records, such as charges; if off, they are a 403."""

    count_as: CountAs
    """Form of ``count`` in numbered pages; ``"total"`` is the correct one."""

    versions: frozenset[Version]
    """API versions that the account may use; ``{"v3"}`` refuses v2, as for new accounts."""

    media_type: str
    """``Content-Type`` of responses."""

    latency: float
    """Delay of every response, in real seconds."""

    jitter: float
    """Real seconds by which the latency varies in both directions, depending on the seed."""

    in_flight: int
    """Number of requests that are being processed."""

    most_in_flight: int
    """Maximum of ``in_flight``; set it to 0 to restart the measurement."""

    requests: deque[RecordedRequest]
    """Recorded requests, oldest first; ``remember`` limits their number."""

    late: list[LateCommit]
    """Requests whose connection was reset, and which are processed later."""

    identified: bool
    """Whether responses have the header ``Nexhealth-Sandbox``, from which copies recognize a
    sandbox, its seed and its options. If off, the sandbox looks like a server of real accounts."""

    insertions: deque[Insertion]
    """Outcomes of each record in `sync`, oldest first; ``remember`` limits their number."""

    def __init__(
        self,
        *,
        patients: int = 25,
        seed: int = 1,
        providers: int = 3,
        operatories: int = 3,
        appointments: int | None = None,
        procedures: int | None = None,
        practices: int = 1,
        locations: int = 1,
        timezone: str = "America/New_York",
        map_by_operatory: bool = True,
        practice_system: bool = True,
        anchor: date = DEFAULT_ANCHOR,
        clock: Clock | None = None,
        token_lifetime: float = 3600,
        api_key: str | None = None,
        remember: int = 10_000,
        versions: Collection[Version] = ("v2", "v3"),
    ) -> None:
        super().__init__()
        if practices < 1:
            raise ValueError("A sandbox needs at least one practice.")
        if isinstance(versions, str) or not versions or not {"v2", "v3"}.issuperset(versions):
            raise ValueError('versions must be a set such as {"v3"} or {"v2", "v3"}.')
        self.seed = seed
        appointments = patients * 8 // 5 if appointments is None else appointments
        procedures = 2 * patients if procedures is None else procedures
        self.identity: SandboxIdentity = SandboxIdentity(
            seed=seed,
            patients=patients,
            providers=providers,
            operatories=operatories,
            appointments=appointments,
            procedures=procedures,
            practices=practices,
            locations=locations,
            timezone=timezone,
            map_by_operatory=map_by_operatory,
            anchor=anchor,
        )
        self.identified = True
        self.anchor = anchor
        self.clock: Clock = clock or Clock()
        self.world: World = World(
            [
                Practice(
                    number,
                    seed=seed,
                    subdomain="sandbox-dental" if number == 1 else f"sandbox-dental-{number}",
                    locations=locations,
                    patients=patients,
                    providers=providers,
                    operatories=operatories,
                    appointments=appointments,
                    procedures=procedures,
                    timezone=timezone,
                    anchor=anchor,
                    map_by_operatory=map_by_operatory,
                )
                for number in range(1, practices + 1)
            ],
            self.clock,
        )
        for practice in self.world.practices:
            practice.connected = practice_system
        self.keys: KeyRing = KeyRing(self.clock, token_lifetime, api_key)
        self.webhooks: Deliveries = Deliveries(self.world)
        self.limits: RateLimits = RateLimits()
        self.requests: deque[RecordedRequest] = deque(maxlen=remember)
        self.insertions: deque[Insertion] = deque(maxlen=remember)
        self.page_cap = 300
        self.cursor_page_cap = 1000
        self.financial_access = True
        self.count_as: CountAs = "total"
        self.versions = frozenset(versions)
        self.media_type = MEDIA_TYPE
        self.latency = 0.0
        self.jitter = 0.0
        self.in_flight = 0
        self.most_in_flight = 0
        self.page_callback: Callable[[RecordedPage], Awaitable[None] | None] | None = None
        self.late: list[LateCommit] = []
        self._runner: web.AppRunner | None = None
        self._url: str | None = None

    def __repr__(self) -> str:
        sizes = f"{len(self.practices)} practices, {len(self.patients)} patients"
        return f"<Sandbox {self._url or 'not started'}: {sizes}>"

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self, *, port: int = 0) -> Self:
        """Listen on a port of 127.0.0.1, by default a free one, and return the sandbox.

        Raises:
            OSError: The port is taken.
            RuntimeError: The sandbox is running.
        """
        if self._runner is not None:
            raise RuntimeError("The sandbox is running already.")
        application = web.Application(client_max_size=64 * 1024 * 1024)
        application.on_response_prepare.append(self._sign)
        application.router.add_route("*", "/{path:.*}", RequestHandler(self).handle)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            self.listener.serve(runner)
            await self.listener.open(port)
        except OSError:
            await runner.cleanup()
            raise
        self._runner, self._url = runner, f"http://127.0.0.1:{self.listener.port}"
        await self.webhooks.start()
        return self

    async def stop(self) -> None:
        """Close all connections and stop listening; ``url`` stays the same."""
        runner, self._runner = self._runner, None
        try:
            await self.listener.finish()
        finally:
            self.faults.end()
            await self.webhooks.stop()
            if runner is not None:
                await runner.cleanup()

    async def _sign(self, _: web.Request, response: web.StreamResponse) -> None:
        if self.identified:
            response.headers[HEADER] = self.identity.text()

    @property
    def url(self) -> str:
        """Base URL, without a trailing slash; raises RuntimeError before the start."""
        if self._url is None:
            raise RuntimeError("Start the sandbox first: async with Sandbox() as sandbox.")
        return self._url

    @property
    def practices(self) -> list[Practice]:
        """All practices; the table attributes are those of the first one."""
        return self.world.practices

    @property
    def practice(self) -> Practice:
        """The first practice."""
        return self.world.practices[0]

    @property
    def subdomain(self) -> str:
        """Subdomain of the first practice."""
        return self.practice.subdomain

    @property
    def location_id(self) -> int:
        """Id of the first practice's first location."""
        return self.practice.locations.ids[0]

    @property
    def patients(self) -> Rows[PatientRow]:
        """The first practice's patients."""
        return cast("Rows[PatientRow]", self.practice.patients)

    @property
    def appointments(self) -> Rows[AppointmentRow]:
        """The first practice's appointments."""
        return cast("Rows[AppointmentRow]", self.practice.appointments)

    @property
    def providers(self) -> Rows[ProviderRow]:
        """The first practice's providers."""
        return cast("Rows[ProviderRow]", self.practice.providers)

    @property
    def operatories(self) -> Rows[OperatoryRow]:
        """The first practice's operatories."""
        return cast("Rows[OperatoryRow]", self.practice.operatories)

    @property
    def procedures(self) -> Rows[ProcedureRow]:
        """The first practice's procedures."""
        return cast("Rows[ProcedureRow]", self.practice.procedures)

    @property
    def availabilities(self) -> Rows[AvailabilityRow]:
        """The first practice's working hours."""
        return cast("Rows[AvailabilityRow]", self.practice.availabilities)

    @property
    def appointment_types(self) -> Rows[AppointmentTypeRow]:
        """The first practice's appointment types."""
        return cast("Rows[AppointmentTypeRow]", self.practice.appointment_types)

    @property
    def assumptions(self) -> Assumptions:
        """Undocumented behaviours of the API, as switches."""
        return self.world.assumptions

    def sync(
        self, *, fail: Collection[int | str] = (), outcome: InsertionOutcome = "failed"
    ) -> int:
        """Sync written records into the practice's system, and return their number.

        New appointments and patients get ``foreign_id``, ``foreign_id_type`` and
        ``last_sync_time``; patients are no longer ``new_patient``. Accepted payments and
        adjustments appear in the ledger. Onboardings become complete. ``insertions`` has the
        outcome of each record.

        Args:
            fail: Records that the practice's system rejects permanently: appointments and patients
                by id, payments and adjustments by ``transaction_id``.
            outcome: The outcome of rejected records in webhooks.
        """
        insertions = [
            insertion
            for practice in self.practices
            for insertion in insert_pending(practice, self.clock.now(), frozenset(fail), outcome)
        ]
        self.insertions.extend(insertions)
        for insertion in insertions:
            if insertion.failure_event is not None:
                self.webhooks.emit(
                    insertion.failure_event, insertion.practice, insertion.table, insertion.record
                )
        now = format_timestamp(self.clock.now())
        for id in self.world.onboardings.where("status", "in_progress").copy():
            self.world.onboardings.update(id, status="complete", availability_ready_at=now)
        return sum(insertion.outcome == "complete" for insertion in insertions)

    async def deliver(
        self,
        event: str,
        id: int | None = None,
        *,
        data: object = None,
        practice: Practice | None = None,
        to: str | None = None,
        secret: str | None = None,
        version: Version = "v3",
        **extra: object,
    ) -> list[SentDelivery]:
        """Deliver an event now, and return the attempts with their statuses.

        Changes of records are delivered without this method; see ``webhooks``.

        Args:
            event: Name of the event with its outcome, such as ``appointment_insertion.failed``.
            id: Id of the record; by default the first one.
            data: ``data`` of the event instead of a record; unknown events need it.
            practice: The practice; by default the first one.
            to: URL to deliver to, once and without a subscription; by default all subscribers.
            secret: Signing secret of a delivery to a URL.
            version: API version of a delivery to a URL.
            **extra: Further fields of the body, such as ``previous_attributes``.

        Raises:
            KeyError: There is no record with this id.
            ValueError: There is no record of this event, or no secret for the URL.
        """
        owner = practice or self.practice
        record = None if id is None else self.webhooks.record(owner, event, id)
        return await self.webhooks.deliver(
            event,
            owner,
            record=record,
            data=data,
            to=to,
            secret=secret,
            version=version,
            extra=extra,
        )

    def commit_due(self) -> int:
        """Process the late requests that are due, and return their number.

        See ``commit_late_next``. Late requests are checked against the current state: one for a
        slot that has been taken meanwhile is rejected. Every request calls this method first.
        """
        now = self.clock.now()
        due = sorted((late for late in self.late if late.due <= now), key=lambda late: late.due)
        for late in due:
            self.late.remove(late)
            late.commit()
        return len(due)

    @property
    def api_key(self) -> str:
        """API key of this sandbox."""
        return self.keys.api_key

    @property
    def logins(self) -> int:
        """Number of issued tokens."""
        return self.keys.logins

    @property
    def token_lifetime(self) -> float:
        """Seconds until a token expires; changes apply to later tokens."""
        return self.keys.lifetime

    @token_lifetime.setter
    def token_lifetime(self, seconds: float) -> None:
        self.keys.lifetime = seconds

    def expire_tokens(self) -> None:
        """Reject every token issued so far; the key stays valid."""
        self.keys.expire_all()

    def revoke_key(self) -> None:
        """Reject the key and all its tokens from now on."""
        self.keys.revoke()

    def rotate_key(self) -> str:
        """Replace the key and return the new one; old tokens stay valid until they expire."""
        return self.keys.rotate()

    @property
    def rate_limits(self) -> WindowKind | None:
        """Kind of the rate limits' windows; None, the default, for no limits."""
        return self.limits.kind

    @rate_limits.setter
    def rate_limits(self, kind: WindowKind | None) -> None:
        self.limits.kind = kind

    @property
    def rate_phase(self) -> float:
        """Seconds by which fixed windows are shifted from the full second or minute."""
        return self.limits.phase

    @rate_phase.setter
    def rate_phase(self, seconds: float) -> None:
        self.limits.phase = seconds

    @property
    def retry_after(self) -> RetryAfter:
        """``Retry-After`` of a 429: None, seconds, ``"exact"`` (the true seconds) or ``"date"``."""
        return self.limits.retry_after

    @retry_after.setter
    def retry_after(self, form: RetryAfter) -> None:
        self.limits.retry_after = form

    @property
    def rejected(self) -> int:
        """Number of requests that a rate limit rejected."""
        return self.limits.rejected

    def remember(self, request: RecordedRequest) -> None:
        """Record a request; beyond ``remember``, the oldest one is removed."""
        self.requests.append(request)

    def seen(self, method: str | None = None, path: str | None = None) -> list[RecordedRequest]:
        """Return the recorded requests with this method and this path or template."""
        return [
            request
            for request in self.requests
            if (method is None or request.method == method.upper())
            and (path is None or path in {request.path, request.template})
        ]

    def clear(self) -> None:
        """Remove recorded requests and faults; late requests stay."""
        self.requests.clear()
        self.faults.clear()

    def between_pages(
        self, callback: Callable[[RecordedPage], Awaitable[None] | None] | None
    ) -> None:
        """Set a callback for each page of a listing, called before the page is sent.

        Changes by the callback are visible from the next page on, because count and rows of a page
        are one snapshot. Single records are not pages.

        Args:
            callback: The callback; None removes it.
        """
        self.page_callback = callback
