"""Reply to records, count and warnings; or the right error.

Every observed form is read: ``error`` as null, list, nested list or text, ``description`` likewise,
``count`` missing or null, the list in ``data`` or under its noun in ``data``.
Reference: v2 response envelope, where the payload is; errors and warnings.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import TYPE_CHECKING, TypeVar, cast

import msgspec
from attrs import evolve, field, frozen
from msgspec import Raw

from nexhealth_async._protocol.error_mapping import error_for_response
from nexhealth_async._protocol.json_splitting import (
    ENVELOPE,
    FIELDS,
    NULL,
    RECORDS_DECODER,
    UNREADABLE,
    Envelope,
    EnvelopeHead,
    kind_of,
    split_list,
)
from nexhealth_async._protocol.record_limit import MAX_RECORDS, has_too_many_records
from nexhealth_async._protocol.surrogate_repair import (
    MARKER,
    REPLACEMENT,
    differing_paths,
    without_lone_surrogates,
)
from nexhealth_async.errors import MalformedBodyError, NotFoundError, UnexpectedStructureError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from nexhealth_async._protocol.http_messages import Response, Stream
    from nexhealth_async._protocol.operations import OperationSpec

__all__ = [
    "ParsedBody",
    "ParsedData",
    "ParsedList",
    "ParsedRecord",
    "read_data",
    "read_empty",
    "read_list",
    "read_record",
    "read_stream",
    "read_token",
]


T = TypeVar("T")

_IGNORED = re.compile(r"parameters (?:are|were) ignored:?([^.]*)", re.IGNORECASE)
_NAME = re.compile(r"\w+")
_MAX_WARNING_LENGTH = 1_000
_MAX_SENTENCE_DEPTH = 20
_VISIBLE = frozenset(map(chr, range(0x21, 0x7F)))
_MAX_COUNT = 2**63 - 1
_ANYTHING = msgspec.json.Decoder()
_GROUP = re.compile(rb'\{\s*"[a-z_]+"\s*:\s*\[')


@frozen(kw_only=True)
class ParsedBody:
    """What every success may bring beside its data."""

    warnings: tuple[str, ...] = field(default=(), repr=False)
    """Sentences of the server; they may be personal."""
    ignored: frozenset[str] = field(default=frozenset(), repr=False)
    """Parameters the server says it ignored, in its words."""


@frozen(kw_only=True)
class ParsedList(ParsedBody):
    """One page of a list, its records still bytes."""

    records: tuple[Raw, ...] = field(repr=False)
    count: int | None = None
    """Total number of records the server speaks of; None if it sent none that can be used."""
    page_info: dict[str, object] | None = field(default=None, repr=False)
    repairs: Mapping[int, tuple[str, ...]] = field(factory=dict[int, "tuple[str, ...]"])
    """By place of the record: paths of the fields whose text was repaired."""


@frozen(kw_only=True)
class ParsedRecord(ParsedBody):
    """One record, still bytes; None where the operation answers with nothing."""

    record: Raw | None = field(repr=False)
    status: int = 200
    """The HTTP status: 201 for what was made where 200 stands for what was there."""


@frozen(kw_only=True)
class ParsedData(ParsedBody):
    """Whatever ``data`` holds, decoded."""

    data: object = field(repr=False)
    count: int | None = None
    page_info: dict[str, object] | None = field(default=None, repr=False)


def _catch_unreadable(
    read: Callable[[Response, OperationSpec], T],
) -> Callable[[Response, OperationSpec], T]:
    """Let what cannot be read be a `MalformedBodyError`, wherever in the envelope it shows.

    Splitting takes the parts as they are, so that their faults show only when they are opened.
    The error is raised once the decoder's is gone, which may quote the body: ``from None`` would
    keep that as context. For the same end no frame that raises here names a decoded value.
    """

    @wraps(read)
    def guarded(reply: Response, row: OperationSpec) -> T:
        with suppress(*UNREADABLE):
            return read(reply, row)
        # Unnamed, the repaired reply is in no frame of what is raised here.
        with suppress(*UNREADABLE):
            return _with_repairs(
                read(_replace_surrogates(reply), row),
                lambda: read(_replace_surrogates(reply, MARKER), row),
            )
        raise MalformedBodyError(
            _describe_failure(reply), status=reply.status, operation=row.operation
        )

    return guarded


def _replace_surrogates(reply: Response, by: bytes = REPLACEMENT) -> Response:
    """Return the reply without lone surrogates, each of which would make all of it unreadable."""
    body = without_lone_surrogates(reply.body, by)
    if body is None:
        raise msgspec.DecodeError
    return evolve(reply, body=body)


def _with_repairs(reading: T, read_again: Callable[[], T]) -> T:
    """Note on a page which of its records were repaired: another repair shows differences there."""
    if not isinstance(reading, ParsedList):
        return reading
    other = cast("ParsedList", read_again())
    records, repairs = list(reading.records), dict[int, tuple[str, ...]]()
    for place, (record, again) in enumerate(zip(records, other.records, strict=False)):
        if memoryview(record) != memoryview(again):
            repairs[place] = differing_paths(record, again)
            if "id" in repairs[place]:
                records[place] = _without_id(record)
    same = reading.page_info == other.page_info
    return evolve(
        reading,
        records=tuple(records),
        repairs=repairs,
        page_info=reading.page_info if same else None,
    )


def _without_id(record: Raw) -> Raw:
    """Return a record whose id is null: two repaired ids could be equal."""
    return Raw(msgspec.json.encode(FIELDS.decode(record) | {"id": NULL}))


@_catch_unreadable
def read_list(reply: Response, row: OperationSpec) -> ParsedList:
    """Read a page of a list.

    Raises:
        APIError: The envelope reports an error.
        MalformedBodyError: The body is not JSON.
        UnexpectedStructureError: The JSON is not an envelope.
    """
    if has_too_many_records(reply.body, _keys(row), row.inner):
        raise UnexpectedStructureError(
            f"the reply holds more than {MAX_RECORDS:,} records, and no page of the API does",
            status=reply.status,
            operation=row.operation,
        )
    split = split_list(reply.body, _keys(row)) if _is_success(reply.status) else None
    if split is not None and _reports_success(split[0]):
        head, rows = split
        records = tuple(rows)
    else:
        head = envelope = _open_envelope(reply, row)
        records = _records(
            envelope.data, row, reply.status, empty_is_fine=_number(envelope.count) == 0
        )
    if row.payload:
        records = _open_groups(records, row.payload)
    if row.inner is not None:
        records = tuple(_inner_records(records, row, row.inner, reply.status))
    warnings, ignored = _warnings(head)
    return ParsedList(
        records=records,
        count=_number(head.count),
        page_info=_object(head.page_info),
        warnings=warnings,
        ignored=ignored,
    )


@_catch_unreadable
def read_record(reply: Response, row: OperationSpec) -> ParsedRecord:
    """Read one record; a lookup answered with null raises `NotFoundError`."""
    envelope = _open_envelope(reply, row)
    kind = kind_of(envelope.data)
    if kind == "null" and row.method == "GET":
        raise NotFoundError(
            "there is no such record", status=reply.status, operation=row.operation, body=reply.body
        )
    if kind != "object":
        raise UnexpectedStructureError(
            f"the reply's data is {_article(kind)} where a record was due",
            status=reply.status,
            operation=row.operation,
        )
    record = _unwrap(envelope.data, row.payload)
    warnings, ignored = _warnings(envelope)
    return ParsedRecord(record=record, status=reply.status, warnings=warnings, ignored=ignored)


def _unwrap(data: Raw, keys: tuple[str, ...]) -> Raw:
    """Return the record in ``data``, or under one of the keys if ``data`` itself is none."""
    if bytes(memoryview(data)[:6]) == b'{"id":':
        return data
    fields = FIELDS.decode(data)
    if "id" not in fields:
        for key in keys:
            if key in fields and kind_of(fields[key]) == "object":
                return fields[key]
    return data


@_catch_unreadable
def read_empty(reply: Response, row: OperationSpec) -> ParsedRecord:
    """Read the answer of an operation that returns nothing of use; an empty body is fine."""
    if _is_success(reply.status) and not reply.body.strip():
        return ParsedRecord(record=None)
    warnings, ignored = _warnings(_open_envelope(reply, row))
    return ParsedRecord(record=None, warnings=warnings, ignored=ignored)


@_catch_unreadable
def read_data(reply: Response, row: OperationSpec) -> ParsedData:
    """Read a reply of unknown shape; an empty body of a success is no data."""
    if _is_success(reply.status) and not reply.body.strip():
        return ParsedData(data=None)
    envelope = _open_envelope(reply, row)
    warnings, ignored = _warnings(envelope)
    return ParsedData(
        data=_decode(envelope.data),
        count=_number(envelope.count),
        page_info=_object(envelope.page_info),
        warnings=warnings,
        ignored=ignored,
    )


def read_stream(reply: Response, row: OperationSpec) -> Stream:
    """Return the body of a file's reply; raises what a refusal means.

    A success of type JSON comes whole, since it may be a refusal after all: ``code: false``.
    """
    if reply.stream is not None:
        return reply.stream
    with suppress(*UNREADABLE):
        _open_envelope(reply, row)
    return _WholeBodyStream(reply.body)


class _WholeBodyStream:
    """A body that has come, read as if it were coming."""

    media_type = "application/json"

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.size = len(body)

    async def chunk(self) -> bytes:
        chunk, self._body = self._body, b""
        return chunk

    def close(self) -> None:
        self._body = b""


@_catch_unreadable
def read_token(reply: Response, row: OperationSpec) -> str:
    """Read a login's answer; raises as `read_list`, never with the token in the text."""
    token = _token_in(_open_envelope(reply, row).data)
    if token is None:
        raise UnexpectedStructureError(
            "the login was answered without a token", status=reply.status, operation=row.operation
        )
    return token


def _token_in(data: Raw) -> str | None:
    if kind_of(data) != "object":
        return None
    token = _decode(FIELDS.decode(data).get("token", NULL))
    # A line break would end the header early, and other such signs are in no token.
    usable = isinstance(token, str) and token and _VISIBLE.issuperset(token)
    return cast("str", token) if usable else None


def _open_envelope(reply: Response, row: OperationSpec) -> Envelope:
    """Split the envelope of a success; raise for everything else."""
    if 300 <= reply.status < 400:  # noqa: PLR2004 - the redirects' hundred
        raise UnexpectedStructureError(
            "the server answered with a redirect, which is never followed, since the request "
            "carries credentials; check base_url",
            status=reply.status,
            operation=row.operation,
        )
    if _is_success(reply.status):
        envelope = ENVELOPE.decode(reply.body)
        if _reports_success(envelope):
            return envelope
    raise error_for_response(reply, row, texts=_error_texts(reply.body))


def _error_texts(body: bytes) -> tuple[str, ...] | None:
    """Return the sentences of a refusal, none if it is cut short; None if it is no envelope."""
    for repair in (bytes, without_lone_surrogates):
        with suppress(*UNREADABLE):
            envelope = ENVELOPE.decode(repair(body) or b"")
            return (*_sentences(envelope.error), *_sentences(envelope.description))
    return () if body.lstrip().startswith(b"{") else None


def _reports_success(head: EnvelopeHead) -> bool:
    return bytes(head.code) != b"false"


def _keys(row: OperationSpec) -> tuple[str, ...]:
    """Return the keys of ``data`` under which a list may sit."""
    return (*row.payload, row.path.rsplit("/", 1)[-1])


def _is_success(status: int) -> bool:
    return 200 <= status < 300  # noqa: PLR2004 - the successes' hundred


def _describe_failure(reply: Response) -> str:
    body = reply.body.lstrip()
    if not body:
        return "the reply is empty where JSON was due"
    if body.startswith(b"<"):
        return "the reply is a web page where JSON was due"
    if body[:1] in b"{[":
        return "the reply's JSON is cut short, malformed or not in the API's form"
    return "the reply is no JSON"


def _article(kind: str) -> str:
    return {"null": "null", "text": "text", "object": "an object"}.get(kind, f"a {kind}")


def _decode(raw: Raw) -> object:
    return cast("object", _ANYTHING.decode(raw))


def _decode_or_none(raw: Raw) -> object:
    try:
        return _decode(raw)
    except UNREADABLE:
        return None


def _object(raw: Raw) -> dict[str, object] | None:
    value = _decode_or_none(raw) if kind_of(raw) == "object" else None
    return cast("dict[str, object]", value) if isinstance(value, dict) else None


def _number(raw: Raw) -> int | None:
    digits = bytes(raw)
    if digits.isdigit() and len(digits) < 19:  # noqa: PLR2004 - a 64-bit number's digits
        return int(digits)
    value = _decode_or_none(raw)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:  # noqa: PLR2004 - a 64-bit number's digits
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= _MAX_COUNT else None


def _records(data: Raw, row: OperationSpec, status: int, *, empty_is_fine: bool) -> tuple[Raw, ...]:
    kind = kind_of(data)
    if kind == "list":
        return tuple(RECORDS_DECODER.decode(data))
    if kind == "object":
        rows = _rows_under(_keys(row), data)
        if rows is None:
            raise UnexpectedStructureError(
                "the reply's data is an object without the list that was due",
                status=status,
                operation=row.operation,
            )
        return tuple(rows)
    if kind == "null" and empty_is_fine:
        return ()
    raise UnexpectedStructureError(
        f"the reply's data is {_article(kind)} where a list was due",
        status=status,
        operation=row.operation,
    )


def _rows_under(keys: tuple[str, ...], data: Raw) -> list[Raw] | None:
    fields = FIELDS.decode(data)
    for key in keys:
        if key in fields and kind_of(fields[key]) == "list":
            return RECORDS_DECODER.decode(fields[key])
    return None


def _open_groups(records: tuple[Raw, ...], keys: tuple[str, ...]) -> tuple[Raw, ...]:
    """Flatten ``[{"patients": [...]}]``, a form that the vendor's pages print.

    The first bytes tell such a group from a record, so that an ordinary page pays nothing.
    """
    if not records or not _GROUP.match(records[0]):
        return records
    found: list[Raw] = []
    for group in records:
        rows = _rows_under(keys, group) if kind_of(group) == "object" else None
        if rows is None:
            return records  # the decoder says what is wrong with them
        found += rows
    return tuple(found)


def _inner_records(
    groups: tuple[Raw, ...], row: OperationSpec, inner: str, status: int
) -> Iterator[Raw]:
    """Flatten groups to their records.

    ``GET /locations`` lists institutions; read as locations, its rows would give institution ids.
    """
    for group in groups:
        rows = _rows_under((inner,), group) if kind_of(group) == "object" else None
        if rows is None:
            raise UnexpectedStructureError(
                f"a listed group has no list of {inner}", status=status, operation=row.operation
            )
        yield from _check_group(rows, group)


def _check_group(records: list[Raw], group: Raw) -> Iterator[Raw]:
    """Tell each record its group's id, name and subdomain."""
    fields = FIELDS.decode(group)
    told = {
        "institution_id": fields.get("id", NULL),
        "institution_name": fields.get("name", NULL),
        "subdomain": fields.get("subdomain", NULL),
    }
    for record in records:
        if kind_of(record) != "object":
            yield record
        else:
            yield Raw(msgspec.json.encode(told | FIELDS.decode(record)))


def _sentences(raw: Raw) -> tuple[str, ...]:
    """Return the sentences of ``error`` or ``description``."""
    try:
        return tuple(_texts(_decode(raw), _MAX_SENTENCE_DEPTH))
    except UNREADABLE:
        return ("the server attached a text that cannot be read",)


def _texts(value: object, depth: int) -> Iterator[str]:
    """Yield the texts in a value, however they are nested."""
    if isinstance(value, str):
        if value.strip():
            yield value[:_MAX_WARNING_LENGTH]
        return
    inside: Iterable[object] = ()
    if isinstance(value, list):
        inside = cast("list[object]", value)
    elif isinstance(value, dict):
        inside = cast("dict[str, object]", value).values()
    if depth:
        for item in inside:
            yield from _texts(item, depth - 1)


def _warnings(envelope: EnvelopeHead) -> tuple[tuple[str, ...], frozenset[str]]:
    """Collect what a success warns of: anything in ``error``, and ignored parameters anywhere."""
    if kind_of(envelope.error) == "null" and kind_of(envelope.description) == "null":
        return (), frozenset()
    texts = [*_sentences(envelope.error)]
    texts += [t for t in _sentences(envelope.description) if _IGNORED.search(t)]
    found = (_IGNORED.search(text) for text in texts)
    ignored = frozenset(name for match in found if match for name in _NAME.findall(match[1]))
    return tuple(texts), ignored
