"""Programs that are interrupted or exit: they stop at once, with nothing on stderr."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from time import monotonic

import pytest

COMMON = """
import asyncio, os, signal, sys
from contextlib import asynccontextmanager
from nexhealth_async import NexHealth, Limit, Rates
from nexhealth_async.sandbox import Sandbox

def interrupt():
    os.kill(os.getpid(), signal.SIGINT)

def soon(seconds=0.05):
    asyncio.get_running_loop().call_later(seconds, interrupt)

def open_location(sandbox, nex):
    return nex.practice(sandbox.subdomain).location(sandbox.location_id)

async def start(**options):
    sandbox = Sandbox(patients=40, seed=1)
    sandbox.page_cap = 2
    await sandbox.start()
    return sandbox, await NexHealth(sandbox.api_key, base_url=sandbox.url, **options).open()

@asynccontextmanager
async def scene(**options):
    async with Sandbox(patients=40, seed=1) as sandbox:
        sandbox.page_cap = 2
        async with NexHealth(sandbox.api_key, base_url=sandbox.url, **options) as nex:
            yield sandbox, nex

def run(main):
    try:
        asyncio.run(main)
    except KeyboardInterrupt:
        print("interrupted")
    else:
        print("ended")
"""

PROGRAMS = {
    "Ctrl-C in the middle of a walk": """
        async def main():
            async with scene() as (sandbox, nex):
                async for patient in open_location(sandbox, nex).patients.walk(prefetch=4):
                    if not sandbox.latency:  # one signal: a second would end even the closing
                        soon()
                    sandbox.latency = 5
        run(main())
    """,
    "Ctrl-C in the middle of pages by cursor": """
        async def main():
            async with scene(version="v3") as (sandbox, nex):
                sandbox.cursor_page_cap = 1
                async for _ in open_location(sandbox, nex).patient_recalls.walk().pages():
                    interrupt()
        run(main())
    """,
    "Ctrl-C while logging in": """
        async def main():
            async with scene() as (sandbox, nex):
                sandbox.latency = 5
                soon()
                await nex.log_in()
        run(main())
    """,
    "Ctrl-C at the gate": """
        async def main():
            rates = Rates(overall=Limit(2, 60))
            async with scene(rates=rates) as (sandbox, nex):
                soon(0.3)
                async for _ in open_location(sandbox, nex).patients.walk():
                    pass
        run(main())
    """,
    "Ctrl-C while the decoders are built": """
        async def main():
            async with scene(preload=[]) as (sandbox, nex):
                interrupt()
                async with NexHealth("an-invented-key", preload=["patients", "appointments"]):
                    await asyncio.sleep(5)
        run(main())
    """,
    "Ctrl-C through a loop driven by hand, closed in order": """
        async def walk(sandbox, nex):
            async for _ in open_location(sandbox, nex).patients.walk(prefetch=4):
                interrupt()
        loop = asyncio.new_event_loop()
        sandbox, nex = loop.run_until_complete(start())
        try:
            loop.run_until_complete(walk(sandbox, nex))
        except KeyboardInterrupt:
            print("interrupted")
        for task in asyncio.all_tasks(loop):
            if "walk" in repr(task):
                task.cancel()
        loop.run_until_complete(nex.aclose())
        loop.run_until_complete(sandbox.stop())
        loop.close()
    """,
    "a walk suspended in a global, its session closed": """
        async def main():
            global walk
            async with scene() as (sandbox, nex):
                walk = open_location(sandbox, nex).patients.walk(prefetch=4)
                await anext(walk)
        run(main())
    """,
    "pages suspended in a cycle, its session closed": """
        async def main():
            global cycle
            async with scene() as (sandbox, nex):
                walk = open_location(sandbox, nex).patients.walk(prefetch=4).pages()
                await anext(walk)
                cycle = [walk]
                cycle.append(cycle)
        run(main())
        del cycle
    """,
    "a walk that outlives its loop": """
        loop = asyncio.new_event_loop()
        sandbox, nex = loop.run_until_complete(start())
        walk = open_location(sandbox, nex).patients.walk(prefetch=4)
        loop.run_until_complete(anext(walk))
        loop.run_until_complete(nex.aclose())
        loop.run_until_complete(sandbox.stop())
        loop.close()
        del walk
        print("ended")
    """,
    "a walk left under way when main returns": """
        async def read(sandbox, nex):
            async for _ in open_location(sandbox, nex).patients.walk(prefetch=4):
                sandbox.latency = 5
        async def main():
            async with scene() as (sandbox, nex):
                task = asyncio.ensure_future(read(sandbox, nex))
                await asyncio.sleep(0.1)
                task.cancel()
        run(main())
    """,
    "an exit from inside a walk": """
        async def main():
            async with scene() as (sandbox, nex):
                async for _ in open_location(sandbox, nex).patients.walk(prefetch=4):
                    sandbox.latency = 5
                    print("ended", flush=True)
                    sys.exit(0)
        run(main())
    """,
    "an error of the caller's own from inside a walk": """
        class Own(Exception):
            pass
        async def main():
            async with scene() as (sandbox, nex):
                async for _ in open_location(sandbox, nex).patients.walk(prefetch=4):
                    sandbox.latency = 5
                    raise Own
        try:
            run(main())
        except Own:
            print("ended")
    """,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_exits_promptly_and_prints_nothing(name: str) -> None:
    script = COMMON + textwrap.dedent(PROGRAMS[name])
    began = monotonic()
    done = subprocess.run(  # noqa: S603 - a program of this file
        [sys.executable, "-W", "always", "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.split() == ["interrupted" if "Ctrl-C" in name else "ended"]
    assert done.returncode == 0
    assert monotonic() - began < 20
