"""Every kind of operation under every fault at every moment, cell by cell."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from attrs import define, frozen

from nexhealth_async import NexHealth, NexHealthError, OutcomeUnknownError, RetryPolicy
from nexhealth_async._client import transport
from nexhealth_async.sandbox import Sandbox
from tests.session.faults.expected_outcomes import (
    ATTEMPTS,
    ExpectedOutcome,
    expected,
    has_same_outcome_twice,
)
from tests.session.faults.fault_table import FAULTS, LARGEST, FaultCase, FaultTarget
from tests.session.faults.operations import (
    CONTENT,
    OPERATIONS,
    PATIENTS,
    FaultOperation,
    FaultStage,
)
from tests.session.transport_error_helpers import LoopClock, check_text

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from nexhealth_async.sandbox import RecordedPage
    from tests.conftest import MovableLoop
    from tests.session.faults.expected_outcomes import Moment

ATTEMPT, TIMEOUT = 5.0, 60.0
FOR_EVER = 1_000
OPEN_FILES = Path("/proc/self/fd")


@frozen
class MatrixCell:
    """One cell of the matrix."""

    operation: FaultOperation
    fault: FaultCase
    moment: Moment
    lasting: bool

    @property
    def outcome(self) -> ExpectedOutcome:
        return expected(self.operation, self.fault, self.moment, lasting=self.lasting)

    @property
    def target(self) -> tuple[str, str]:
        """Verb and path of the requests that meet the fault."""
        if self.moment == "login":
            return "POST", "/authenticates"
        return self.operation.method, self.operation.path


CELLS = {
    f"{name}-{moment}-{fault}-{'always' if lasting else 'once'}".replace(" ", "_"): MatrixCell(
        operation, FAULTS[fault], moment, lasting
    )
    for name, operation in OPERATIONS.items()
    for moment in operation.moments
    for fault in FAULTS
    for lasting in ((True,) if has_same_outcome_twice(FAULTS[fault]) else (False, True))
}


@define
class FaultInjection:
    """Injects the fault at its moment, and counts the requests before it."""

    cell: MatrixCell
    stage: FaultStage
    before: int = 0
    laid: bool = False

    def lay(self) -> None:
        method, path = self.cell.target
        times = FOR_EVER if self.cell.lasting else 1
        self.laid = True
        self.before = len(self.stage.sandbox.seen(method, path))
        self.cell.fault.order(
            FaultTarget(sandbox=self.stage.sandbox, method=method, path=path, times=times)
        )

    def page_shown(self, shown: RecordedPage) -> None:
        if not self.laid and shown.page == {"middle page": 1, "last page": 2}[self.cell.moment]:
            self.lay()

    @property
    def arrived(self) -> int:
        return len(self.stage.sandbox.seen(*self.cell.target)) - self.before


@asynccontextmanager
async def staged(operation: FaultOperation) -> AsyncGenerator[FaultStage]:
    """A sandbox and a session; checks afterwards that no task and no file is left open."""
    tasks, files = asyncio.all_tasks(), open_files()
    retry = RetryPolicy(attempts=ATTEMPTS, base_delay=0.5, attempt_timeout=ATTEMPT)
    async with (
        Sandbox(patients=PATIENTS, seed=1, appointments=0, clock=LoopClock()) as sandbox,
        NexHealth(
            sandbox.api_key,
            base_url=sandbox.url,
            version=operation.version,
            retry=retry,
            timeout=TIMEOUT,
            preload=operation.preload,
        ) as nex,
    ):
        practice = sandbox.practice
        document = practice.documents.add(
            {"patient_id": sandbox.patients.ids[0], "type": "image/gif"}
        )
        practice.documents.update(document, url=f"/documents/{document}/download")
        practice.document_bytes[document] = CONTENT
        yield FaultStage(
            sandbox=sandbox,
            nex=nex,
            location=nex.practice(sandbox.subdomain).location(sandbox.location_id),
            kind=sandbox.appointment_types.ids[0],
            document=document,
        )
    for _ in range(3):
        await asyncio.sleep(0)
    assert asyncio.all_tasks() <= tasks
    assert open_files() <= files


def open_files() -> int:
    return len(list(OPEN_FILES.iterdir())) if OPEN_FILES.exists() else 0


async def call(stage: FaultStage, operation: FaultOperation) -> NexHealthError | None:
    try:
        await operation.does(stage)
    except NexHealthError as error:
        return error
    return None


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
async def test_every_fault_has_its_expected_outcome(
    cell: MatrixCell, loop: MovableLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "_MAX_BODY_BYTES", LARGEST)
    operation, outcome = cell.operation, cell.outcome
    async with staged(operation) as stage:
        ambush = FaultInjection(cell, stage)
        if cell.moment != "login":
            await stage.nex.log_in()
            loop.shift(11)  # a token that is no longer new may be replaced after a 401
        if cell.moment in {"middle page", "last page"}:
            stage.sandbox.between_pages(ambush.page_shown)
        else:
            ambush.lay()
        began, loop.skip_waits, loop.io_wait = loop.time(), True, 0.002
        error = await call(stage, operation)
        loop.skip_waits = False
        # A file may take as long as it comes; each wait for more is bounded.
        assert operation.reads == "file" or loop.time() - began < TIMEOUT + 1
        assert ambush.laid
        check(cell, stage, error, ambush.arrived, outcome)
        await check_session(stage, loop)
        await check_records(cell, stage, error)


def check(
    cell: MatrixCell,
    stage: FaultStage,
    error: NexHealthError | None,
    arrived: int,
    outcome: ExpectedOutcome,
) -> None:
    """Compare the observed outcome with the expected one."""
    operation = cell.operation
    assert type(error) is (outcome.error or type(None)), repr(error)
    if cell.fault.arrives:
        last = 1 if outcome.error is None and "page" in cell.moment else 0
        following = {"first page": 2, "middle page": 1}.get(cell.moment, 0) * last
        assert arrived == outcome.sent + following
    else:
        assert arrived == (0 if error is not None else arrived)
    if operation.effect is not None:
        assert operation.effect(stage) == outcome.done
    if error is None:
        return
    name = "POST /authenticates" if cell.moment == "login" else operation.name
    check_text(error, operation=name, attempts=outcome.attempts, secrets=("Invented", "a.pdf"))
    if isinstance(error, OutcomeUnknownError):
        assert error.lookup == operation.lookup
        assert operation.lookup
        assert operation.lookup in str(error)


async def check_session(stage: FaultStage, loop: MovableLoop) -> None:
    """Check that the session still works and holds no connection."""
    sandbox = stage.sandbox
    sandbox.between_pages(None)
    sandbox.clear()
    await sandbox.accept_connections()
    loop.shift(400)  # a failed login is remembered for a while
    answer = await stage.nex.request("GET", "/institutions")
    assert answer.count == 1
    assert len(sandbox.seen("GET", "/institutions")) == 1
    assert not any("cookie" in request.headers for request in sandbox.requests)
    ours = stage.nex._client.state.transport
    for session in (ours._pooled, ours._single):
        if session is not None:
            assert session.connector is not None
            assert not session.connector._acquired


async def check_records(cell: MatrixCell, stage: FaultStage, error: NexHealthError | None) -> None:
    """Check that no record is lost or repeated, also when a broken walk is resumed."""
    if cell.operation.path == "/patients" and cell.operation.reads == "list":
        pages = {"middle page": 1, "last page": 2}.get(cell.moment, 0)
        assert error is None or stage.got == list(stage.sandbox.patients.ids[: pages * 10])
        if error is not None and error.resume is not None:
            rest = stage.location.patients.walk(after=error.resume)
            stage.got += [one.id async for one in rest]
            error = None
        assert error is not None or stage.got == list(stage.sandbox.patients.ids)
    if cell.operation.reads == "file" and error is None and not cell.fault.leaves_status:
        assert stage.read in {CONTENT, b""}


def test_the_matrix_has_its_full_size() -> None:
    """Each kind, moment and fault occurs; unsafe writes meet every fault."""
    assert len(CELLS) > 1_500
    unsafe = [cell for cell in CELLS.values() if not cell.operation.safe and cell.moment == "call"]
    assert len({id(cell.fault) for cell in unsafe}) == len(FAULTS)
    errors = Counter(cell.outcome.error for cell in CELLS.values())
    assert len(errors) == 15
    assert errors[OutcomeUnknownError] > 100
