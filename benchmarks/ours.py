"""The library's ways of reading a list, each as a client; and a session without a network."""

from __future__ import annotations

from types import TracebackType
from typing import Self, cast

import orjson

from benchmarks.measure import Client, PullResult, open_location
from benchmarks.server import RunningServer

__all__ = ["OURS", "CannedSession", "ids_of_raw_json"]


async def _walk(served: RunningServer, per_page: int) -> PullResult:
    ids: list[int] = []
    async with open_location(served) as at:
        async for patient in at.patients.walk(per_page=per_page):
            ids.append(patient.id)  # noqa: PERF401 - a loop, as users write it
    return PullResult(records=len(ids), sum_of_ids=sum(ids))


async def _pages(served: RunningServer, per_page: int) -> PullResult:
    ids: list[int] = []
    async with open_location(served) as at:
        async for page in at.patients.walk(per_page=per_page).pages():
            ids.extend([patient.id for patient in page.items])
    return PullResult(records=len(ids), sum_of_ids=sum(ids))


async def _raw(served: RunningServer, per_page: int) -> PullResult:
    ids: list[object] = []
    async with open_location(served) as at:
        async for patient in at.patients.walk(per_page=per_page).raw():
            ids.append(patient["id"])  # noqa: PERF401 - a loop, as users write it
    return PullResult(records=len(ids), sum_of_ids=sum(cast("list[int]", ids)))


async def _raw_json(served: RunningServer, per_page: int) -> PullResult:
    records = record_bytes = 0
    async with open_location(served) as at:
        async for patient in at.patients.walk(per_page=per_page).raw_json():
            records += 1
            record_bytes += len(patient)
    return PullResult(records=records, record_bytes=record_bytes)


async def ids_of_raw_json(served: RunningServer, per_page: int) -> PullResult:
    """Read the ids of a raw_json walk; not timed, since such a walk does not decode."""
    ids: list[int] = []
    async with open_location(served) as at:
        async for patient in at.patients.walk(per_page=per_page).raw_json():
            ids.append(orjson.loads(patient)["id"])  # noqa: PERF401 - a loop, as users write it
    return PullResult(records=len(ids), sum_of_ids=sum(ids))


OURS: dict[str, tuple[str, Client]] = {
    "walk": ("**walk, models**", _walk),
    "pages": ("**walk `.pages()`, models**", _pages),
    "raw": ("**walk `.raw()`, dicts**", _raw),
    "raw_json": ("**walk `.raw_json()`, bytes**", _raw_json),
}


class CannedSession:
    """The part of ``aiohttp.ClientSession`` that a session uses, without a network.

    Passed as ``http=``, it replaces aiohttp, so that only the library's own cost is measured.
    """

    closed = False
    auth = None

    def __init__(self, bodies: list[bytes], login: bytes) -> None:
        self._bodies = bodies
        self._login = login

    def detach(self) -> None:
        """Do nothing; there is no connection to release."""

    def request(self, method: str, url: object, **_options: object) -> _CannedReply:
        """Respond to a login, or with the requested page."""
        if method == "POST":
            return _CannedReply(self._login)
        if len(self._bodies) == 1:
            return _CannedReply(self._bodies[0])
        _, _, behind = str(url).partition("&page=")
        return _CannedReply(self._bodies[int(behind.partition("&")[0]) - 1])


class _CannedReply:
    status = 200
    content_type = "application/json"

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.content_length = len(body)
        self.headers: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        pass

    async def read(self) -> bytes:
        """Return the body."""
        return self._body
