"""Base class, value types and decorators that all models share."""

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
    """Any JSON value."""
else:
    JSON = Any  # decoders resolve annotations at run time, where a recursive alias does not work
    """Any JSON value."""

Day: TypeAlias = date
"""A date, for classes that have a field called ``date``."""

Timestamp = Annotated[datetime, Meta(tz=True)]
"""A point in time with a UTC offset; never naive."""


class _MissingMethod:
    """A method name of other libraries' models; reading it raises an error with the alternative.

    A descriptor costs other attributes nothing. ``__getattr__`` would slow down decoding, which
    reads many absent attributes.
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
    """Base class that holds the descriptors of missing methods."""

    __slots__ = ()


if not TYPE_CHECKING:  # hidden from type checkers
    for _name, _missing in _HINTED_METHODS.items():
        setattr(_MissingMethodHints, _name, _missing)


class Record(_MissingMethodHints):
    """Base class of all models, with a repr that holds no personal data.

    ``repr`` and ``rich`` show only the fields named in ``_repr_fields``, so a new field is hidden
    until it is added there. Comparison and attribute access are not affected.
    """

    __slots__ = ()

    _repr_fields: ClassVar[tuple[str, ...]] = ("id",)

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"{type(self).__name__}({fields})"

    def __dir__(self) -> list[str]:
        return [name for name in object.__dir__(self) if name not in _HINTED_METHODS]

    def __rich_repr__(self) -> Iterator[tuple[str, object]]:
        """Yield the fields of the repr; rich would otherwise print all attrs fields."""
        for name in self._repr_fields:
            yield name, getattr(self, name)


def optional_fields(cls: T) -> T:
    """Store the defaults of an unslotted attrs class as class attributes.

    msgspec detects a missing field of a slotted class by an AttributeError, which costs 0.17 us per
    field: more than half the decoding time of a patient with a third of its fields. Fields that are
    often absent therefore live in a base class without slots, where reading an absent field returns
    the class attribute.
    """
    for attribute in attrs.fields(cls):
        setattr(cls, attribute.name, attribute.default)
    return cls


@frozen(kw_only=True, repr=False)
class Money(Record):
    """An exact amount of money.

    Payments are negative and refunds are positive, as in the practice's ledger. The class has no
    arithmetic, so that amounts in different currencies are not added by accident. Use ``amount``.
    """

    _repr_fields: ClassVar[tuple[str, ...]] = ("amount", "currency")

    amount: Decimal
    """Amount in whole units of the currency (dollars, not cents); never NaN or infinite."""
    currency: str
    """ISO 4217 code such as ``USD``; empty if the server sent none."""

    def __attrs_post_init__(self) -> None:
        """Reject NaN and infinity, which ``Decimal`` accepts."""
        if not self.amount.is_finite():
            raise ValueError("an amount of money must be finite")
