"""A background worker: every minute, what has changed since the last time is read and handled.

::

    export NEXHEALTH_API_KEY=... NEXHEALTH_SUBDOMAIN=... NEXHEALTH_LOCATION_ID=...
    export NEXHEALTH_API_VERSION=v3  # or v2; without it the account decides
    python worker.py

SIGTERM and Ctrl-C end it after the record in hand, and at the longest after the 10 seconds that a
request may take. How far it came is remembered in a file, so that a worker that was stopped, or
lost its power, goes on where the last whole round ended: a record may be handled twice, never left
out.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from nexhealth_async import InvalidAPIKeyError, NexHealth, NexHealthError
from nexhealth_async.models import Patient

__all__ = ["Worker", "main"]

LOG = logging.getLogger("worker")
OVERLAP = timedelta(minutes=5)
"""How far back each round begins before the last one: clocks differ, and writes take time."""


class Worker:
    """Reads changed patients in rounds, until it is told to stop."""

    def __init__(
        self,
        nex: NexHealth,
        handle: Callable[[Patient], Awaitable[None]],
        *,
        state: Path,
        every: float = 60.0,
    ) -> None:
        self._nex = nex
        self._handle = handle
        self._state = state
        self._every = every
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """End the work after the record in hand."""
        self._stopping.set()

    async def run(self) -> None:
        """Work until `stop` is called; a round that fails is tried again in the next one."""
        while not self._stopping.is_set():
            try:
                await self._round()
            except InvalidAPIKeyError:
                raise  # nothing will mend that by itself
            except NexHealthError as error:
                LOG.warning("this round failed: %s", error)  # errors hold nothing personal
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._every)

    async def _round(self) -> None:
        began = datetime.now(UTC)
        changed = self._nex.patients.walk(updated_since=self._since())
        handled = 0
        async with aclosing(changed):  # it may be left early
            async for patient in changed:
                await self._handle(patient)
                handled += 1
                if self._stopping.is_set():
                    return
        self._remember(began)
        LOG.info("%d patients had changed", handled)

    def _since(self) -> datetime:
        if not self._state.exists():
            return datetime(2000, 1, 1, tzinfo=UTC)
        return datetime.fromisoformat(self._state.read_text(encoding="utf-8")) - OVERLAP

    def _remember(self, began: datetime) -> None:
        new = self._state.with_suffix(".new")
        new.write_text(began.isoformat(), encoding="utf-8")
        new.replace(self._state)  # whole or not at all


async def log_patient(patient: Patient) -> None:
    """Do what your program does with a patient; here its id is logged, and nothing else of it."""
    LOG.info("patient %d", patient.id)


async def main(state: Path = Path("worker.state"), every: float = 60.0) -> None:
    """Run a worker until the process is told to end."""
    async with NexHealth(
        subdomain=os.environ["NEXHEALTH_SUBDOMAIN"],
        location_id=int(os.environ["NEXHEALTH_LOCATION_ID"]),
        timeout=10,
    ) as nex:
        await nex.log_in()
        worker = Worker(nex, log_patient, state=state, every=every)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, worker.stop)
        await worker.run()
    LOG.info("stopped")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    try:
        asyncio.run(main())
    except InvalidAPIKeyError as refused:
        raise SystemExit(str(refused)) from None
