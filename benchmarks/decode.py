"""Decoding of a page of 1,000 without a network: the library and other decoders.

The library's walks are measured completely, with a session that responds from memory, so that
decoding, batching and delivery are included. The alternatives only decode.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable
from typing import Any

import msgspec
from attrs import frozen

from benchmarks.measure import Figures, Scale, WrongRecordsError, cpu_of, interleave
from benchmarks.ours import CannedSession
from benchmarks.peers import READERS, Reader
from benchmarks.records import FIRST_ID, RecordKind, records
from benchmarks.report import Table, median_text, range_text
from benchmarks.shapes import StructLight, StructPage, StructWide
from nexhealth_async import NexHealth, Rates
from nexhealth_async.codec import Codec
from nexhealth_async.models import Patient

__all__ = ["ODD", "measure", "tables"]

ODD = (0.0, 0.001, 0.01, 1.0)
KINDS: tuple[RecordKind, ...] = ("light", "wide")
_LOGIN = b'{"code":true,"data":{"token":"invented"},"error":null}'
_LABELS = {
    "dicts": "orjson, dicts",
    "struct": "msgspec, `Struct` (limit)",
    "cattrs": "orjson + cattrs",
    "pydantic": "pydantic, from JSON",
    "generated": "generated client's `from_dict`",
    "codec": "**`Codec.decode` for each record**",
    "walk": "**walk, models**",
    "pages": "**walk `.pages()`, models**",
    "raw": "**walk `.raw()`, dicts**",
    "raw_json": "**walk `.raw_json()`, bytes**",
}
_WALKS = ("walk", "pages", "raw", "raw_json")


@frozen
class PageBodies:
    """The same page several times with different ids: as bodies, and as separate records."""

    bodies: list[bytes]
    rows: list[bytes]

    @property
    def size(self) -> int:
        """Number of records in all pages."""
        return len(self.rows)


def _pages(kind: RecordKind, odd: float, count: int, per_page: int) -> PageBodies:
    rows = records(kind, count * per_page, odd=odd)
    bodies = [
        b'{"code":true,"description":null,"error":null,"data":{"patients":[%b]},"count":%d}'
        % (b",".join(rows[start : start + per_page]), len(rows))
        for start in range(0, len(rows), per_page)
    ]
    return PageBodies(bodies, rows)


def _struct(kind: RecordKind) -> Reader:
    page: Any = StructPage[StructLight] if kind == "light" else StructPage[StructWide]
    decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(page)

    def read(body: bytes) -> list[Any]:
        patients: list[Any] = decoder.decode(body).data.patients
        return patients

    return read


def _readers(kind: RecordKind) -> dict[str, Reader]:
    return {
        "dicts": READERS["dicts"](kind),
        "struct": _struct(kind),
        "cattrs": READERS["cattrs"](kind),
        "pydantic": READERS["httpx-pydantic"](kind),
        "generated": READERS["generated"](kind),
    }


def _read_all(read: Reader, bodies: list[bytes]) -> None:
    for body in bodies:
        read(body)


def _decode_each(codec: Codec, rows: list[bytes]) -> None:
    decode = codec.decode
    for row in rows:
        decode(Patient, row)


async def _walk_through(way: str, pages: PageBodies, session: CannedSession) -> float:
    """Walk the pages with one of the library's methods; return the CPU seconds."""
    count = total = 0
    async with NexHealth(
        "invented-key",
        base_url="http://127.0.0.1:1",
        rates=Rates.unlimited(),
        http=session,  # type: ignore[arg-type]  # it has what is used of aiohttp's
    ) as nex:
        location = nex.practice("invented-dental").location(1)
        walk = location.patients.walk
        per_page = pages.size // len(pages.bodies)
        await anext(walk(per_page=per_page))  # builds what is built once
        gc.collect()
        begin = time.process_time()
        match way:
            case "walk":
                async for patient in walk(per_page=per_page):
                    count += 1
                    total += patient.id
            case "pages":
                async for page in walk(per_page=per_page).pages():
                    count += len(page.items)
                    total += sum([patient.id for patient in page.items])
            case "raw":
                async for record in walk(per_page=per_page).raw():
                    count += 1
                    total += int(str(record["id"]))
            case _:
                async for _json in walk(per_page=per_page).raw_json():
                    count += 1
        seconds = time.process_time() - begin
    _check(pages, count, None if way == "raw_json" else total)
    return seconds


def _check(pages: PageBodies, count: int, total: int | None) -> None:
    expected = sum(range(FIRST_ID, FIRST_ID + pages.size))
    if count != pages.size or total not in (None, expected):
        raise WrongRecordsError(f"{count} records of {pages.size}, or other ids")


def measure(scale: Scale, figures: Figures) -> None:
    """Measure microseconds for each record."""
    many = scale.of(5, 1)
    per_page = scale.of(1000, 300)
    pages = {(kind, odd): _pages(kind, odd, many, per_page) for kind in KINDS for odd in ODD}
    readers = {kind: _readers(kind) for kind in KINDS}
    codec = Codec()
    for kind in KINDS:
        _warm_up(pages[kind, 0.0], readers[kind], codec)
    for round_ in range(scale.rounds):
        for kind in KINDS:
            cases = _cases(pages[kind, 0.0], readers[kind], codec)
            for name, case in interleave(cases, round_):
                figures.add(f"decode.{kind}.{name}", case() * 1e6 / pages[kind, 0.0].size)
            for odd in interleave(ODD, round_):
                of = pages[kind, odd]
                seconds = asyncio.run(_walk_through("walk", of, CannedSession(of.bodies, _LOGIN)))
                figures.add(f"decode.{kind}.odd.{odd:g}", seconds * 1e6 / of.size)


def _cases(
    pages: PageBodies, readers: dict[str, Reader], codec: Codec
) -> list[tuple[str, Callable[[], float]]]:
    def of_reader(read: Reader) -> Callable[[], float]:
        return lambda: cpu_of(lambda: _read_all(read, pages.bodies))

    def of_walk(way: str) -> Callable[[], float]:
        session = CannedSession(pages.bodies, _LOGIN)
        return lambda: asyncio.run(_walk_through(way, pages, session))

    return [
        *((name, of_reader(read)) for name, read in readers.items()),
        ("codec", lambda: cpu_of(lambda: _decode_each(codec, pages.rows))),
        *((way, of_walk(way)) for way in _WALKS),
    ]


def _warm_up(pages: PageBodies, readers: dict[str, Reader], codec: Codec) -> None:
    """Build the decoders, and check that all of them read the same records."""
    expected = list(range(FIRST_ID, FIRST_ID + pages.size))
    for name, read in readers.items():
        made = [patient for body in pages.bodies for patient in read(body)]
        ids = [patient["id"] if name == "dicts" else patient.id for patient in made]
        if ids != expected:
            raise WrongRecordsError(f"{name} reads other ids")
    _decode_each(codec, pages.rows)


def tables(figures: Figures) -> list[Table]:
    """Format the results."""
    made: list[Table] = []
    for kind in KINDS:
        base = f"decode.{kind}."
        size = len(records(kind, 1)[0])
        made.append(
            Table(
                title=f"Decoding pages of 1,000, {kind} records (about {size:,} bytes)",
                note="CPU in microseconds a record; ratios within each round. Nothing is read from "
                "a network. The walks include splitting, slicing and delivering.",
                heads=("what", "us / record", "x Struct", "x orjson"),
                rows=[
                    (
                        label,
                        range_text(figures[base + name]),
                        median_text(figures.ratios(base + name, base + "struct")),
                        median_text(figures.ratios(base + name, base + "dicts")),
                    )
                    for name, label in _LABELS.items()
                ],
            )
        )
        made.append(
            Table(
                title=f"Odd records among {kind} ones",
                note="A walk over the pages from memory; every record is delivered, none lost.",
                heads=("odd", "us / record", "x clean"),
                rows=[
                    (
                        f"{odd:.1%}".replace(".0%", "%"),
                        range_text(figures[f"{base}odd.{odd:g}"]),
                        median_text(figures.ratios(f"{base}odd.{odd:g}", f"{base}odd.0")),
                    )
                    for odd in ODD
                ],
            )
        )
    return made
