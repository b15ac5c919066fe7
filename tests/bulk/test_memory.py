"""Memory of a pull with a slow consumer: pages as bytes, records of one page only."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING

import pytest

from nexhealth_async.bulk import Batch
from nexhealth_async.errors import WalkClosedError
from nexhealth_async.models import Patient
from tests.bulk.helpers import VERSIONS, by_group, scene, truth

if TYPE_CHECKING:
    from collections.abc import Sequence

PER_PAGE = 100


def alive() -> int:
    """Count the patients in memory."""
    return sum(isinstance(obj, Patient) for obj in gc.get_objects())


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_slow_consumer_holds_the_records_of_one_page(version: str) -> None:
    """Pages of several lists wait as bytes, and are decoded on demand."""
    async with scene(version, practices=3, locations=1, patients=450) as (sandbox, nex):
        gc.collect()
        before = alive()
        async with nex.bulk.pull(["patients"], per_page=PER_PAGE) as pull:
            ids: dict[str | None, list[int]] = {}
            shards = set[str]()
            async for batch in pull:
                await all_read(sandbox.requests)
                assert alive() - before == len(batch.records) <= PER_PAGE
                shards.add(batch.shard.name)
                for name, found in by_group([batch], "patients").items():
                    ids.setdefault(name, []).extend(found)
        assert {name: sorted(found) for name, found in ids.items()} == truth(sandbox, "patients")
        assert len(shards) >= 3


async def all_read(requests: Sequence[object]) -> None:
    """Wait until the readers make no more requests."""
    seen = -1
    while seen != len(requests):
        seen = len(requests)
        await asyncio.sleep(0.05)


async def test_cancelling_between_two_batches_loses_nothing() -> None:
    async with scene(practices=1, locations=2, patients=400) as (sandbox, nex):
        batches: list[Batch] = []
        async with nex.bulk.pull(["patients"], per_page=400) as pull:
            cut = 0
            while True:
                step = asyncio.ensure_future(anext(pull))
                for _ in range(3):
                    await asyncio.sleep(0)
                held = pull.snapshot().records
                if step.cancel():
                    cut += 1
                try:
                    batches.append(await step)
                except asyncio.CancelledError:
                    assert pull.snapshot().records == held
                    continue
                except StopAsyncIteration:
                    break
        assert by_group(batches, "patients") == truth(sandbox, "patients")
        assert cut > 5
        pull.report.raise_if_partial()


async def test_closing_while_a_page_is_decoded_ends_the_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "nexhealth_async.pagination.batch_decoder._BATCH_SIZE", 1
    )  # so that it takes its time
    async with scene(practices=1, locations=1, patients=900) as (_, nex):
        pull = nex.bulk.pull(["patients"], per_page=900)
        async with pull:
            step = asyncio.ensure_future(anext(pull))
            engine = pull._engine
            assert engine is not None
            while engine._decoding is None:
                await asyncio.sleep(0)
            assert not step.done()
        with pytest.raises(WalkClosedError, match="this pull was closed"):
            await step
        assert pull.report.records == 0
