"""Parsing of responses into records, count and warnings, or into errors.

All observed forms are accepted: ``error`` and ``description`` as null, list, nested list or text,
``count`` missing or null, the list in ``data`` or under the resource's name in ``data``.
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
    """Warnings of a successful response."""

    warnings: tuple[str, ...] = field(default=(), repr=False)
    """Texts of the server, which may hold personal data."""
    ignored: frozenset[str] = field(default=frozenset(), repr=False)
    """Names of parameters that the server reports as ignored."""


@frozen(kw_only=True)
class ParsedList(ParsedBody):
    """One page of a list, with its records as undecoded JSON."""

    records: tuple[Raw, ...] = field(repr=False)
    count: int | None = None
    """Total number of records that the server reports; None if it is missing or unusable."""
    page_info: dict[str, object] | None = field(default=None, repr=False)
    repairs: Mapping[int, tuple[str, ...]] = field(factory=dict[int, "tuple[str, ...]"])
    """Paths of the repaired fields by the record's position in the page."""


@frozen(kw_only=True)
class ParsedRecord(ParsedBody):
    """One record as undecoded JSON; None for operations without a record."""

    record: Raw | None = field(repr=False)
    status: int = 200
    """The HTTP status; some operations answer 201 for a created record, 200 for an existing one."""


@frozen(kw_only=True)
class ParsedData(ParsedBody):
    """Decoded content of ``data``, of any form."""

    data: object = field(repr=False)
    count: int | None = None
    page_info: dict[str, object] | None = field(default=None, repr=False)


def _catch_unreadable(
    read: Callable[[Response, OperationSpec], T],
) -> Callable[[Response, OperationSpec], T]:
    """Raise `MalformedBodyError` for JSON that cannot be decoded, anywhere in the envelope.

    Errors in parts of the envelope appear only when those parts are decoded. The decoder's error
    may quote the body, so it must be gone before this one is raised: ``from None`` would keep it as
    context. For the same reason no raising frame holds a decoded value.
    """

    @wraps(read)
    def guarded(response: Response, spec: OperationSpec) -> T:
        with suppress(*UNREADABLE):
            return read(response, spec)
        # The repaired response has no name, so that no traceback's frame holds it.
        with suppress(*UNREADABLE):
            return _with_repairs(
                read(_replace_surrogates(response), spec),
                lambda: read(_replace_surrogates(response, MARKER), spec),
            )
        raise MalformedBodyError(
            _describe_failure(response), status=response.status, operation=spec.operation
        )

    return guarded


def _replace_surrogates(response: Response, by: bytes = REPLACEMENT) -> Response:
    """Return the response without lone surrogates, which make the JSON undecodable."""
    body = without_lone_surrogates(response.body, by)
    if body is None:
        raise msgspec.DecodeError
    return evolve(response, body=body)


def _with_repairs(parsed: T, read_again: Callable[[], T]) -> T:
    """Add the paths of repaired fields to a page: a second, different repair differs there."""
    if not isinstance(parsed, ParsedList):
        return parsed
    other = cast("ParsedList", read_again())
    records, repairs = list(parsed.records), dict[int, tuple[str, ...]]()
    for index, (record, again) in enumerate(zip(records, other.records, strict=False)):
        if memoryview(record) != memoryview(again):
            repairs[index] = differing_paths(record, again)
            if "id" in repairs[index]:
                records[index] = _without_id(record)
    same = parsed.page_info == other.page_info
    return evolve(
        parsed,
        records=tuple(records),
        repairs=repairs,
        page_info=parsed.page_info if same else None,
    )


def _without_id(record: Raw) -> Raw:
    """Return a record whose id is null: two repaired ids could be equal."""
    return Raw(msgspec.json.encode(FIELDS.decode(record) | {"id": NULL}))


@_catch_unreadable
def read_list(response: Response, spec: OperationSpec) -> ParsedList:
    """Read a page of a list.

    Raises:
        APIError: The envelope reports an error.
        MalformedBodyError: The body is not JSON.
        UnexpectedStructureError: The JSON is not an envelope.
    """
    if has_too_many_records(response.body, _keys(spec), spec.inner):
        raise UnexpectedStructureError(
            f"the response holds more than {MAX_RECORDS:,} records, more than any page of the API",
            status=response.status,
            operation=spec.operation,
        )
    split = split_list(response.body, _keys(spec)) if _is_success(response.status) else None
    if split is not None and _reports_success(split[0]):
        head, found = split
        records = tuple(found)
    else:
        head = envelope = _open_envelope(response, spec)
        records = _records(
            envelope.data, spec, response.status, empty_is_fine=_number(envelope.count) == 0
        )
    if spec.payload:
        records = _open_groups(records, spec.payload)
    if spec.inner is not None:
        records = tuple(_inner_records(records, spec, spec.inner, response.status))
    warnings, ignored = _warnings(head)
    return ParsedList(
        records=records,
        count=_number(head.count),
        page_info=_object(head.page_info),
        warnings=warnings,
        ignored=ignored,
    )


@_catch_unreadable
def read_record(response: Response, spec: OperationSpec) -> ParsedRecord:
    """Read one record; raises like `read_list`, and `NotFoundError` if a GET returns null."""
    envelope = _open_envelope(response, spec)
    kind = kind_of(envelope.data)
    if kind == "null" and spec.method == "GET":
        raise NotFoundError(
            "there is no such record",
            status=response.status,
            operation=spec.operation,
            body=response.body,
        )
    if kind != "object":
        raise UnexpectedStructureError(
            f"the response's data is {_article(kind)} instead of a record",
            status=response.status,
            operation=spec.operation,
        )
    record = _unwrap(envelope.data, spec.payload)
    warnings, ignored = _warnings(envelope)
    return ParsedRecord(record=record, status=response.status, warnings=warnings, ignored=ignored)


def _unwrap(data: Raw, keys: tuple[str, ...]) -> Raw:
    """Return ``data`` if it is a record, otherwise the record under one of the keys."""
    if bytes(memoryview(data)[:6]) == b'{"id":':
        return data
    fields = FIELDS.decode(data)
    if "id" not in fields:
        for key in keys:
            if key in fields and kind_of(fields[key]) == "object":
                return fields[key]
    return data


@_catch_unreadable
def read_empty(response: Response, spec: OperationSpec) -> ParsedRecord:
    """Read the response of an operation without a record; the body may be empty."""
    if _is_success(response.status) and not response.body.strip():
        return ParsedRecord(record=None)
    warnings, ignored = _warnings(_open_envelope(response, spec))
    return ParsedRecord(record=None, warnings=warnings, ignored=ignored)


@_catch_unreadable
def read_data(response: Response, spec: OperationSpec) -> ParsedData:
    """Read a response of any form; ``data`` is None for a success with an empty body."""
    if _is_success(response.status) and not response.body.strip():
        return ParsedData(data=None)
    envelope = _open_envelope(response, spec)
    warnings, ignored = _warnings(envelope)
    return ParsedData(
        data=_decode(envelope.data),
        count=_number(envelope.count),
        page_info=_object(envelope.page_info),
        warnings=warnings,
        ignored=ignored,
    )


def read_stream(response: Response, spec: OperationSpec) -> Stream:
    """Return the body of a file's response; raises like `read_list`.

    A JSON body has been read whole, since it may report an error (``code: false``).
    """
    if response.stream is not None:
        return response.stream
    with suppress(*UNREADABLE):
        _open_envelope(response, spec)
    return _WholeBodyStream(response.body)


class _WholeBodyStream:
    """Stream over a body that has been read whole."""

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
def read_token(response: Response, spec: OperationSpec) -> str:
    """Read a login's response; raises like `read_list`, never with the token in the message."""
    token = _token_in(_open_envelope(response, spec).data)
    if token is None:
        raise UnexpectedStructureError(
            "the response to the login holds no token",
            status=response.status,
            operation=spec.operation,
        )
    return token


def _token_in(data: Raw) -> str | None:
    if kind_of(data) != "object":
        return None
    token = _decode(FIELDS.decode(data).get("token", NULL))
    # A line break would end the header, and no token has other invisible characters.
    usable = isinstance(token, str) and token and _VISIBLE.issuperset(token)
    return cast("str", token) if usable else None


def _open_envelope(response: Response, spec: OperationSpec) -> Envelope:
    """Return the envelope of a success; raise for everything else."""
    if 300 <= response.status < 400:  # noqa: PLR2004 - HTTP's 3xx
        raise UnexpectedStructureError(
            "the server answered with a redirect, which is not followed with credentials; "
            "check base_url",
            status=response.status,
            operation=spec.operation,
        )
    if _is_success(response.status):
        envelope = ENVELOPE.decode(response.body)
        if _reports_success(envelope):
            return envelope
    raise error_for_response(response, spec, texts=_error_texts(response.body))


def _error_texts(body: bytes) -> tuple[str, ...] | None:
    """Return an error's texts, empty if the body is truncated; None if it is not an envelope."""
    for repair in (bytes, without_lone_surrogates):
        with suppress(*UNREADABLE):
            envelope = ENVELOPE.decode(repair(body) or b"")
            return (*_sentences(envelope.error), *_sentences(envelope.description))
    return () if body.lstrip().startswith(b"{") else None


def _reports_success(head: EnvelopeHead) -> bool:
    return bytes(head.code) != b"false"


def _keys(spec: OperationSpec) -> tuple[str, ...]:
    """Return the keys of ``data`` that may hold the list."""
    return (*spec.payload, spec.path.rsplit("/", 1)[-1])


def _is_success(status: int) -> bool:
    return 200 <= status < 300  # noqa: PLR2004 - HTTP's 2xx


def _describe_failure(response: Response) -> str:
    body = response.body.lstrip()
    if not body:
        return "the response is empty instead of JSON"
    if body.startswith(b"<"):
        return "the response is a web page instead of JSON"
    if body[:1] in b"{[":
        return "the response's JSON is truncated, malformed or not in the API's form"
    return "the response is not JSON"


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


def _records(
    data: Raw, spec: OperationSpec, status: int, *, empty_is_fine: bool
) -> tuple[Raw, ...]:
    kind = kind_of(data)
    if kind == "list":
        return tuple(RECORDS_DECODER.decode(data))
    if kind == "object":
        records = _find_list(_keys(spec), data)
        if records is None:
            raise UnexpectedStructureError(
                "the response's data is an object without the expected list",
                status=status,
                operation=spec.operation,
            )
        return tuple(records)
    if kind == "null" and empty_is_fine:
        return ()
    raise UnexpectedStructureError(
        f"the response's data is {_article(kind)} instead of a list",
        status=status,
        operation=spec.operation,
    )


def _find_list(keys: tuple[str, ...], data: Raw) -> list[Raw] | None:
    fields = FIELDS.decode(data)
    for key in keys:
        if key in fields and kind_of(fields[key]) == "list":
            return RECORDS_DECODER.decode(fields[key])
    return None


def _open_groups(records: tuple[Raw, ...], keys: tuple[str, ...]) -> tuple[Raw, ...]:
    """Flatten ``[{"patients": [...]}]``, a form in the vendor's documentation.

    The first bytes distinguish such a group from a record, so that an ordinary page costs nothing.
    """
    if not records or not _GROUP.match(records[0]):
        return records
    flattened: list[Raw] = []
    for group in records:
        inner_records = _find_list(keys, group) if kind_of(group) == "object" else None
        if inner_records is None:
            return records  # the decoder reports what is wrong with them
        flattened += inner_records
    return tuple(flattened)


def _inner_records(
    groups: tuple[Raw, ...], spec: OperationSpec, inner: str, status: int
) -> Iterator[Raw]:
    """Flatten groups to their records.

    ``GET /locations`` lists institutions that hold the locations.
    """
    for group in groups:
        records = _find_list((inner,), group) if kind_of(group) == "object" else None
        if records is None:
            raise UnexpectedStructureError(
                f"a listed group has no list of {inner}", status=status, operation=spec.operation
            )
        yield from _add_group_fields(records, group)


def _add_group_fields(records: list[Raw], group: Raw) -> Iterator[Raw]:
    """Add the group's id, name and subdomain to each record."""
    fields = FIELDS.decode(group)
    group_fields = {
        "institution_id": fields.get("id", NULL),
        "institution_name": fields.get("name", NULL),
        "subdomain": fields.get("subdomain", NULL),
    }
    for record in records:
        if kind_of(record) != "object":
            yield record
        else:
            yield Raw(msgspec.json.encode(group_fields | FIELDS.decode(record)))


def _sentences(raw: Raw) -> tuple[str, ...]:
    """Return the texts of ``error`` or ``description``."""
    try:
        return tuple(_texts(_decode(raw), _MAX_SENTENCE_DEPTH))
    except UNREADABLE:
        return ("the server attached an unreadable text",)


def _texts(value: object, depth: int) -> Iterator[str]:
    """Yield the texts in a nested value."""
    if isinstance(value, str):
        if value.strip():
            yield value[:_MAX_WARNING_LENGTH]
        return
    items: Iterable[object] = ()
    if isinstance(value, list):
        items = cast("list[object]", value)
    elif isinstance(value, dict):
        items = cast("dict[str, object]", value).values()
    if depth:
        for item in items:
            yield from _texts(item, depth - 1)


def _warnings(envelope: EnvelopeHead) -> tuple[tuple[str, ...], frozenset[str]]:
    """Collect a success's warnings: all of ``error``, and ignored parameters in both fields."""
    if kind_of(envelope.error) == "null" and kind_of(envelope.description) == "null":
        return (), frozenset()
    texts = [*_sentences(envelope.error)]
    texts += [t for t in _sentences(envelope.description) if _IGNORED.search(t)]
    matches = (_IGNORED.search(text) for text in texts)
    ignored = frozenset(name for match in matches if match for name in _NAME.findall(match[1]))
    return tuple(texts), ignored
