"""The promises hold for any order of changes, responses, failures and consumer actions.

There are few examples here, so that the suite stays quick; `long_run` takes a million steps.
"""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.pagination.drift import long_run
from tests.pagination.drift.state_machine import CursorWalks, NumberedWalks, WalkMachine


@pytest.mark.parametrize(("machine", "examples"), [(NumberedWalks, 60), (CursorWalks, 20)])
def test_promises_hold_for_any_order_of_events(machine: type[WalkMachine], examples: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )


async def test_hundreds_of_random_walks_keep_the_promises_and_reach_every_outcome() -> None:
    """The run must be varied: every mode ends in every way that it can end in."""
    tally: Counter[str] = Counter()
    for number in range(600):
        await long_run.walk(f"suite {number}", tally)
    for mode in ("watch", "verify"):
        for fate in ("complete", "gave up", "limited"):
            assert tally[f"{mode}: {fate}"], f"{mode} never {fate}"
    assert tally["watch: lost as documented"]
    assert tally["watch: saw a sign and verified"]
    assert not tally["verify: lost as documented"]
    assert not tally["cursor, id: lost as documented"]
    assert tally["cancelled"]
    assert tally["resumed"]
    assert tally["mutations"] > tally["walks"]
