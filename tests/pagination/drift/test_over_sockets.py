"""The same walks over real sockets: the results in process hold there too."""

from __future__ import annotations

import random
from contextlib import AsyncExitStack

import pytest

from nexhealth_async import DriftError, NexHealth
from nexhealth_async.sandbox.request_log import RecordedPage
from tests.pagination.drift.changing_list import KINDS, DriftingList, ListKind, Paging, Sort
from tests.pagination.drift.held_source import InProcess, OverSockets
from tests.pagination.drift.promises import WalkVerdict, judge
from tests.pagination.drift.steps import DriftStage, WalkOptions

SORTS: dict[Paging, tuple[Sort, ...]] = {
    "numbered": ("", "updated_at"),
    "cursor": ("id", "updated_at", "-updated_at"),
}


async def played(
    options: WalkOptions, seed: int, *, sockets: bool
) -> tuple[DriftStage, WalkVerdict]:
    """Walk while the list changes after every response, each time in the same way."""
    rng = random.Random(seed)
    changing_list = DriftingList(options.listed, rng.randint(6, 16), cap=options.cap)
    async with AsyncExitStack() as stack:
        if sockets:
            await stack.enter_async_context(changing_list.sandbox)
            version = "v2" if options.listed.paging == "numbered" else "v3"
            session = NexHealth(
                changing_list.sandbox.api_key, base_url=changing_list.sandbox.url, version=version
            )
            await stack.enter_async_context(session)
            stage = DriftStage(changing_list, options, OverSockets(session))
        else:
            stage = DriftStage(changing_list, options, InProcess(changing_list))

        def work(shown: RecordedPage) -> None:
            # The rows were read just now, and nothing has run since.
            stage.witness.see(changing_list, shown.page)
            while rng.random() < 0.3:
                kind = rng.choice(KINDS)
                changing_list.work(kind, rng.randrange(999), rng.randrange(999), page=options.size)

        changing_list.sandbox.between_pages(work)
        await stage.finish()
    return stage, judge(stage)


def account(stage: DriftStage) -> tuple[object, ...]:
    bound = stage.outcome.at_most_missing if isinstance(stage.outcome, DriftError) else None
    return stage.got, stage.source.asked, stage.witness.counts, type(stage.outcome), bound


def options(drift: str, paging: Paging, prefetch: int, seed: int) -> WalkOptions:
    return WalkOptions(
        listed=ListKind(
            paging=paging,
            sort=SORTS[paging][seed % len(SORTS[paging])],
            active_only=seed % 3 == 0,
        ),
        per_page=2 + seed % 3,
        cap=2 if seed % 4 == 0 else 300,
        prefetch=prefetch,
        drift=drift,  # type: ignore[arg-type]  # one of the parameters below
        by_page=seed % 5 == 0,
    )


@pytest.mark.parametrize(
    ("paging", "drift"),
    [("numbered", "verify"), ("numbered", "watch"), ("numbered", "ignore"), ("cursor", "watch")],
)
async def test_a_walk_over_sockets_is_the_walk_in_process(paging: Paging, drift: str) -> None:
    changed = 0
    for seed in range(12):
        chosen = options(drift, paging, 0, seed)
        near, verdict = await played(chosen, seed, sockets=False)
        far, far_verdict = await played(chosen, seed, sockets=True)
        assert account(near) == account(far), f"seed {seed}"
        assert verdict == far_verdict
        changed += bool(near.witness.changes)
    assert changed > 6


@pytest.mark.parametrize("prefetch", [1, 4])
@pytest.mark.parametrize(
    ("paging", "drift"), [("numbered", "verify"), ("numbered", "watch"), ("cursor", "watch")]
)
async def test_promises_hold_over_sockets_with_pages_in_flight(
    paging: Paging, drift: str, prefetch: int
) -> None:
    verdicts = [
        (await played(options(drift, paging, prefetch, seed), seed, sockets=True))[1]
        for seed in range(8)
    ]
    assert "complete" in verdicts
