"""``nexhealth sandbox``: serve invented practices until Ctrl-C."""

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
    patients: Annotated[int, Parameter(help="How many patients the practice has.")] = 5000,
    appointments: Annotated[
        int | None,
        Parameter(help="How many appointments it has; by default eight for five patients."),
    ] = None,
    seed: Annotated[int, Parameter(help="The same seed gives the same records.")] = 1,
    port: Annotated[int, Parameter(help="Port of 127.0.0.1 to listen on; 0 takes a free one.")] = 0,
    latency: Annotated[float, Parameter(help="Milliseconds before each answer.")] = 0,
    sync: Annotated[
        float,
        Parameter(
            help="Seconds after which the practice's system takes up what was written, and "
            "webhooks tell of it; 0: never."
        ),
    ] = 1,
    versions: Annotated[
        tuple[Literal["v2", "v3"], ...],
        Parameter(
            negative="",
            help="Version of the API that the account may use; give it for each. v3 alone refuses "
            "v2, as accounts made since August 2026 do.",
        ),
    ] = ("v2", "v3"),
) -> int:
    """Serve a practice of invented records until Ctrl-C.

    Prints the address and the key, and how to use them from another terminal.
    """
    from nexhealth_async.sandbox import Sandbox

    if not 0 <= port <= _HIGHEST_PORT:
        raise CliError(f"--port goes from 0 to {_HIGHEST_PORT}.")
    if min(patients, appointments or 0, latency, sync) < 0:
        raise CliError("--patients, --appointments, --latency and --sync cannot be below 0.")
    # The same key again after a restart: what was told of it elsewhere goes on.
    key = f"sandbox-key-of-seed-{seed}"
    box = Sandbox(
        patients=patients,
        appointments=appointments,
        seed=seed,
        api_key=key,
        versions=frozenset(versions),
    )
    box.latency = latency / 1000
    run(_serve(box, port, sync))
    return 0


async def _serve(sandbox: Sandbox, port: int, sync: float) -> None:
    try:
        await sandbox.start(port=port)
    except OSError as error:
        why = os.strerror(error.errno).lower() if error.errno else "it cannot be listened on"
        raise CliError(
            f"Port {port} cannot be used: {why}; choose another, or leave out --port.",
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
            "Ctrl-C ends it.\n"
        )
        while sync:
            await asyncio.sleep(sync)
            sandbox.sync()
        await asyncio.Event().wait()
    finally:
        await sandbox.stop()
