"""Programs that are interrupted or simply end: at once, and without a word on stderr."""

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

def office(box, nex):
    return nex.practice(box.subdomain).location(box.location_id)

async def start(**options):
    box = Sandbox(patients=40, seed=1)
    box.page_cap = 2
    await box.start()
    return box, await NexHealth(box.api_key, base_url=box.url, **options).open()

@asynccontextmanager
async def scene(**options):
    async with Sandbox(patients=40, seed=1) as box:
        box.page_cap = 2
        async with NexHealth(box.api_key, base_url=box.url, **options) as nex:
            yield box, nex

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
            async with scene() as (box, nex):
                async for patient in office(box, nex).patients.walk(prefetch=4):
                    if not box.latency:  # one signal: a second would end even the closing
                        soon()
                    box.latency = 5
        run(main())
    """,
    "Ctrl-C in the middle of pages by cursor": """
        async def main():
            async with scene(version="v3") as (box, nex):
                box.cursor_page_cap = 1
                async for _ in office(box, nex).patient_recalls.walk().pages():
                    interrupt()
        run(main())
    """,
    "Ctrl-C while logging in": """
        async def main():
            async with scene() as (box, nex):
                box.latency = 5
                soon()
                await nex.log_in()
        run(main())
    """,
    "Ctrl-C at the gate": """
        async def main():
            rates = Rates(overall=Limit(2, 60))
            async with scene(rates=rates) as (box, nex):
                soon(0.3)
                async for _ in office(box, nex).patients.walk():
                    pass
        run(main())
    """,
    "Ctrl-C while the decoders are built": """
        async def main():
            async with scene(preload=[]) as (box, nex):
                interrupt()
                async with NexHealth("an-invented-key", preload=["patients", "appointments"]):
                    await asyncio.sleep(5)
        run(main())
    """,
    "Ctrl-C through a loop driven by hand, closed in order": """
        async def walk(box, nex):
            async for _ in office(box, nex).patients.walk(prefetch=4):
                interrupt()
        loop = asyncio.new_event_loop()
        box, nex = loop.run_until_complete(start())
        try:
            loop.run_until_complete(walk(box, nex))
        except KeyboardInterrupt:
            print("interrupted")
        for task in asyncio.all_tasks(loop):
            if "walk" in repr(task):
                task.cancel()
        loop.run_until_complete(nex.aclose())
        loop.run_until_complete(box.stop())
        loop.close()
    """,
    "a walk suspended in a global, its session closed": """
        async def main():
            global walk
            async with scene() as (box, nex):
                walk = office(box, nex).patients.walk(prefetch=4)
                await anext(walk)
        run(main())
    """,
    "pages suspended in a cycle, its session closed": """
        async def main():
            global cycle
            async with scene() as (box, nex):
                walk = office(box, nex).patients.walk(prefetch=4).pages()
                await anext(walk)
                cycle = [walk]
                cycle.append(cycle)
        run(main())
        del cycle
    """,
    "a walk that outlives its loop": """
        loop = asyncio.new_event_loop()
        box, nex = loop.run_until_complete(start())
        walk = office(box, nex).patients.walk(prefetch=4)
        loop.run_until_complete(anext(walk))
        loop.run_until_complete(nex.aclose())
        loop.run_until_complete(box.stop())
        loop.close()
        del walk
        print("ended")
    """,
    "a walk left under way when main returns": """
        async def read(box, nex):
            async for _ in office(box, nex).patients.walk(prefetch=4):
                box.latency = 5
        async def main():
            async with scene() as (box, nex):
                task = asyncio.ensure_future(read(box, nex))
                await asyncio.sleep(0.1)
                task.cancel()
        run(main())
    """,
    "an exit from inside a walk": """
        async def main():
            async with scene() as (box, nex):
                async for _ in office(box, nex).patients.walk(prefetch=4):
                    box.latency = 5
                    print("ended", flush=True)
                    sys.exit(0)
        run(main())
    """,
    "an error of the caller's own from inside a walk": """
        class Own(Exception):
            pass
        async def main():
            async with scene() as (box, nex):
                async for _ in office(box, nex).patients.walk(prefetch=4):
                    box.latency = 5
                    raise Own
        try:
            run(main())
        except Own:
            print("ended")
    """,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_ends_at_once_and_says_nothing(name: str) -> None:
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
