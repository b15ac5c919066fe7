"""Base class of resources, which shows filters as parameters in ``help()``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from inspect import Parameter, signature
from types import FunctionType
from typing import TYPE_CHECKING, NoReturn, Required, cast, get_args, get_origin, is_typeddict

from attrs import frozen

from nexhealth_async._protocol.traceback_boundary import strip_traceback
from nexhealth_async.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nexhealth_async._client.client import Client

__all__ = ["Resource"]


class _Omitted:
    """Default of a filter in ``help()``: it is not sent."""

    def __repr__(self) -> str:
        return "..."


_OMITTED = _Omitted()


_NAMES_IN_OTHER_APIS = (
    (
        "walk(): `async for record in walk(...)`, `await walk(...).count()`",
        frozenset(
            {
                *("all", "auto_paging_iter", "count", "fetch_all", "filter", "find", "get_all"),
                *("index", "iter", "iter_all", "iterate", "list", "list_all", "pages", "query"),
                *("scan", "search", "stream"),
            }
        ),
    ),
    ("get(id)", frozenset({"fetch", "find_by_id", "get_by_id", "read", "retrieve", "show"})),
    ("create(...)", frozenset({"add", "insert", "new", "post"})),
    ("update(id, ...)", frozenset({"edit", "modify", "patch", "put", "save"})),
    ("delete(id)", frozenset({"destroy", "remove"})),
)
"""Calls to suggest for method names of other libraries."""


class Resource:
    """Base class of resources. Instances are cheap; the client behind them does the work."""

    __slots__ = ("_client",)

    def __init__(self, client: Client) -> None:
        self._client = client

    def __repr__(self) -> str:
        """Show the class only; the client behind it holds secrets."""
        return f"<{type(self).__name__}>"

    if not TYPE_CHECKING:  # type checkers must report unknown attributes

        def __getattr__(self, name: str) -> NoReturn:
            """Raise AttributeError; suggest a call for method names of other libraries."""
            call = next((call for call, names in _NAMES_IN_OTHER_APIS if name in names), "")
            method = call.partition("(")[0]
            use = f"; use {call}" if method and hasattr(type(self), method) else ""
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{use}")

    def __init_subclass__(cls) -> None:
        """Wrap the public methods: show filters in signatures, check keywords, strip tracebacks."""
        for name, member in list(vars(cls).items()):
            if isinstance(member, FunctionType) and not name.startswith("_"):
                setattr(cls, name, _wrap_method(member))


def _wrap_method(method: FunctionType) -> Callable[..., object]:
    """Replace ``**filters: Unpack[PatientFilters]`` by the filters, required ones first."""
    method_signature = signature(method)
    *plain, last = method_signature.parameters.values() or (None,)
    if last is None or last.kind is not Parameter.VAR_KEYWORD:
        return strip_traceback(method)
    (unpacked,) = get_args(last.annotation)
    filters: list[Parameter] = []
    annotations: Mapping[str, object] = unpacked.__annotations__
    for name, annotation in annotations.items():
        required = get_origin(annotation) is Required
        filters.append(
            Parameter(
                name,
                Parameter.KEYWORD_ONLY,
                default=Parameter.empty if required else _OMITTED,
                annotation=get_args(annotation)[0] if required else annotation,
            )
        )
    filters.sort(key=lambda parameter: parameter.default is _OMITTED)
    known = frozenset(parameter.name for parameter in (*plain, *filters))
    wrapped = strip_traceback(_check_names(method, known, _required_fields(annotations)))
    wrapped.__dict__["__signature__"] = method_signature.replace(parameters=[*plain, *filters])
    return wrapped


@frozen
class _RequiredField:
    """A required argument or field of a body."""

    name: str
    may_be_none: bool
    inner: tuple[_RequiredField, ...]


def _required_fields(annotations: Mapping[str, object]) -> tuple[_RequiredField, ...]:
    """Return the required keys of a `TypedDict` and of those inside it."""
    required: list[_RequiredField] = []
    for name, annotation in annotations.items():
        if get_origin(annotation) is Required:
            (kind,) = get_args(annotation)
            inner: Mapping[str, object] = kind.__annotations__ if is_typeddict(kind) else {}
            may_be_none = type(None) in get_args(kind)
            required.append(_RequiredField(name, may_be_none, _required_fields(inner)))
    return tuple(required)


def _missing_fields(
    required: Iterable[_RequiredField], arguments: Mapping[str, object], prefix: str = ""
) -> Iterator[str]:
    """Yield the names of missing required fields, those of inner mappings with dots."""
    for field in required:
        value = arguments.get(field.name)
        if field.name not in arguments or (value is None and not field.may_be_none):
            yield prefix + field.name
        elif isinstance(value, Mapping):
            inner = cast("Mapping[str, object]", value)
            yield from _missing_fields(field.inner, inner, f"{prefix}{field.name}.")


def _check_names(
    method: Callable[..., object], known: frozenset[str], required: tuple[_RequiredField, ...]
) -> Callable[..., object]:
    """Wrap a method: raise for unknown keywords and for missing required fields.

    The API would ignore unknown fields of a body, and report missing ones one at a time.
    """

    @wraps(method)
    def checked(*args: object, **kwargs: object) -> object:
        if unknown := kwargs.keys() - known:
            del args, kwargs
            raise _unknown_names_error(method, unknown, known)
        if missing := [*_missing_fields(required, kwargs)]:
            del args, kwargs
            raise InvalidArgumentError(
                f"{method.__qualname__}() needs {', '.join(missing)}: the API rejects the call "
                "without it"
            )
        return method(*args, **kwargs)

    return checked


def _unknown_names_error(
    method: Callable[..., object], names: Iterable[str], known: frozenset[str]
) -> TypeError:
    from difflib import get_close_matches

    parameters = sorted(known - {"self"})
    unknown: list[str] = []
    for name in sorted(names):
        matches = get_close_matches(name, parameters, 1, 0.6)
        unknown.append(f"{name} (did you mean {matches[0]}?)" if matches else name)
    return TypeError(
        f"{method.__qualname__}() got unexpected arguments: {', '.join(unknown)}; "
        f"it takes {', '.join(parameters)}"
    )
