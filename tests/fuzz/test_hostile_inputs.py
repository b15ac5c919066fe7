"""No bytes crash a reader, leak a value or take long: random search and known cases.

Budgets are numbers of examples, not seconds, so that every machine tests the same amount.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from nexhealth_async import MalformedBodyError, NexHealthError
from tests.fuzz.cases import CASES, OPEN, FuzzCase
from tests.fuzz.findings import SENTINEL, Finding, FuzzTarget, judge, private
from tests.fuzz.strategies import inputs
from tests.fuzz.targets import MODULES, TARGETS

if TYPE_CHECKING:
    from collections.abc import Callable

_EXAMPLES = {"command-line": 20}
_USUALLY = 60
_MOST_SEEDS = 40


def _searched(target: FuzzTarget) -> Callable[[], None]:
    """Search in one target; known defects are skipped."""

    @settings(
        max_examples=_EXAMPLES.get(target.name, _USUALLY),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        # Explaining a failure would cost more than finding it.
        phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
    )
    @given(inputs(target))
    def search(data: bytes) -> None:
        try:
            judge(target, data)
        except Finding as finding:
            if finding.signature not in OPEN:
                raise

    return search


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_breaks_a_promise(name: str) -> None:
    _searched(TARGETS[name])()


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_of_a_target_break_no_promise(name: str) -> None:
    seeds = TARGETS[name].seeds()
    for data in seeds[:: 1 + len(seeds) // _MOST_SEEDS]:
        try:
            judge(TARGETS[name], data)
        except Finding as finding:
            if finding.signature not in OPEN:
                raise


def _marked(case: FuzzCase) -> object:
    if case.defect is None:
        return pytest.param(case, id=case.promise)
    mark = pytest.mark.xfail(strict=True, raises=Finding, reason=case.where)
    return pytest.param(case, id=case.promise, marks=mark)


@pytest.mark.parametrize("case", [_marked(case) for case in CASES])
def test_earlier_findings_stay_fixed(case: FuzzCase) -> None:
    judge(TARGETS[case.target], case.data)


def test_a_known_defect_has_its_recorded_signature() -> None:
    """Otherwise a second defect would be hidden by the first."""
    for case in CASES:
        if case.defect:
            with pytest.raises(Finding) as caught:
                judge(TARGETS[case.target], case.data)
            assert caught.value.signature == case.defect


def test_every_module_of_targets_has_some() -> None:
    holders = {target.run.__module__ for target in TARGETS.values()}
    assert holders == {module.__name__ for module in MODULES}
    assert {case.target for case in CASES} <= set(TARGETS)


# The judge itself


def _nothing(data: bytes) -> None:
    pass


def _fails(data: bytes) -> None:
    raise KeyError("unexpected")


def _tells(data: bytes) -> None:
    raise MalformedBodyError(f"cannot read {SENTINEL}")


def _refuses(data: bytes) -> None:
    raise MalformedBodyError("cannot read this")


def _target(run: Callable[[bytes], None]) -> FuzzTarget:
    return FuzzTarget(name="a", run=run, choices=0, seeds=list[bytes])


def test_the_judge_reports_crashes_and_leaks_and_accepts_our_errors() -> None:
    judge(_target(_refuses), b"")
    with pytest.raises(Finding, match="KeyError"):
        judge(_target(_fails), b"")
    with pytest.raises(Finding, match="shows a value"):
        judge(_target(_tells), b"")


def test_the_judge_reports_slow_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter((0.0, 2.5))
    monkeypatch.setattr("time.thread_time", lambda: next(clock))
    with pytest.raises(Finding, match="too slow"):
        judge(_target(_nothing), b"")


@given(st.sampled_from((0, 1, 2)))
def test_the_judge_scans_all_chained_errors(depth: int) -> None:
    error: BaseException = ValueError(SENTINEL)
    for _ in range(depth):
        outer = NexHealthError("outer")
        outer.__context__ = error
        outer.__suppress_context__ = True
        error = outer
    with pytest.raises(Finding):
        private(error)
