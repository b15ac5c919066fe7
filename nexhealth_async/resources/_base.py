"""What all nouns are: a few methods over a caller, with their filters named in ``help()``."""

from __future__ import annotations

from inspect import Parameter, signature
from types import FunctionType
from typing import TYPE_CHECKING, Required, get_args, get_origin

from nexhealth_async.discreet import discreet

if TYPE_CHECKING:
    from collections.abc import Callable

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
        """Give each method a signature that spells out its filters, and errors without them."""
        for name, member in list(vars(cls).items()):
            if isinstance(member, FunctionType) and not name.startswith("_"):
                guarded = discreet(member)
                _spell_out(guarded, member)
                setattr(cls, name, guarded)


def _spell_out(shown: Callable[..., object], method: FunctionType) -> None:
    """Replace ``**filters: Unpack[PatientFilters]`` by the filters, required ones first."""
    shape = signature(method)
    *plain, last = shape.parameters.values() or (None,)
    if last is None or last.kind is not Parameter.VAR_KEYWORD:
        return
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
    shown.__dict__["__signature__"] = shape.replace(parameters=[*plain, *spelled])
