"""What every model is built from."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NoReturn, TypeAlias, TypeVar

import attrs
from attrs import frozen
from msgspec import Meta

__all__ = ["JSON", "Day", "Money", "Record", "Timestamp", "optional_fields"]

T = TypeVar("T", bound="type[attrs.AttrsInstance]")

if TYPE_CHECKING:
    JSON: TypeAlias = "dict[str, JSON] | list[JSON] | str | int | float | bool | None"
    """Whatever JSON can say."""
else:
    JSON = Any  # decoders resolve annotations, and need no more of this one

Day: TypeAlias = date
"""A date, for classes that have a field of that name."""

Timestamp = Annotated[datetime, Meta(tz=True)]
"""A moment with its offset; never naive."""


class _MissingMethod:
    """A method that other libraries' models have: reading it tells what to call instead.

    As a descriptor it costs other attributes nothing, which ``__getattr__`` would: decoding looks
    at many that are absent.
    """

    __slots__ = ("_call", "_name")

    def __init__(self, name: str, call: str) -> None:
        self._name = name
        self._call = call

    def __get__(self, model: object, kind: type) -> NoReturn:
        raise AttributeError(
            f"{kind.__name__!r} object has no attribute {self._name!r}; use {self._call}"
        )

    def __repr__(self) -> str:
        return f"<no method; use {self._call}>"


_HINTED_METHODS = {
    name: _MissingMethod(name, call)
    for call, names in {
        "nexhealth_async.to_builtins(model)": (
            "as_dict",
            "asdict",
            "dict",
            "model_dump",
            "to_builtins",
            "to_dict",
        ),
        "nexhealth_async.to_json(model)": ("as_json", "json", "model_dump_json", "to_json"),
        "attrs.evolve(model, ...)": ("copy", "evolve", "model_copy", "replace"),
    }.items()
    for name in names
}


class _MissingMethodHints:
    """The names of methods that models do not have."""

    __slots__ = ()


if not TYPE_CHECKING:  # for type checkers there is nothing of these names
    for _name, _missing in _HINTED_METHODS.items():
        setattr(_MissingMethodHints, _name, _missing)


class Record(_MissingMethodHints):
    """The base of all models: a printed record says which one it is, not whom it is about.

    ``repr`` and ``rich`` show the fields named in ``_repr_fields`` and nothing else, so a new field is
    private until somebody decides otherwise. Fields stay comparable and readable as ever.
    """

    __slots__ = ()

    _repr_fields: ClassVar[tuple[str, ...]] = ("id",)

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"{type(self).__name__}({inside})"

    def __dir__(self) -> list[str]:
        return [name for name in object.__dir__(self) if name not in _HINTED_METHODS]

    def __rich_repr__(self) -> Iterator[tuple[str, object]]:
        """Keep rich, which reads attrs fields by itself, to the same few fields."""
        for name in self._repr_fields:
            yield name, getattr(self, name)


def optional_fields(cls: T) -> T:
    """Give an unslotted attrs class its defaults as class attributes.

    Of a slotted class, msgspec finds out that a field is missing by an AttributeError, which costs
    0.17 us for each: more than half the time of a patient that has a third of its fields. Fields
    that replies often lack therefore live in a base class without slots, where looking at an absent
    one finds the default.
    """
    for attribute in attrs.fields(cls):
        setattr(cls, attribute.name, attribute.default)
    return cls


@frozen(kw_only=True, repr=False)
class Money(Record):
    """An amount of money, exact.

    Payments are negative and refunds positive, as in the practice's ledger. There is no arithmetic
    here, because amounts of different currencies must not be added by accident: use ``amount``.
    """

    _repr_fields: ClassVar[tuple[str, ...]] = ("amount", "currency")

    amount: Decimal
    """In whole units of the currency (dollars, not cents); never NaN or infinite."""
    currency: str
    """ISO 4217 code such as ``USD``; empty if the server left it out."""

    def __attrs_post_init__(self) -> None:
        """Refuse what is no number, on every way of making one (``Decimal("NaN")`` parses)."""
        if not self.amount.is_finite():
            raise ValueError("an amount of money must be finite")
