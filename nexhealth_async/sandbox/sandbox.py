"""The sandbox as users hold it: start it, point a client at it, and tell it how to misbehave."""

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
"""The day around which seeded records lie, unless told otherwise."""


class Sandbox(ConnectionFaults):
    """An API server of invented practices on 127.0.0.1, for tests.

    .. code-block:: python

        async with Sandbox(patients=5000, seed=1) as box:
            async with NexHealth(box.api_key, base_url=box.url) as nex:
                office = nex.practice(box.subdomain).location(box.location_id)
                assert await office.patients.walk().count() == 5000

    The same arguments give the same records, ids and times included; tokens differ, and the key
    unless ``api_key`` names one, which is never to be one of NexHealth's. Data,
    clock and switches may be changed at any time, before the start too. It speaks v2 and v3,
    whichever a request names, about the same records. Where the vendor's documents are silent, see
    ``guesses``.

    ``anchor`` is the day around which seeded records lie: it does not follow the clock, so that
    data stay the same; pass ``date.today()`` to have visits just passed and just to come.
    ``appointments`` counts visits; by default there are eight for five patients. ``operatories``
    counts rooms in each office; ``timezone`` is the offices' IANA zone. ``clock`` moves what the
    server believes the time to be, see ``Clock``. ``versions`` names the versions the account may
    use: ``{"v3"}`` is an account that refuses v2.

    ``practice_system=False`` is a fresh test account: it has sample data and no practice's system
    behind them, so that `sync` takes up nothing, no write is ever complete, and ``GET
    /sync_status`` is empty. ``practice.connected = True`` connects one later.
    """

    page_cap: int
    """The largest page given, whatever ``per_page`` asks (300 as documented); more is cut in
    silence, which is a guess."""

    cursor_page_cap: int
    """As above for v3's pages by cursor (1000 as documented)."""

    financial_access: bool
    """Whether the key sees charges, payments and the like; when off, they are a 403."""

    count_as: CountAs
    """How paged listings report their total; ``"total"`` is the truth."""

    versions: frozenset[Version]
    """The versions the account may use; ``{"v3"}`` refuses v2 as new accounts see it."""

    media_type: str
    """The ``Content-Type`` of replies."""

    latency: float
    """Real seconds every reply takes longer."""

    jitter: float
    """Real seconds by which latency varies, up and down, drawn from the seed."""

    in_flight: int
    """Requests being answered at this moment."""

    most_in_flight: int
    """The most requests that were being answered at once; set it to 0 to start again."""

    requests: deque[RecordedRequest]
    """The requests seen, oldest first; ``remember=`` bounds how many are kept."""

    late: list[LateCommit]
    """Requests whose connection broke, and that are still to be carried out."""

    identified: bool
    """Whether replies carry the header ``Nexhealth-Sandbox``, by which copies recognize a sandbox,
    its seed and its options. Off, it passes for a server of real accounts."""

    insertions: deque[Insertion]
    """What became of each record in `sync`, oldest first, as many as of the requests."""

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
                    at,
                    seed=seed,
                    subdomain="sandbox-dental" if at == 1 else f"sandbox-dental-{at}",
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
                for at in range(1, practices + 1)
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
        """
        if self._runner is not None:
            raise RuntimeError("This sandbox runs already.")
        application = web.Application(client_max_size=64 * 1024 * 1024)
        application.on_response_prepare.append(self._sign)
        application.router.add_route("*", "/{path:.*}", RequestHandler(self).handle)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            self.door.serve(runner)
            await self.door.open(port)
        except OSError:
            await runner.cleanup()
            raise
        self._runner, self._url = runner, f"http://127.0.0.1:{self.door.port}"
        await self.webhooks.start()
        return self

    async def stop(self) -> None:
        """Close all connections and stop listening; ``url`` stays, for tests of refusal."""
        runner, self._runner = self._runner, None
        try:
            await self.door.finish()
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
        """Where it listens, for ``base_url``; without a slash at the end."""
        if self._url is None:
            raise RuntimeError("Start the sandbox first: async with Sandbox() as box.")
        return self._url

    # What it holds

    @property
    def practices(self) -> list[Practice]:
        """All practices; the tables below are the first one's."""
        return self.world.practices

    @property
    def practice(self) -> Practice:
        """The first practice."""
        return self.world.practices[0]

    @property
    def subdomain(self) -> str:
        """The first practice's slug."""
        return self.practice.subdomain

    @property
    def location_id(self) -> int:
        """The first practice's first office."""
        return self.practice.locations.ids[0]

    @property
    def patients(self) -> Rows[PatientRow]:
        """The first practice's patients: insert, delete, update, move."""
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
        """What the vendor leaves open, as switches."""
        return self.world.guesses

    def sync(
        self, *, fail: Collection[int | str] = (), outcome: InsertionOutcome = "failed"
    ) -> int:
        """Let the practice's system take up what was written; returns how many records it took.

        New appointments and patients get a ``foreign_id``, ``foreign_id_type`` and
        ``last_sync_time``; new patients stop being ``new_patient``. Payments and adjustments
        accepted show in the ledger from now on, and onboardings are complete.

        ``fail`` names what it does not take, now or later: appointments and patients by id,
        payments and adjustments by ``transaction_id``. They stay as they are, and ``outcome`` is
        what webhooks tell of them. ``insertions`` has what became of each record.
        """
        taken = [
            one
            for practice in self.practices
            for one in insert_pending(practice, self.clock.now(), frozenset(fail), outcome)
        ]
        self.insertions.extend(taken)
        for one in taken:
            if one.refusal is not None:
                self.webhooks.emit(one.refusal, one.practice, one.table, one.record)
        now = format_timestamp(self.clock.now())
        for id in self.world.onboardings.where("status", "in_progress").copy():
            self.world.onboardings.update(id, status="complete", availability_ready_at=now)
        return sum(one.outcome == "complete" for one in taken)

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
        """Deliver an event now, and return the attempts made, with the statuses they met.

        ``event`` is its name with outcome: ``appointment_insertion.failed``. It is about the record
        ``id`` (the first one, unless told), or ``data`` is sent as it is: any event can be made up
        so, one that nobody knows too. It goes to all who subscribed to it, or ``to`` an address,
        signed with ``secret`` and in the shape of ``version``: then nothing needs to be subscribed,
        and it is sent once. ``more`` are further members of the body, such as
        ``previous_attributes``. Changes are told without this, see ``webhooks``.
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
        """Do what late requests asked, as far as it is due; returns how many there were.

        See ``commit_late_next``. Each is judged at this moment: a time that is taken by now is
        refused. Every request that comes in does the same first.
        """
        now = self.clock.now()
        due = sorted((one for one in self.late if one.due <= now), key=lambda one: one.due)
        for one in due:
            self.late.remove(one)
            one.commit()
        return len(due)

    # Keys and tokens

    @property
    def api_key(self) -> str:
        """The key that opens this sandbox."""
        return self.keys.api_key

    @property
    def logins(self) -> int:
        """How many tokens were handed out."""
        return self.keys.logins

    @property
    def token_lifetime(self) -> float:
        """Seconds a token lives; changes count for tokens to come."""
        return self.keys.lifetime

    @token_lifetime.setter
    def token_lifetime(self, seconds: float) -> None:
        self.keys.lifetime = seconds

    def expire_tokens(self) -> None:
        """Refuse every token issued so far; the key goes on giving new ones."""
        self.keys.expire_all()

    def revoke_key(self) -> None:
        """Refuse the key and all its tokens from now on."""
        self.keys.revoke()

    def rotate_key(self) -> str:
        """Replace the key and return the new one; tokens of the old one live out their time."""
        return self.keys.rotate()

    # Rates

    @property
    def rate_limits(self) -> WindowKind | None:
        """The kind of windows enforced, or ``None`` (at first) for no limits."""
        return self.limits.kind

    @rate_limits.setter
    def rate_limits(self, kind: WindowKind | None) -> None:
        self.limits.kind = kind

    @property
    def rate_phase(self) -> float:
        """Seconds by which fixed windows are shifted against the full second or minute."""
        return self.limits.phase

    @rate_phase.setter
    def rate_phase(self, seconds: float) -> None:
        self.limits.phase = seconds

    @property
    def retry_after(self) -> RetryAfter:
        """What a 429 says: nothing, these seconds, the true seconds (``exact``) or a ``date``."""
        return self.limits.retry_after

    @retry_after.setter
    def retry_after(self, form: RetryAfter) -> None:
        self.limits.retry_after = form

    @property
    def rejected(self) -> int:
        """How many requests a rate limit refused."""
        return self.limits.rejected

    # What it saw

    def remember(self, request: RecordedRequest) -> None:
        """Keep a request; the oldest is forgotten when ``remember=`` are kept."""
        self.requests.append(request)

    def seen(self, method: str | None = None, path: str | None = None) -> list[RecordedRequest]:
        """The requests kept, narrowed by method and by path or template."""
        return [
            one
            for one in self.requests
            if (method is None or one.method == method.upper())
            and (path is None or path in {one.path, one.template})
        ]

    def clear(self) -> None:
        """Forget the requests seen and the faults still to come; late requests stay."""
        self.requests.clear()
        self.faults.clear()

    def between_pages(
        self, callback: Callable[[RecordedPage], Awaitable[None] | None] | None
    ) -> None:
        """Call this after each page of a listing is rendered, before it leaves; ``None`` stops it.

        What the callback changes shows from the next page on: count and rows of one reply are one
        snapshot. Single records do not count as pages.
        """
        self.page_callback = callback
