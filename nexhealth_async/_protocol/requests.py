"""Requests from endpoints and arguments: query encoding, body wrapping, version headers.

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
"""A segment of a path that is not a word of the API, so that it may be a value."""
_RAW_OPERATION: Endpoint[object] = Endpoint(resource="request", verb="request", model=None)
_FILE = frozenset({"file", "filename", "content_type"})
"""Fields that describe the file of a form."""
_PATH_PARAMETER = re.compile(r"\{[a-z_]+\}")
_UNRESERVED = re.compile(r"[\w\-.~:,]*", re.ASCII)
"""Text that needs no percent-encoding."""
_VERSION_LITERAL = re.compile(r"v(?![01](\.|$))[0-9]+(\.[0-9]+)*")
"""Version 2 or later; the library has no operations of earlier versions."""
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_OCTET = r"(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
"""Octet of an IPv4 address; with any other number the address would be resolved as a name."""
_LOOPBACK = re.compile(rf"http://(localhost|127(\.{_OCTET}){{3}}|\[::1\])(:[0-9]+)?(/[^?#\s]*)?")
_HTTPS = re.compile(r"https://[^/?#\s@]+(/[^?#\s]*)?")


def _target_of(call: PlannedCall) -> str:
    return f"{call.path}?{_encode_query(call.query)}" if call.query else call.path


def _encode_query(pairs: Sequence[tuple[str, str]]) -> str:
    return "&".join([f"{_quote(name)}={_quote(value)}" for name, value in pairs])


@frozen(kw_only=True)
class PlannedCall:
    """An operation with its encoded arguments, ready to be sent once or page by page."""

    endpoint: Endpoint[object]
    spec: OperationSpec
    path: str = field(repr=False)
    query: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)
    content_type: str = "application/json"
    """Media type of the body, if there is one."""
    safe_by_argument: bool = False
    """True if an argument makes an unsafe write safe."""
    version: str = V2
    """API version of the call."""
    plan_for_version: Callable[[str], PlannedCall] | None = field(
        default=None, repr=False, eq=False
    )
    """Plans the call for another version; None if the version is known."""
    _target: str = field(init=False, repr=False, default=Factory(_target_of, takes_self=True))

    @property
    def safe(self) -> bool:
        """True if the call may be repeated without harm."""
        return self.safe_by_argument or self.spec.safe

    @property
    def operation(self) -> str:
        """Method and path template, without values."""
        return self.spec.operation

    @property
    def sent_filters(self) -> frozenset[str]:
        """Names of the query parameters as sent, without brackets."""
        return frozenset(name.removesuffix("[]") for name, _ in self.query)

    def request(self, *extra: tuple[str, str], headers: Mapping[str, str]) -> Request:
        """Build the request, with page or cursor parameters appended to the query."""
        target = self._target
        if extra:
            target += f"{'&' if self.query else '?'}{_encode_query(extra)}"
        if self.body is not None:
            headers = {**headers, "Content-Type": self.content_type}
        return Request(
            method=self.spec.method,
            target=target,
            headers=headers,
            body=self.body,
            fresh_connection=not self.safe,
        )


def check_base_url(url: str, *, allow_http: bool = False) -> str:
    """Return the base URL without a trailing slash.

    Args:
        url: The base URL.
        allow_http: Accept ``http://`` for hosts other than this machine.

    Raises:
        InvalidArgumentError: The URL is invalid or would send the key without encryption.
    """
    if not url.isascii():
        raise InvalidArgumentError(
            "base_url has ambiguous characters beyond ASCII; write its host in punycode "
            "(xn--...) and percent-encode its path"
        )
    is_allowed_http = allow_http and _HTTPS.fullmatch(url.replace("http://", "https://", 1))
    if is_allowed_http or _HTTPS.fullmatch(url) or _LOOPBACK.fullmatch(url):
        return url.rstrip("/")
    raise InvalidArgumentError(
        "base_url must be an https:// address without credentials, query or fragment; http:// "
        "sends key and records unencrypted, so it needs allow_http=True except on the loopback "
        "interface"
    )


@lru_cache(maxsize=4_096)
def check_subdomain(subdomain: str) -> str:
    """Return the subdomain; raise if the API would answer it with a misleading 403 or 400."""
    if not isinstance(subdomain, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidArgumentError(
            f"the subdomain must be text, not {type(subdomain).__name__}; check the variable that "
            "it comes from"
        )
    if not subdomain.strip():
        raise InvalidArgumentError(
            "the subdomain is blank; pass the practice's subdomain as GET /institutions lists it"
        )
    if subdomain != subdomain.lower():
        raise InvalidArgumentError(
            "the subdomain has capital letters, which the API answers with a misleading 403; "
            "write it in lower case"
        )
    if any(char in "/.?&#" or char.isspace() or not char.isprintable() for char in subdomain):
        raise InvalidArgumentError(
            "the subdomain has invalid characters; pass the subdomain as GET /institutions lists "
            "it, not a URL"
        )
    return subdomain


def version_name(version: str) -> str:
    """Return the version for the header: ``"v3"`` means ``"v3.0.0"``."""
    if version == "v3":
        return V3
    if _VERSION_LITERAL.fullmatch(str(version)):
        return version
    raise InvalidArgumentError('version must be "v2", "v3" or a literal version such as "v3.1.0"')


def version_headers(version: str) -> dict[str, str]:
    """Return the headers that select the version, for all operations including the login."""
    if is_v2(version):
        return {
            "Accept": "application/vnd.Nexhealth+json;version=2",
            "Nex-Api-Version": V2,
        }
    # Some operations declare only v2's media type for their responses, so accept any type.
    return {"Accept": "application/json, */*;q=0.1", "Nex-Api-Version": version}


def spec_for(endpoint: Endpoint[object], version: str) -> OperationSpec:
    """Return the endpoint's operation in a version; raises `NotInVersionError` without one."""
    spec, other = (endpoint.v2, "v3") if is_v2(version) else (endpoint.v3, "v2")
    if spec is None:
        raise NotInVersionError(
            f"{endpoint.resource}.{endpoint.verb} is not available in {version}; "
            f'open the session with version="{other}"'
        )
    return spec


def plan(
    endpoint: Endpoint[object],
    version: str,
    *,
    ids: Sequence[int | str] = (),
    subdomain: str | None = None,
    location_id: int | None = None,
    arguments: Mapping[str, object],
) -> PlannedCall:
    """Plan a call: validate its arguments, bind the scope, and encode query and body.

    A filter of None is not sent; a body field of None is sent as null.

    Args:
        endpoint: The endpoint.
        version: API version of the call.
        ids: Path parameters.
        subdomain: The session's practice.
        location_id: The session's location.
        arguments: Filters and body fields by public name.

    Raises:
        MissingScopeError: The operation needs a practice or location.
        NotInVersionError: The version lacks the operation or an argument.
        InvalidArgumentError: An argument is missing or invalid.
        TypeError: No version has an argument.
    """
    spec = spec_for(endpoint, version)
    remaining = dict(arguments)
    own_subdomain = None if "subdomain" in spec.sibling_fields else remaining.pop("subdomain", None)
    if own_subdomain is not None and spec.subdomain is ScopeNeed.NONE:
        _reject_unknown(endpoint, version, {"subdomain": own_subdomain})
    query = _scope_query(spec, remaining, own_subdomain, session_subdomain=subdomain)
    ids = (*ids, *(_path_id(spec, name, remaining.pop(name, None)) for name in spec.path_from))

    filters = spec.wire_names
    _bind_location(spec, remaining, location_id)
    fields = {name: remaining.pop(name) for name in [*remaining] if name not in filters}
    if fields and not spec.takes_body:
        _reject_unknown(endpoint, version, fields)
    _reject_unsupported(endpoint, version, spec, fields)
    for name in spec.required:
        if remaining.get(name) is None:
            raise InvalidArgumentError(
                f"{name} is required: the API rejects the call without it", operation=spec.operation
            )
    if spec.one_of and all(remaining.get(name) is None for name in spec.one_of):
        raise InvalidArgumentError(
            f"at least one of {', '.join(spec.one_of)} is required: the API rejects the call "
            "without it",
            operation=spec.operation,
        )
    for name, value in remaining.items():
        if value is not None:
            query.extend(_pairs(spec, filters[name], value))
    body, content_type = _body_of(spec, fields)
    return PlannedCall(
        endpoint=endpoint,
        spec=spec,
        path=_path(spec.path, ids),
        query=tuple(query),
        body=body,
        content_type=content_type,
        safe_by_argument=spec.safe_if is not None and fields.get(spec.safe_if) is True,
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
    """Plan a call to any path, declared or not.

    Args:
        method: HTTP method.
        path: Path without query.
        params: Query parameters; lists are encoded as ``name[]``, and None is not sent.
        json: Body.
        safe: True if the call may be repeated; by default for GET and DELETE.
    """
    verb = method.upper()
    if verb not in _VERBS:
        raise InvalidArgumentError("method must be GET, POST, PUT, PATCH or DELETE")
    if len(path) > _MAX_PATH_LENGTH:
        raise InvalidArgumentError(f"path must not exceed {_MAX_PATH_LENGTH:,} characters")
    if not _PATH.fullmatch(path):
        raise InvalidArgumentError('path must start with "/" and hold no host, query or ".."')
    spec = OperationSpec(
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
        is_list = _is_list(value)
        key = f"{name.removesuffix('[]')}[]" if is_list else name
        items = list(cast("Sequence[object]", value)) if is_list else [value]
        if not items:
            raise _empty_list_error(name, spec)
        query.extend(
            (validate_text("a parameter's name", key), _text(name, item)) for item in items
        )
    return PlannedCall(
        endpoint=_RAW_OPERATION,
        spec=spec,
        path=quote(path, safe="/%:@~"),
        query=tuple(query),
        body=None if json is None else _encode_body(json),
    )


def _rate_class_of(verb: str, path: str) -> RateClass:
    """Return the documented rate class of a path."""
    first = path.split("/")[1]
    if verb == "GET" and first in ("appointments", "appointment_slots", "available_slots"):
        return RateClass.SLOW
    return RateClass.PEOPLE if first in ("patients", "appointments") else RateClass.OTHER


def _scope_query(
    spec: OperationSpec,
    arguments: Mapping[str, object],
    own_subdomain: object,
    *,
    session_subdomain: str | None,
) -> list[tuple[str, str]]:
    """Return the query parameter for the call's own practice, or else the session's."""
    if spec.subdomain is ScopeNeed.NONE:
        return []
    for name, value in spec.unscoped_if.items():
        if arguments.get(name) == value and own_subdomain is None:
            return []
        if arguments.get(name) == value:
            raise InvalidArgumentError(
                f"{name}={value!r} belongs to no practice; leave out subdomain",
                operation=spec.operation,
            )
    subdomain = session_subdomain if own_subdomain is None else str(own_subdomain)
    if subdomain is None:
        if spec.subdomain is ScopeNeed.REQUIRED:
            raise MissingScopeError(
                "the practice is missing; use nex.practice(subdomain), open the session with "
                "subdomain=, or pass subdomain= to the call",
                operation=spec.operation,
            )
        return []
    return [("subdomain", check_subdomain(subdomain))]


def _path_id(spec: OperationSpec, name: str, value: object) -> int | str:
    """Return a filter that is a required path parameter in this version."""
    if value is None:
        raise InvalidArgumentError(
            f"{name} is required in this API version", operation=spec.operation
        )
    return cast("int | str", value)


def _bind_location(
    spec: OperationSpec, arguments: dict[str, object], location_id: int | None
) -> None:
    """Add the session's location to the arguments, unless the caller passed another."""
    if spec.location is ScopeNeed.NONE:
        return
    own = arguments.pop("location_id", None) if spec.location_filter != "location_id" else None
    chosen = arguments.get(spec.location_filter)
    if chosen is not None and own is not None:
        raise InvalidArgumentError(
            f"pass either {spec.location_filter} or location_id, not both",
            operation=spec.operation,
        )
    if chosen is None:
        chosen = own if own is not None else location_id
        if chosen is not None:
            arguments[spec.location_filter] = chosen
    needed = spec.location is ScopeNeed.REQUIRED or any(
        arguments.get(name) is not None for name in spec.with_location
    )
    if chosen is None and needed:
        raise MissingScopeError(
            "the location is missing; use nex.practice(subdomain).location(id), open the session "
            "with location_id=, or pass location_id= to the call",
            operation=spec.operation,
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
    endpoint: Endpoint[object], version: str, spec: OperationSpec, fields: Mapping[str, object]
) -> None:
    for name in spec.unsupported:
        if name in fields:
            raise NotInVersionError(
                _version_error(endpoint, version, name), operation=spec.operation
            )


def _version_error(endpoint: Endpoint[object], version: str, name: str) -> str:
    other = "v3" if is_v2(version) else "v2"
    return (
        f"{endpoint.resource}.{endpoint.verb} accepts {name} only in {other}; leave it out, or "
        f'open the session with version="{other}"'
    )


def _pairs(spec: OperationSpec, filter_name: str, value: object) -> list[tuple[str, str]]:
    name = filter_name.removesuffix("[]")
    wire = spec.wire.get(filter_name, filter_name)
    if not _is_list(value):
        return [(wire, _text(name, value))]
    values = list(cast("Sequence[object]", value))
    if name == filter_name:
        raise InvalidArgumentError(f"{name} takes one value, not several", operation=spec.operation)
    if not values:
        raise _empty_list_error(name, spec)
    if len(values) > spec.at_most.get(name, len(values)):
        raise InvalidArgumentError(
            f"{name} takes at most {spec.at_most[name]} values; split them over several walks",
            operation=spec.operation,
        )
    if len(values) > 1 and not wire.endswith("[]"):
        raise NotInVersionError(
            f"{name} takes one id in this API version; walk once for each id, or open the session "
            'with version="v3"',
            operation=spec.operation,
        )
    return [(wire, _text(name, item)) for item in values]


def _empty_list_error(name: str, spec: OperationSpec) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"{name} is an empty list, which the API treats as no filter; leave it out instead",
        operation=spec.operation,
    )


def _is_list(value: object) -> bool:
    return isinstance(value, (Sequence, set, frozenset)) and not isinstance(value, (str, bytes))


def _text(name: str, value: object) -> str:
    """Encode one value for the query."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            if not value.strip():
                raise InvalidArgumentError(
                    f"{name} is blank, which the API rejects; leave it out instead"
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
            raise InvalidArgumentError(f"{name} cannot be of type {type(value).__name__}")


def validate_text(field: str, text: str) -> str:
    """Return the text; raise for a lone surrogate, which UTF-8 cannot encode."""
    if not text.isascii() and _LONE_SURROGATE.search(text):
        raise InvalidArgumentError(f"{field} holds half a character (a lone surrogate); remove it")
    return text


@cache
def _split_template(template: str) -> list[str]:
    return _PATH_PARAMETER.split(template)


def _path(template: str, ids: Sequence[int | str]) -> str:
    if not ids and "{" not in template:
        return template
    parts = _split_template(template)
    if len(parts) != len(ids) + 1:
        raise TypeError(f"{template} takes {len(parts) - 1} ids, not {len(ids)}")
    path = parts[0]
    for id, part in zip(ids, parts[1:], strict=True):
        if isinstance(id, bool) or not isinstance(id, (int, str)):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidArgumentError(
                f"an id must be a whole number or text, not {type(id).__name__}"
            )
        if type(id) is int:
            path += f"{id}{part}"
            continue
        text = validate_text("an id", str(id))
        if text.strip(". ") == "":
            raise InvalidArgumentError(
                "an id in the path is blank or consists of dots; pass the id of a record"
            )
        path += quote(text, safe="") + part
    return path


def _quote(text: str) -> str:
    return text if _UNRESERVED.fullmatch(text) else quote(text, safe="-._~:,")


def _body_of(spec: OperationSpec, fields: Mapping[str, object]) -> tuple[bytes | None, str]:
    """Return the body and its media type: a form with a file, or JSON."""
    if spec.multipart:
        other_fields = {name: value for name, value in fields.items() if name not in _FILE}
        return form(
            content=fields.get("file"),
            filename=fields.get("filename"),
            content_type=fields.get("content_type"),
            fields=[(name, _text(name, v)) for name, v in other_fields.items() if v is not None],
        )
    return _encode_body(_body(spec, fields)) if spec.takes_body else None, "application/json"


def _body(spec: OperationSpec, fields: Mapping[str, object]) -> dict[str, object]:
    wrapped: dict[str, object] = {}
    body: dict[str, object] = {}
    for name, value in fields.items():
        if name not in spec.sibling_fields:
            wrapped[name] = value
        elif value is not None:
            *parents, last = spec.sibling_fields[name]
            target = body
            for key in parents:
                target = cast("dict[str, object]", target.setdefault(key, {}))
            target[last] = value
    if not spec.wrap:
        return {**wrapped, **body}
    body[spec.wrap] = {**wrapped, **cast("dict[str, object]", body.get(spec.wrap, {}))}
    return body


def _check_body(path: str, value: object) -> None:
    """Raise for naive timestamps and for numbers that are not finite, at any depth."""
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


def _encode_mapping(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(cast("Mapping[object, object]", value))
    raise InvalidArgumentError(f"a body field cannot be of type {type(value).__name__}")


_BODY_ENCODER = msgspec.json.Encoder(decimal_format="number", enc_hook=_encode_mapping)


def _encode_body(body: object) -> bytes:
    try:
        _check_body("", body)
        return _BODY_ENCODER.encode(body)
    except InvalidArgumentError:
        raise
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError):
        # The encoder's error may hold a value, so it must not be the context of the next one.
        pass
    raise InvalidArgumentError(
        "the body cannot be encoded as JSON: it holds a lone surrogate, a key that is not text, "
        "an unsupported type, or too many levels"
    )
