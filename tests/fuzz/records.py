"""Fuzz targets: readers of one record, into a model, a dict or a line of a table."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import cast

import attrs
import msgspec
from msgspec import Raw

from nexhealth_async import NexHealthError, to_builtins, to_json
from nexhealth_async.cli.list_pull import _json_lines, _table_rows
from nexhealth_async.cli.table_columns import RESOURCE_TABLES
from nexhealth_async.cli.tables import TextTable
from nexhealth_async.codec import Codec
from nexhealth_async.codec.converter import _parse
from nexhealth_async.codec.native_decoding import NATIVE_ERRORS
from nexhealth_async.models import Record
from nexhealth_async.pagination.batch_decoder import AS_DICTS, BatchDecoder
from tests.fuzz.findings import SENTINEL, ChoiceReader, Finding, private, target
from tests.fuzz.seeds import chosen, records
from tests.models.model_samples import MODELS

_CODEC = Codec()


def _samples() -> list[bytes]:
    return [chosen(at, text) for at, text in records()]


def _native(model: type[Record], record: bytes) -> Record | None:
    """Read with msgspec alone, as the codec does first."""
    read = _CODEC.native(model)
    assert read is not None
    with suppress(*NATIVE_ERRORS):
        return read(record)
    return None


@target(choices=1, seeds=_samples)
def record_of_a_model(data: bytes) -> None:
    """A record is read or refused; a read one can be shown and encoded again."""
    feed = ChoiceReader(data)
    model = feed.pick(MODELS)
    made, repairs = _CODEC.decode(model, feed.rest)
    shown = "".join(str(getattr(made, name)) for name in model._repr_fields)
    if SENTINEL in repr(made) and SENTINEL not in shown:
        raise Finding(f"the repr of a {model.__name__} shows a value")
    if any(SENTINEL in path for path in repairs):
        raise Finding("the path of a repair shows a value")
    record = cast("attrs.AttrsInstance", made)
    if msgspec.json.encode(to_builtins(record)) != to_json(record):
        raise Finding(f"a {model.__name__} has two forms in JSON")


@target(choices=1, seeds=_samples)
def two_decoders_of_a_record(data: bytes) -> None:
    """Whenever the fast decoder reads a record, the tolerant one gives the same without repairs."""
    feed = ChoiceReader(data)
    model = feed.pick(MODELS)
    fast = _native(model, feed.rest)
    parsed, fault = _parse(feed.rest)
    if fault:
        # What it has no field for, the fast decoder skips without a look at its letters.
        return
    try:
        slow, repairs = _CODEC.structure_record(model, parsed)
    except NexHealthError as error:
        private(error)
        if fast is not None:
            raise Finding("only the fast decoder takes a record", f"{error}") from None
        return
    if fast is None:
        return
    if different := _difference(fast, slow, model.__name__):
        raise Finding("the two decoders differ", different)
    if repairs:
        raise Finding("the tolerant decoder repairs what the fast one takes", f"{repairs}")


def _difference(first: object, second: object, path: str) -> str:
    """Return where two values differ, in type, offset or scale too."""
    if type(first) is not type(second):
        return f"{path}: {type(first).__name__} and {type(second).__name__}"
    ours, theirs = _parts(first), _parts(second)
    if ours is None or theirs is None:
        return "" if _exactly(first) == _exactly(second) else f"{path}: {type(first).__name__}"
    if [name for name, _ in ours] != [name for name, _ in theirs]:
        return f"{path}: parts"
    found = (
        _difference(left, right, f"{path}.{name}")
        for (name, left), (_, right) in zip(ours, theirs, strict=True)
    )
    return next(filter(None, found), "")


def _parts(value: object) -> list[tuple[str, object]] | None:
    """Return the named parts of a structured value."""
    match value:
        case Record():
            fields = attrs.fields(cast("type[attrs.AttrsInstance]", type(value)))
            return [(field.name, getattr(value, field.name)) for field in fields]
        case tuple() | list():
            items = cast("list[object]", value)
            return [(str(at), item) for at, item in enumerate(items)]
        case dict():
            return list(cast("dict[str, object]", value).items())
        case _:
            return None


def _exactly(value: object) -> object:
    """Return what distinguishes values that are equal but not identical in form."""
    match value:
        case Decimal():
            return value.as_tuple()
        case datetime():
            return value, value.utcoffset()
        case float():
            return repr(value)
        case _:
            return value


@target(seeds=lambda: [text for _, text in records()])
def raw_record(data: bytes) -> None:
    """`.raw()` gives a dict, or an error that shows nothing."""
    slices = BatchDecoder(AS_DICTS, None)
    slices.begin([Raw(data)])
    made = slices.read()
    if slices.failure is not None:
        raise slices.failure
    if [type(value) for value in made] != [dict]:
        raise Finding("a raw record is no dict")


_KINDS = tuple(RESOURCE_TABLES.values())


def _lined() -> list[bytes]:
    return [chosen(at % len(_KINDS), text) for at, (_, text) in enumerate(records())]


@target(choices=1, seeds=_lined)
def record_on_a_terminal(data: bytes) -> None:
    """A table has one line for each record, and sends no control sequences to the terminal."""
    feed = ChoiceReader(data)
    kind = feed.pick(_KINDS)
    # Only what splitting an envelope lets through reaches the command line.
    try:
        split = [
            bytes(first) for first in msgspec.json.decode(b"[" + feed.rest + b"]", type=list[Raw])
        ]
    except (ValueError, RecursionError):
        return
    table = TextTable(kind.columns, width=100, colour=False)
    shown = _table_rows(table, kind, split).decode()
    if any(ord(sign) < 32 or 127 <= ord(sign) < 160 for sign in shown.replace("\n", "")):
        raise Finding("a table gives the terminal orders")
    if split and shown.count("\n") != len(split) + 2:
        raise Finding("a table has more or fewer lines than records")
    lines = _json_lines(split)
    if lines.count(b"\n") != len(split) or b"\r" in lines:
        raise Finding("JSON lines are more or fewer than records")
