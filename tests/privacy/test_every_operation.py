"""Every operation of both versions, successful: its data appear nowhere but in the result."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from nexhealth_async import NexHealth
from nexhealth_async._client.client import Client
from tests.contract import test_every_operation as driver
from tests.models.model_samples import MODELS
from tests.privacy.calls import ACTS, RETRY, PrivacyAct, open_context
from tests.privacy.outputs import under_watch
from tests.privacy.sentinel_search import SentinelScanner
from tests.privacy.sentinel_server import PrivacyServer, text_fields
from tests.privacy.sentinels import Sentinels

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_FREE_TEXT = {
    "first_name",
    "last_name",
    "email",
    "note",
    "filename",
    "institution_name",
    "transaction_id",
}


class MarkedClient(Client):
    """A client whose writes carry sentinels."""

    marks: ClassVar[Sentinels]
    numbers = count()
    days: ClassVar[int] = 0
    """Offset between appointments, so that they do not overlap."""

    def _plan(self, endpoint: Any, arguments: Mapping[str, Any], ids: Any) -> Any:
        fields: dict[str, object] = {}
        MarkedClient.days += "start_time" in arguments
        for name, value in arguments.items():
            marked = isinstance(value, str) and name in _FREE_TEXT and endpoint.verb != "walk"
            fields[name] = self.marks.given(f"{endpoint.resource} {name}") if marked else value
            if name == "name":  # of a kind of appointment, which must be unlike all others
                fields[name] = f"{value} {next(self.numbers)}"
            if isinstance(value, datetime):
                fields[name] = value + timedelta(days=self.days)
            if name == "file":
                fields[name] = self.marks.given("content").encode()
        return super()._plan(endpoint, fields, ids)


def mark_writes(nex: NexHealth, marks: Sentinels) -> None:
    """Make a session's writes carry sentinels."""
    MarkedClient.marks = marks
    nex._session_client = MarkedClient(nex._client.options, nex._client.state)


async def perform(at: driver.ContractStage, resource: str, verb: str) -> object:
    perform = driver.SPECIAL.get(f"{resource}.{verb}")
    if perform is not None:
        return await perform(at)
    if verb == "walk":
        return await driver._walk(at, resource)
    return await driver._get(at, resource)


async def _drive(privacy_server: PrivacyServer, watch: SentinelScanner, version: str) -> int:
    """Call every operation of a version; return their number."""
    sandbox, done = privacy_server.sandbox, 0
    async with NexHealth(
        sandbox.api_key,
        base_url=sandbox.url,
        version=version,
        subdomain=sandbox.subdomain,
        location_id=sandbox.location_id,
        retry=RETRY,
    ) as nex:
        mark_writes(nex, privacy_server.marks)
        at = driver.ContractStage(sandbox, nex)
        for case in driver.CASES:
            endpoint: Any = case.values[0]
            if case.values[1] == version:
                with under_watch(watch, str(case.id)):
                    watch.thing(await perform(at, endpoint.resource, endpoint.verb))
                done += 1
    return done


async def test_no_operation_leaks_data() -> None:
    marks = Sentinels()
    watch = SentinelScanner(marks)
    for version in ("v2", "v3"):
        with PrivacyServer.opened(marks) as privacy_server:
            assert await _drive(privacy_server, watch, version) > 40
    watch.clean()
    assert watch.looked_at["log of nexhealth_async"] > 200
    assert watch.looked_at["log of asyncio"] > 2_000
    assert watch.looked_at["what hooks are told"] == 2 * watch.looked_at["span"] > 200
    # All texts of all models were there to be seen: no field is unmarked, and none is left out.
    assert {name for model in MODELS for name in text_fields(model)} <= watch.handed


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
async def test_no_call_leaks_data(
    act: PrivacyAct, privacy_server: PrivacyServer, watch: SentinelScanner, tmp_path: Path
) -> None:
    with under_watch(watch, "call"):
        async with open_context(privacy_server, watch, tmp_path) as at:
            await act.does(at)
    watch.clean()
    assert len(privacy_server.marks) > 5
    assert watch.looked_at["log of nexhealth_async"] >= 2
    assert watch.looked_at["what hooks are told"] == 2 * watch.looked_at["span"] >= 2
    assert watch.looked_at["metrics"] == 1
