"""Promises of a finished walk, judged by the record of the list alone."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Literal, TypeAlias

from nexhealth_async.errors import DriftError, ServerError

if TYPE_CHECKING:
    from tests.pagination.drift.steps import DriftStage

__all__ = ["WalkVerdict", "judge"]

WalkVerdict: TypeAlias = Literal[
    "complete", "gave up", "lost as documented", "limited", "failed", "no promise"
]


def judge(stage: DriftStage) -> WalkVerdict:
    """Return how a walk ended; raises AssertionError if it broke a promise."""
    changing_list, witness = stage.changing_list, stage.witness
    hidden = set(changing_list.outside)
    listed = {
        row["id"]
        for row in changing_list.sandbox.patients
        if not (changing_list.chosen.active_only and row["inactive"])
    }
    assert listed == changing_list.listed, "the record of the list is wrong"
    assert hidden.isdisjoint(listed), "the record of the list is wrong"
    _check_requests(stage)
    if stage.limited:
        return "limited"
    if isinstance(stage.outcome, ServerError):
        return "failed"
    if witness.throughout is None:
        assert not stage.got, "records out of nothing"
        return "no promise"
    if not witness.changes and not stage.parts > 1:
        assert stage.outcome is None or not stage.options.passes, "it gave up on a quiet list"
        assert stage.got == list_order(stage), "a quiet list was not read as it stands"
    if changing_list.chosen.paging == "cursor":
        return _judge_cursor(stage)
    return _judge_numbered(stage)


def list_order(stage: DriftStage) -> list[int]:
    """The list at the last response, if nothing has changed since; else the rows that were read."""
    unchanged = stage.changing_list.changes == stage.witness.ended
    return stage.changing_list.order if unchanged else stage.got


def _check_requests(stage: DriftStage) -> None:
    """Check the number of passes, and that no pass had more pages than the list ever filled."""
    witness, options = stage.witness, stage.options
    asked = stage.source.asked
    most = max(witness.counts, default=0)
    if options.listed.paging == "cursor":
        rows = len(witness.ever) + witness.changes.moved
        assert len(asked) <= rows // options.size + 1, "more pages than rows could fill"
        return
    passes = 1 + (options.passes if stage.drift != "ignore" else 0)
    assert asked.count(1) <= passes, "more passes than allowed"
    pages = max(1, -(-most // options.size))
    assert len(asked) <= passes * (pages + 1), "more pages than the list has"


def _judge_numbered(stage: DriftStage) -> WalkVerdict:
    witness, got = stage.witness, set(stage.got)
    drifted = stage.outcome
    lost = (witness.throughout or set()) - got
    if isinstance(drifted, DriftError):
        assert stage.drift != "ignore", "it was told to ignore changes"
        if drifted.at_most_missing is not None:
            assert len(lost) <= drifted.at_most_missing, "more are missing than it says"
            unread = witness.opening - got
            assert len(unread) <= drifted.at_most_missing, "more are missing than it says"
        return "gave up"
    if stage.drift == "ignore":
        return "no promise"
    if stage.drift == "verify" or (stage.parts == 1 and witness.openings > 1):
        assert not lost, "a record that was there throughout was lost in silence"
        assert witness.opening <= got, "the list of the pivot's moment is not complete"
        return "complete"
    return _judge_watched(stage, lost)


def _judge_watched(stage: DriftStage, lost: set[int]) -> WalkVerdict:
    """One undisturbed pass: only balanced changes may have escaped it."""
    witness, changes = stage.witness, stage.witness.changes
    if stage.parts > 1:
        twice = len(stage.got) != len(set(stage.got))
        if not lost and not twice:
            return "complete"
        balanced = changes.entered and changes.left
        assert balanced or changes.moved, "a resumed walk missed a change of the count"
        return "lost as documented"
    if not lost:
        return "complete"
    assert len(set(witness.counts)) == 1, "the count changed, and a record was lost in silence"
    assert len(lost) <= changes.entered, "more were lost than entered"
    assert len(lost) <= changes.left, "more were lost than left"
    return "lost as documented"


def _judge_cursor(stage: DriftStage) -> WalkVerdict:
    """The promise for a cursor behind a record; see `test_promises`."""
    witness, times = stage.witness, Counter(stage.got)
    assert stage.outcome is None, "a cursor walk gave up"
    throughout = witness.throughout or set()
    steady = throughout - witness.touched if stage.options.listed.by_time else throughout
    assert all(times[id] == 1 for id in steady), "a record that never moved came not once"
    if not stage.options.listed.by_time:
        assert max(times.values(), default=1) == 1, "a record came twice in a list sorted by id"
    if stage.options.listed.sort == "updated_at" and not witness.backdated:
        assert throughout <= set(times), "a record that moved on was lost"
    return "complete" if throughout <= set(times) else "lost as documented"
