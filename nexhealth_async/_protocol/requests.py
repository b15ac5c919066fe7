"""Endpoint and arguments to request: query spelling, body wrapping, the version's headers.

Reference: query encoding (Rails-style repeated ``ids[]=``), scoping, selecting the version.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import cache, lru_cache
from math import isfinite
from typing import TypeAlias, cast
from urllib.parse import quote

import msgspec
from attrs import Factory, field, frozen

from nexhealth_async._protocol.api_versions import V2, V3, is_v2
from nexhealth_async._protocol.http_messages import Request
from nexhealth_async._protocol.multipart import form
from nexhealth_async._protocol.operations import Endpoint, OperationSpec, RateClass, ScopeNeed
from nexhealth_async._protocol.timestamps import check_aware
from nexhealth_async.errors import InvalidArgumentError, MissingScopeError, NotInVersionError

__all__ = [
    "JSONValue",
    "PlannedCall",
    "check_base_url",
    "check_subdomain",
    "plan",
    "raw_call",
    "spec_for",
    "validate_text",
    "version_headers",
    "version_name",
]

JSONValue: TypeAlias = (
    "bool | int | float | str | Sequence[JSONValue] | Mapping[str, JSONValue] | None"
)

_VERBS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_PATH = re.compile(r"/(?!/)(?!.*(\.|%2e){2})(?:[\w\-./~@:]|%[0-9a-f]{2})*+", re.IGNORECASE)
_MAX_PATH_LENGTH = 4_000
_VALUE = re.compile(r"(?<=/)(?![a-z_]+(/|$))[^/]+")
"""A part of a path that is no word of the API's, so that it may be a value."""
_RAW_OPERATION: Endpoint[object] = Endpoint(resource="request", verb="request", model=None)
_FILE = frozenset({"file", "filename", "content_type"})
"""The fields that make up the file of a form."""
_PATH_PARAMETER = re.compile(r"\{[a-z_]+\}")
_UNRESERVED = re.compile(r"[\w\-.~:,]*", re.ASCII)
"""Text that is the same in a URL; most is."""
_VERSION_LITERAL = re.compile(r"v(?![01](\.|$))[0-9]+(\.[0-9]+)*")
"""Version 2 and what came after it; the library has no rows for what came before."""
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_OCTET = r"(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
"""What is none makes a name of the address, and names are looked up."""
_LOOPBACK = re.compile(rf"http://(localhost|127(\.{_OCTET}){{3}}|\[::1\])(:[0-9]+)?(/[^?#\s]*)?")
_HTTPS = re.compile(r"https://[^/?#\s@]+(/[^?#\s]*)?")


def _target_of(call: PlannedCall) -> str:
    return f"{call.path}?{_encode_query(call.query)}" if call.query else call.path


def _encode_query(pairs: Sequence[tuple[str, str]]) -> str:
    return "&".join([f"{_quote(name)}={_quote(value)}" for name, value in pairs])


@frozen(kw_only=True)
class PlannedCall:
    """One operation with its arguments spelled out, ready to be sent once or page by page."""

    endpoint: Endpoint[object]
    row: OperationSpec
    path: str = field(repr=False)
    query: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)
    content_type: str = "application/json"
    """What the body is, where there is one."""
    insignificant_params: bool = False
    """True where an argument makes an unsafe write safe."""
    version: str = V2
    """The API version it is spelled out for."""
    plan_for_version: Callable[[str], PlannedCall] | None = field(
        default=None, repr=False, eq=False
    )
    """Spells it out for another version, while it is not known which one is spoken."""
    _target: str = field(init=False, repr=False, default=Factory(_target_of, takes_self=True))

    @property
    def safe(self) -> bool:
        """Whether doing it twice does no harm: the row's word, unless an argument changes it."""
        return self.insignificant_params or self.row.safe

    @property
    def operation(self) -> str:
        """Verb and path template, free of values."""
        return self.row.operation

    @property
    def sent_filters(self) -> frozenset[str]:
        """Names of the query parameters on the wire, without brackets."""
        return frozenset(name.removesuffix("[]") for name, _ in self.query)

    def request(self, *extra: tuple[str, str], headers: Mapping[str, str]) -> Request:
        """Build the request, with page or cursor parameters after the call's own."""
        target = self._target
        if extra:
            target += f"{'&' if self.query else '?'}{_encode_query(extra)}"
        if self.body is not None:
            headers = {**headers, "Content-Type": self.content_type}
        return Request(
            method=self.row.method,
            target=target,
            headers=headers,
            body=self.body,
            fresh_connection=not self.safe,
        )


def check_base_url(url: str, *, allow_http: bool = False) -> str:
    """Return the base URL without a trailing slash; refuse what would send a key in the clear."""
    if not url.isascii():
        raise InvalidArgumentError(
            "base_url has characters beyond ASCII, which can be read in more than one way; spell "
            "its host in punycode (xn--...) and percent-encode its path"
        )
    asked = allow_http and _HTTPS.fullmatch(url.replace("http://", "https://", 1))
    if asked or _HTTPS.fullmatch(url) or _LOOPBACK.fullmatch(url):
        return url.rstrip("/")
    raise InvalidArgumentError(
        "base_url must be an https:// address without credentials, query or fragment; http:// is "
        "accepted for the loopback interface, and elsewhere with allow_http=True only, because it "
        "shows key and records to everyone on the way"
    )


@lru_cache(maxsize=4_096)
def check_subdomain(subdomain: str) -> str:
    """Return the subdomain; refuse what the API would answer with a misleading 403 or 400."""
    if not isinstance(subdomain, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidArgumentError(
            f"the subdomain must be text, not {type(subdomain).__name__}; is the variable set that "
            "it comes from?"
        )
    if not subdomain.strip():
        raise InvalidArgumentError(
            "the subdomain is blank; the API would answer 400: pass the practice's slug, "
            "as GET /institutions lists it"
        )
    if subdomain != subdomain.lower():
        raise InvalidArgumentError(
            "the subdomain has capital letters; write it in lower case, or the API would answer a "
            "misleading 403 that says access is denied"
        )
    if any(mark in "/.?&#" or mark.isspace() or not mark.isprintable() for mark in subdomain):
        raise InvalidArgumentError(
            "the subdomain has characters no subdomain has; pass the bare slug, "
            "as GET /institutions lists it, not an address"
        )
    return subdomain


def version_name(version: str) -> str:
    """Return the header's spelling of a literal version: ``"v3"`` means ``"v3.0.0"``."""
    if version == "v3":
        return V3
    if _VERSION_LITERAL.fullmatch(str(version)):
        return version
    raise InvalidArgumentError('version must be "v2", "v3" or a literal version such as "v3.1.0"')


def version_headers(version: str) -> dict[str, str]:
    """Return the headers that select the version, on every operation, login included."""
    if is_v2(version):
        return {
            "Accept": "application/vnd.Nexhealth+json;version=2",
            "Nex-Api-Version": V2,
        }
    # Some operations declare v2's media type alone as their reply, so anything else is fine, too.
    return {"Accept": "application/json, */*;q=0.1", "Nex-Api-Version": version}


def spec_for(endpoint: Endpoint[object], version: str) -> OperationSpec:
    """Return the endpoint's row in a version, or say which version has it."""
    row, other = (endpoint.v2, "v3") if is_v2(version) else (endpoint.v3, "v2")
    if row is None:
        raise NotInVersionError(
            f"{endpoint.resource}.{endpoint.verb} is not offered in {version}; "
            f'open the session with version="{other}"'
        )
    return row


def plan(
    endpoint: Endpoint[object],
    version: str,
    *,
    ids: Sequence[int | str] = (),
    subdomain: str | None = None,
    location_id: int | None = None,
    arguments: Mapping[str, object],
) -> PlannedCall:
    """Spell out a call: check it, bind the scope, and divide the arguments into query and body.

    A filter of None is not sent; a body field of None is sent as null. Raises `MissingScopeError`,
    `NotInVersionError`, `InvalidArgumentError`, or TypeError for an argument that no version knows.
    """
    row = spec_for(endpoint, version)
    given = dict(arguments)
    own_subdomain = None if "subdomain" in row.sibling_fields else given.pop("subdomain", None)
    if own_subdomain is not None and row.subdomain is ScopeNeed.NONE:
        _reject_unknown(endpoint, version, {"subdomain": own_subdomain})
    query = _scope_query(row, given, path_ids=own_subdomain, session_scope=subdomain)
    ids = (*ids, *(_path_id(row, name, given.pop(name, None)) for name in row.path_from))

    filters = row.wire_names
    _bind_location(row, given, location_id)
    fields = {name: given.pop(name) for name in [*given] if name not in filters}
    if fields and not row.takes_body:
        _reject_unknown(endpoint, version, fields)
    _reject_unsupported(endpoint, version, row, fields)
    for name in row.required:
        if given.get(name) is None:
            raise InvalidArgumentError(
                f"{name} is required: the API refuses the call without it", operation=row.operation
            )
    if row.one_of and all(given.get(name) is None for name in row.one_of):
        raise InvalidArgumentError(
            f"give at least one of {', '.join(row.one_of)}: the API refuses the call without",
            operation=row.operation,
        )
    for name, value in given.items():
        if value is not None:
            query.extend(_pairs(row, filters[name], value))
    body, content_type = _body_of(row, fields)
    return PlannedCall(
        endpoint=endpoint,
        row=row,
        path=_path(row.path, ids),
        query=tuple(query),
        body=body,
        content_type=content_type,
        insignificant_params=row.safe_if is not None and fields.get(row.safe_if) is True,
        version=version,
    )


def raw_call(
    method: str,
    path: str,
    *,
    params: Mapping[str, object],
    json: object = None,
    safe: bool | None = None,
) -> PlannedCall:
    """Spell out a call to a path that need not be in the table; it counts in its path's class."""
    verb = method.upper()
    if verb not in _VERBS:
        raise InvalidArgumentError("method must be GET, POST, PUT, PATCH or DELETE")
    if len(path) > _MAX_PATH_LENGTH:
        raise InvalidArgumentError(f"path is longer than {_MAX_PATH_LENGTH:,} characters")
    if not _PATH.fullmatch(path):
        raise InvalidArgumentError('path must begin with "/" and hold neither host, query nor ".."')
    row = OperationSpec(
        method=verb,
        path=_VALUE.sub("{id}", path),
        rate=_rate_class_of(verb, path),
        safe=verb in ("GET", "DELETE") if safe is None else safe,
        subdomain=ScopeNeed.NONE,
        lookup_hint="Read the record back to see.",
    )
    query: list[tuple[str, str]] = []
    for name, value in params.items():
        if value is None:
            continue
        several = _is_list(value)
        key = f"{name.removesuffix('[]')}[]" if several else name
        items = list(cast("Sequence[object]", value)) if several else [value]
        if not items:
            raise _empty_list_error(name, row)
        query.extend(
            (validate_text("a parameter's name", key), _text(name, item)) for item in items
        )
    return PlannedCall(
        endpoint=_RAW_OPERATION,
        row=row,
        path=quote(path, safe="/%:@~"),
        query=tuple(query),
        body=None if json is None else _encode_body(json),
    )


def _rate_class_of(verb: str, path: str) -> RateClass:
    """Return the class the documentation puts a path in."""
    first = path.split("/")[1]
    if verb == "GET" and first in ("appointments", "appointment_slots", "available_slots"):
        return RateClass.SLOW
    return RateClass.PEOPLE if first in ("patients", "appointments") else RateClass.OTHER


def _scope_query(
    row: OperationSpec,
    arguments: Mapping[str, object],
    *,
    path_ids: object,
    session_scope: str | None,
) -> list[tuple[str, str]]:
    """Name the practice the caller chose, or else the bound one."""
    if row.subdomain is ScopeNeed.NONE:
        return []
    for name, value in row.unscoped_if.items():
        if arguments.get(name) == value and path_ids is None:
            return []
        if arguments.get(name) == value:
            raise InvalidArgumentError(
                f"{name}={value!r} belongs to no practice: leave subdomain out",
                operation=row.operation,
            )
    subdomain = session_scope if path_ids is None else str(path_ids)
    if subdomain is None:
        if row.subdomain is ScopeNeed.REQUIRED:
            raise MissingScopeError(
                "no practice was given; use nex.practice(subdomain), open the session with "
                "subdomain=, or pass subdomain= to the call",
                operation=row.operation,
            )
        return []
    return [("subdomain", check_subdomain(subdomain))]


def _path_id(row: OperationSpec, name: str, value: object) -> int | str:
    """Return a filter that this version has in the path, where it cannot be left out."""
    if value is None:
        raise InvalidArgumentError(
            f"{name} is required in this API version", operation=row.operation
        )
    return cast("int | str", value)


def _bind_location(
    row: OperationSpec, arguments: dict[str, object], location_id: int | None
) -> None:
    """Put the scope's location under the filter that takes it, unless the caller chose another."""
    if row.location is ScopeNeed.NONE:
        return
    own = arguments.pop("location_id", None) if row.location_filter != "location_id" else None
    chosen = arguments.get(row.location_filter)
    if chosen is not None and own is not None:
        raise InvalidArgumentError(
            f"give {row.location_filter} or location_id, not both", operation=row.operation
        )
    if chosen is None:
        chosen = own if own is not None else location_id
        if chosen is not None:
            arguments[row.location_filter] = chosen
    needed = row.location is ScopeNeed.REQUIRED or any(
        arguments.get(name) is not None for name in row.with_location
    )
    if chosen is None and needed:
        raise MissingScopeError(
            "no location was given; use nex.practice(subdomain).location(id), open the session "
            "with location_id=, or pass location_id= to the call",
            operation=row.operation,
        )


def _reject_unknown(
    endpoint: Endpoint[object], version: str, arguments: Mapping[str, object]
) -> None:
    other = endpoint.v3 if is_v2(version) else endpoint.v2
    known = {name.removesuffix("[]") for name in other.filters} if other else set[str]()
    if other and other.subdomain is not ScopeNeed.NONE:
        known.add("subdomain")
    for name in arguments:
        if name in known:
            raise NotInVersionError(_version_error(endpoint, version, name))
    names = ", ".join(sorted(arguments))
    raise TypeError(f"{endpoint.resource}.{endpoint.verb}() got unexpected arguments: {names}")


def _reject_unsupported(
    endpoint: Endpoint[object], version: str, row: OperationSpec, fields: Mapping[str, object]
) -> None:
    for name in row.unsupported:
        if name in fields:
            raise NotInVersionError(
                _version_error(endpoint, version, name), operation=row.operation
            )


def _version_error(endpoint: Endpoint[object], version: str, name: str) -> str:
    other = "v3" if is_v2(version) else "v2"
    return (
        f"{endpoint.resource}.{endpoint.verb} takes {name} in {other} only; leave it out, or open "
        f'the session with version="{other}"'
    )


def _pairs(row: OperationSpec, spec: str, value: object) -> list[tuple[str, str]]:
    name = spec.removesuffix("[]")
    wire = row.wire.get(spec, spec)
    if not _is_list(value):
        return [(wire, _text(name, value))]
    values = list(cast("Sequence[object]", value))
    if name == spec:
        raise InvalidArgumentError(f"{name} takes one value, not several", operation=row.operation)
    if not values:
        raise _empty_list_error(name, row)
    if len(values) > row.at_most.get(name, len(values)):
        raise InvalidArgumentError(
            f"{name} takes {row.at_most[name]} values at most; walk once for each lot",
            operation=row.operation,
        )
    if len(values) > 1 and not wire.endswith("[]"):
        raise NotInVersionError(
            f"{name} takes one id in this API version; walk once for each, or open the session "
            'with version="v3"',
            operation=row.operation,
        )
    return [(wire, _text(name, item)) for item in values]


def _empty_list_error(name: str, row: OperationSpec) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"{name} is empty, which the API would read as no filter at all: leave it out to mean that",
        operation=row.operation,
    )


def _is_list(value: object) -> bool:
    return isinstance(value, (Sequence, set, frozenset)) and not isinstance(value, (str, bytes))


def _text(name: str, value: object) -> str:
    """Spell one value as the API reads it."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            if not value.strip():
                raise InvalidArgumentError(
                    f"{name} is blank; the API refuses blank values: leave it out instead"
                )
            return validate_text(name, value)
        case int():
            return str(int(value))
        case float() | Decimal():
            if not isfinite(value):
                raise InvalidArgumentError(f"{name} must be a finite number")
            return str(value)
        case datetime():
            return check_aware(name, value).isoformat()
        case date():
            return value.isoformat()
        case _:
            raise InvalidArgumentError(f"{name} cannot be a {type(value).__name__}")


def validate_text(field: str, text: str) -> str:
    """Return a text that a URL can hold; half a surrogate pair has no bytes to send."""
    if not text.isascii() and _LONE_SURROGATE.search(text):
        raise InvalidArgumentError(f"{field} holds half a character (a lone surrogate)")
    return text


@cache
def _readable_template(template: str) -> list[str]:
    return _PATH_PARAMETER.split(template)


def _path(template: str, ids: Sequence[int | str]) -> str:
    if not ids and "{" not in template:
        return template
    words = _readable_template(template)
    if len(words) != len(ids) + 1:
        raise TypeError(f"{template} takes {len(words) - 1} identifiers, not {len(ids)}")
    path = words[0]
    for id, word in zip(ids, words[1:], strict=True):
        if isinstance(id, bool) or not isinstance(id, (int, str)):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidArgumentError(
                f"an identifier is a whole number or a text, never a {type(id).__name__}"
            )
        if type(id) is int:
            path += f"{id}{word}"
            continue
        part = validate_text("an identifier", str(id))
        if part.strip(". ") == "":
            raise InvalidArgumentError(
                "an identifier in the path is blank or made of dots; pass the id of a record"
            )
        path += quote(part, safe="") + word
    return path


def _quote(text: str) -> str:
    return text if _UNRESERVED.fullmatch(text) else quote(text, safe="-._~:,")


def _body_of(row: OperationSpec, fields: Mapping[str, object]) -> tuple[bytes | None, str]:
    """Return the body and its kind: a form with a file in it, or JSON."""
    if row.multipart:
        beside = {name: value for name, value in fields.items() if name not in _FILE}
        return form(
            content=fields.get("file"),
            filename=fields.get("filename"),
            content_type=fields.get("content_type"),
            fields=[(name, _text(name, v)) for name, v in beside.items() if v is not None],
        )
    return _encode_body(_body(row, fields)) if row.takes_body else None, "application/json"


def _body(row: OperationSpec, fields: Mapping[str, object]) -> dict[str, object]:
    inside: dict[str, object] = {}
    body: dict[str, object] = {}
    for name, value in fields.items():
        if name not in row.sibling_fields:
            inside[name] = value
        elif value is not None:
            *above, last = row.sibling_fields[name]
            place = body
            for key in above:
                place = cast("dict[str, object]", place.setdefault(key, {}))
            place[last] = value
    if not row.wrap:
        return {**inside, **body}
    body[row.wrap] = {**inside, **cast("dict[str, object]", body.get(row.wrap, {}))}
    return body


def _check_body(path: str, value: object) -> None:
    """Refuse what would be written wrongly: a time without a zone is read as another time."""
    if isinstance(value, Mapping):
        for name, item in cast("Mapping[object, object]", value).items():
            _check_body(f"{path}.{name}" if path else str(name), item)
    elif isinstance(value, datetime):
        check_aware(path, value)
    elif _is_list(value):
        for item in cast("Sequence[object]", value):
            _check_body(path, item)
    elif isinstance(value, (float, Decimal)) and not isfinite(value):
        raise InvalidArgumentError(f"{path} must be a finite number")


def _encode_odd(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(cast("Mapping[object, object]", value))
    raise InvalidArgumentError(f"a body field cannot be a {type(value).__name__}")


_BODY = msgspec.json.Encoder(decimal_format="number", enc_hook=_encode_odd)


def _encode_body(body: object) -> bytes:
    try:
        _check_body("", body)
        return _BODY.encode(body)
    except InvalidArgumentError:
        raise
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError):
        # The codec's error may hold a value, so it is gone when ours is raised.
        pass
    raise InvalidArgumentError(
        "the body holds something JSON has no form for: half a character, a key that is no "
        "text, a value of a foreign type, or too many levels"
    )
