"""The base class of resources: methods that name their filters in ``help()``."""

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
    """The default of a filter in ``help()``: left out, it is not sent."""

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

    if not TYPE_CHECKING:  # for type checkers there is nothing of these names

        def __getattr__(self, name: str) -> NoReturn:
            """Name the right call where a method is looked for that other libraries have."""
            call = next((call for call, names in _NAMES_IN_OTHER_APIS if name in names), "")
            method = call.partition("(")[0]
            use = f"; use {call}" if method and hasattr(type(self), method) else ""
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{use}")

    def __init_subclass__(cls) -> None:
        """Have each method spell out its filters, take no others, and raise errors without them."""
        for name, member in list(vars(cls).items()):
            if isinstance(member, FunctionType) and not name.startswith("_"):
                setattr(cls, name, _strip_method(member))


def _strip_method(method: FunctionType) -> Callable[..., object]:
    """Replace ``**filters: Unpack[PatientFilters]`` by the filters, required ones first."""
    shape = signature(method)
    *plain, last = shape.parameters.values() or (None,)
    if last is None or last.kind is not Parameter.VAR_KEYWORD:
        return strip_traceback(method)
    (unpacked,) = get_args(last.annotation)
    spelled: list[Parameter] = []
    kinds: Mapping[str, object] = unpacked.__annotations__
    for key, kind in kinds.items():
        required = get_origin(kind) is Required
        spelled.append(
            Parameter(
                key,
                Parameter.KEYWORD_ONLY,
                default=Parameter.empty if required else _OMITTED,
                annotation=get_args(kind)[0] if required else kind,
            )
        )
    spelled.sort(key=lambda one: one.default is _OMITTED)
    known = frozenset(one.name for one in (*plain, *spelled))
    shown = strip_traceback(_check_names(method, known, _required_of(kinds)))
    shown.__dict__["__signature__"] = shape.replace(parameters=[*plain, *spelled])
    return shown


@frozen
class _RequiredField:
    """A field that the API does not do without."""

    name: str
    may_be_none: bool
    inside: tuple[_RequiredField, ...]


def _required_of(kinds: Mapping[str, object]) -> tuple[_RequiredField, ...]:
    """Return the required keys of a `TypedDict`, with those of the ones inside it."""
    found: list[_RequiredField] = []
    for name, kind in kinds.items():
        if get_origin(kind) is Required:
            (inner,) = get_args(kind)
            inside: Mapping[str, object] = inner.__annotations__ if is_typeddict(inner) else {}
            found.append(_RequiredField(name, type(None) in get_args(inner), _required_of(inside)))
    return tuple(found)


def _missing_fields(
    required: Iterable[_RequiredField], arguments: Mapping[str, object], prefix: str = ""
) -> Iterator[str]:
    """Yield the required fields that are not given, those inside others with a dotted name."""
    for one in required:
        value = arguments.get(one.name)
        if one.name not in arguments or (value is None and not one.may_be_none):
            yield prefix + one.name
        elif isinstance(value, Mapping):
            inside = cast("Mapping[str, object]", value)
            yield from _missing_fields(one.inside, inside, f"{prefix}{one.name}.")


def _check_names(
    method: Callable[..., object], known: frozenset[str], required: tuple[_RequiredField, ...]
) -> Callable[..., object]:
    """Refuse keywords that are not known, and calls without what the API does not do without.

    In a body, the API would ignore the former; of the latter it would name one after the other.
    """

    @wraps(method)
    def checked(*args: object, **given: object) -> object:
        if unknown := given.keys() - known:
            del args, given
            raise _unknown_names_error(method, unknown, known)
        if missing := [*_missing_fields(required, given)]:
            del args, given
            raise InvalidArgumentError(
                f"{method.__qualname__}() needs {', '.join(missing)}: the API refuses the call "
                "without"
            )
        return method(*args, **given)

    return checked


def _unknown_names_error(
    method: Callable[..., object], names: Iterable[str], known: frozenset[str]
) -> TypeError:
    from difflib import get_close_matches

    taken = sorted(known - {"self"})
    said: list[str] = []
    for name in sorted(names):
        near = get_close_matches(name, taken, 1, 0.6)
        said.append(f"{name} (did you mean {near[0]}?)" if near else name)
    return TypeError(
        f"{method.__qualname__}() got unexpected arguments: {', '.join(said)}; "
        f"it takes {', '.join(taken)}"
    )
