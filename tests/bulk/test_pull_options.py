"""The options that pulls, copies, estimates and fleets share."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from nexhealth_async import NexHealth
from nexhealth_async.bulk import Bulk, CopyOptions, PlanOptions, PullOptions
from nexhealth_async.bulk.shard_planning import COMPARE
from nexhealth_async.export import JsonLinesTarget
from nexhealth_async.fleet import fleet_pull


@pytest.mark.parametrize(
    ("function", "options"),
    [
        (Bulk.pull, PullOptions),
        (Bulk.estimate, PullOptions),
        (Bulk.copy, CopyOptions),
        (Bulk.begin, PlanOptions),
        (fleet_pull, PlanOptions),
    ],
)
def test_help_shows_each_option_with_its_default(
    function: Callable[..., object], options: type
) -> None:
    parameters = inspect.signature(function).parameters
    assert options.__annotations__.keys() <= parameters.keys()
    assert not [
        parameter for parameter in parameters.values() if parameter.kind is parameter.VAR_KEYWORD
    ]
    defaults = {name: parameters[name].default for name in options.__annotations__}
    known = {"drift": "verify", "concurrency": 8, "compare": COMPARE, "adopt": False}
    assert {name: defaults[name] for name in known if name in defaults}.items() <= known.items()
    assert defaults["practices"] is None
    assert defaults["since"] is None


async def test_an_unknown_option_is_a_type_error(tmp_path: Any) -> None:
    nex = NexHealth("key")
    unknown: Any = {"practise": ["demo"]}
    with pytest.raises(TypeError, match="unexpected keyword argument 'practise'"):
        nex.bulk.pull(["patients"], **unknown)
    for call in (
        nex.bulk.estimate(["patients"], **unknown),
        nex.bulk.copy(["patients"], to=JsonLinesTarget(tmp_path), **unknown),
        nex.bulk.begin(["patients"], to=JsonLinesTarget(tmp_path), **unknown),
        fleet_pull(nex, ["patients"], to=JsonLinesTarget(tmp_path), redis="redis://x", **unknown),
    ):
        with pytest.raises(TypeError, match="unexpected keyword argument 'practise'"):
            await call
