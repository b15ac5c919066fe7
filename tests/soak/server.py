"""The sandbox of the soak test, in a separate process, so that its memory is not measured.

It injects faults until its standard input is closed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import random
import sys

from nexhealth_async.sandbox import Sandbox

__all__ = ["serve"]

_PAUSE = 0.02
"""Probability of a 429 among those faults that may be one: all wait a second for each."""
_EXPIRY = 0.001
"""How likely a fault comes with the end of all tokens. One younger than 10 s is not replaced, so
that calls are refused for that long if it happens twice in a row."""


def misbehave(sandbox: Sandbox, rng: random.Random) -> None:
    """Inject one fault of any kind."""
    if rng.random() < _EXPIRY:
        sandbox.expire_tokens()
    match rng.randrange(8):
        case 0:
            sandbox.fail_next(rng.choice([500, 502, 503, 504]), times=rng.randint(1, 3))
        case 1 if rng.random() < _PAUSE:
            sandbox.fail_next(429)
        case 2:
            sandbox.drop_next(when=rng.choice(["before", "after", "mid_body"]))
        case 3:
            sandbox.truncate_next()
        case 4:
            sandbox.garbage_next()
        case 5:
            sandbox.empty_next()
        case 6:
            sandbox.delay_next(rng.uniform(0.005, 0.05))
        case _:
            sandbox.fail_next(rng.choice([400, 401, 403, 404]))


async def serve(*, seed: int, patients: int, page: int, pause: float) -> None:
    """Run until standard input ends; the first line of output is the address."""
    rng = random.Random(seed)
    # That it cannot answer those who went away is the point, and no news.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    async with Sandbox(patients=patients, seed=seed, remember=10) as sandbox:
        sandbox.page_cap = sandbox.cursor_page_cap = page
        tell(sandbox)
        loop = asyncio.get_running_loop()
        ended = loop.run_in_executor(None, sys.stdin.read)
        while not ended.done():
            await asyncio.wait((ended,), timeout=rng.uniform(0, 2 * pause))
            if len(sandbox.faults) < 3:
                misbehave(sandbox, rng)


def tell(sandbox: Sandbox) -> None:
    """Print the settings that a client needs."""
    settings = {
        "api_key": sandbox.api_key,
        "url": sandbox.url,
        "subdomain": sandbox.subdomain,
        "location_id": sandbox.location_id,
        "patients": sorted(sandbox.patients.ids),
    }
    sys.stdout.write(json.dumps(settings) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--patients", type=int, default=12)
    parser.add_argument("--page", type=int, default=4)
    parser.add_argument("--pause", type=float, default=0.02)
    asyncio.run(serve(**vars(parser.parse_args())))
