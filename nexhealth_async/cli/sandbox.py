"""``nexhealth sandbox``: serve an invented practice until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from nexhealth_async.cli import terminal
from nexhealth_async.cli.exit_status import FAILED, CliError, run

if TYPE_CHECKING:
    from nexhealth_async.sandbox import Sandbox

__all__ = ["sandbox"]

_HIGHEST_PORT = 65535


def sandbox(
    *,
    patients: Annotated[int, Parameter(help="Number of patients.")] = 5000,
    appointments: Annotated[
        int | None,
        Parameter(help="Number of appointments; by default eight per five patients."),
    ] = None,
    seed: Annotated[
        int, Parameter(help="Seed of the data; the same seed gives the same data.")
    ] = 1,
    port: Annotated[int, Parameter(help="Port of 127.0.0.1 to listen on; 0 takes a free one.")] = 0,
    latency: Annotated[float, Parameter(help="Delay of each response in milliseconds.")] = 0,
    sync: Annotated[
        float,
        Parameter(
            help="Seconds between syncs with the practice's system, which process writes and "
            "send webhooks; 0: never."
        ),
    ] = 1,
    versions: Annotated[
        tuple[Literal["v2", "v3"], ...],
        Parameter(
            negative="",
            help="API version that the account may use; repeat it for several. With v3 alone, v2 "
            "is refused, as for accounts created since August 2026.",
        ),
    ] = ("v2", "v3"),
) -> int:
    """Serve a practice with invented records until Ctrl-C.

    Prints the URL and the key, and how to use them in another terminal.
    """
    from nexhealth_async.sandbox import Sandbox

    if not 0 <= port <= _HIGHEST_PORT:
        raise CliError(f"--port takes 0 to {_HIGHEST_PORT}.")
    if min(patients, appointments or 0, latency, sync) < 0:
        raise CliError("--patients, --appointments, --latency and --sync must be at least 0.")
    # The key stays the same after a restart, so that clients configured with it still work.
    key = f"sandbox-key-of-seed-{seed}"
    server = Sandbox(
        patients=patients,
        appointments=appointments,
        seed=seed,
        api_key=key,
        versions=frozenset(versions),
    )
    server.latency = latency / 1000
    run(_serve(server, port, sync))
    return 0


async def _serve(sandbox: Sandbox, port: int, sync: float) -> None:
    try:
        await sandbox.start(port=port)
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno else "listening failed"
        raise CliError(
            f"Port {port} cannot be used: {reason}; choose another, or leave out --port.",
            status=FAILED,
        ) from None
    try:
        terminal.write(
            f"Sandbox with {len(sandbox.patients)} patients (seed {sandbox.seed})\n"
            f"  URL        {sandbox.url}\n"
            f"  Key        {sandbox.api_key}\n"
            f"  Subdomain  {sandbox.subdomain}\n"
            f"  Location   {sandbox.location_id}\n"
            "\n"
            "In another terminal:\n"
            f"  export NEXHEALTH_BASE_URL={sandbox.url} NEXHEALTH_API_KEY={sandbox.api_key}\n"
            f"  nexhealth pull patients --practice {sandbox.subdomain} "
            f"--location {sandbox.location_id}\n"
            "\n"
            "Press Ctrl-C to stop.\n"
        )
        while sync:
            await asyncio.sleep(sync)
            sandbox.sync()
        await asyncio.Event().wait()
    finally:
        await sandbox.stop()
