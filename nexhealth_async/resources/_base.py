"""What all nouns are: a few methods over a caller, with their filters named in ``help()``."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature
from types import FunctionType
from typing import TYPE_CHECKING, Required, get_args, get_origin

from nexhealth_async.discreet import discreet

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nexhealth_async.walk import Caller

__all__ = ["Noun"]


class _LeftOut:
    """The default of a filter in ``help()``: left out, it is not sent."""

    def __repr__(self) -> str:
        return "..."


_LEFT_OUT = _LeftOut()


class Noun:
    """One kind of record. Cheap to make; everything happens in the session behind it."""

    __slots__ = ("_caller",)

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def __repr__(self) -> str:
        """Show the noun; the session behind it holds secrets."""
        return f"<{type(self).__name__}>"

    def __init_subclass__(cls) -> None:
        """Have each method spell out its filters, take no others, and raise errors without them."""
        for name, member in list(vars(cls).items()):
            if isinstance(member, FunctionType) and not name.startswith("_"):
                setattr(cls, name, _guarded(member))


def _guarded(method: FunctionType) -> Callable[..., object]:
    """Replace ``**filters: Unpack[PatientFilters]`` by the filters, required ones first."""
    shape = signature(method)
    *plain, last = shape.parameters.values() or (None,)
    if last is None or last.kind is not Parameter.VAR_KEYWORD:
        return discreet(method)
    name = str(last.annotation).removeprefix("Unpack[").removesuffix("]")
    spelled: list[Parameter] = []
    for key, kind in method.__globals__[name].__annotations__.items():
        required = get_origin(kind) is Required
        spelled.append(
            Parameter(
                key,
                Parameter.KEYWORD_ONLY,
                default=Parameter.empty if required else _LEFT_OUT,
                annotation=get_args(kind)[0] if required else kind,
            )
        )
    spelled.sort(key=lambda one: one.default is _LEFT_OUT)
    shown = discreet(_strict(method, frozenset(one.name for one in (*plain, *spelled))))
    shown.__dict__["__signature__"] = shape.replace(parameters=[*plain, *spelled])
    return shown


def _strict(method: Callable[..., object], known: frozenset[str]) -> Callable[..., object]:
    """Refuse keywords that are not known: in a body, the API would ignore them."""

    @wraps(method)
    def checked(*args: object, **given: object) -> object:
        if unknown := given.keys() - known:
            del args, given
            raise _unknown(method, unknown, known)
        return method(*args, **given)

    return checked


def _unknown(
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
