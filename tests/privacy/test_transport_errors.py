"""Transport errors show nothing of requests and responses."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from nexhealth_async import NexHealthError, RetryPolicy
from nexhealth_async._client import transport
from tests.privacy.calls import ACTS, RETRY, open_context
from tests.privacy.outputs import under_watch
from tests.privacy.transport_errors import TRANSPORT_ERRORS
from tests.session.faults.fault_table import FAULTS, LARGEST, FaultTarget

if TYPE_CHECKING:
    from pathlib import Path

    from tests.privacy.calls import PrivacyAct
    from tests.privacy.sentinel_search import SentinelScanner
    from tests.privacy.sentinel_server import PrivacyServer

_WIDE = {"400", "401", "429", "503", "cut", "garbage", "data an object", "ignored", "warned", "307"}
"""Errors that every call goes through; the others are met by one call of each kind."""
_QUICK = RetryPolicy(attempts=1, base_delay=0.0, max_retry_after=0.0, attempt_timeout=0.08)


async def through(
    act: PrivacyAct,
    privacy_server: PrivacyServer,
    watch: SentinelScanner,
    folder: Path,
    *,
    retry: RetryPolicy = RETRY,
) -> BaseException | None:
    """Make a call, scan the outcome, and return its error."""
    caught: BaseException | None = None
    async with open_context(privacy_server, watch, folder, retry=retry) as at:
        try:
            await act.does(at)
        except (NexHealthError, BaseExceptionGroup) as error:
            watch.error(error)
            caught = error
    return caught


@pytest.mark.parametrize("error_case", list(TRANSPORT_ERRORS))
async def test_texts_of_the_server_are_shown_nowhere(
    error_case: str, privacy_server: PrivacyServer, watch: SentinelScanner, tmp_path: Path
) -> None:
    failed = 0
    acts = {name: act for name, act in ACTS.items() if act.first or error_case in _WIDE}
    for name, act in acts.items():
        with under_watch(watch, f"{name} under {error_case}"):
            TRANSPORT_ERRORS[error_case](privacy_server, act)
            failed += await through(act, privacy_server, watch, tmp_path) is not None
            privacy_server.do(privacy_server.sandbox.clear)
    watch.clean()
    assert failed or error_case == "warned"
    # Walks fail without a frame of the library, all other calls with that of the boundary.
    assert watch.looked_at["variables"] > failed
    assert watch.looked_at["errors"] >= failed


# Statuses are in `TRANSPORT_ERRORS`, with more to say.
_BARE = ("204", "304", "500 huge", "503 packed", "308 nowhere")


@pytest.mark.parametrize("fault", [n for n in FAULTS if not n[0].isdigit() or n in _BARE])
async def test_no_transport_error_shows_request_or_response_data(
    fault: str,
    privacy_server: PrivacyServer,
    watch: SentinelScanner,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transport, "_MAX_BODY_BYTES", LARGEST)
    sandbox = privacy_server.sandbox
    patient = fault.startswith(("silent", "drip"))
    for name, act in ACTS.items():
        if not act.first:
            continue
        with under_watch(watch, f"{name} under {fault}"):
            aim = FaultTarget(
                sandbox=sandbox, method=act.method or "GET", path=act.path or "", times=9
            )
            privacy_server.do(partial(FAULTS[fault].order, aim))
            await through(act, privacy_server, watch, tmp_path, retry=_QUICK if patient else RETRY)
            privacy_server.do(sandbox.clear)
            await privacy_server.listen()
    watch.clean()
