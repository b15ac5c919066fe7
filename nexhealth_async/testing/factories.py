"""Factories of fake records: ``make(Patient, first_name="Ada")``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from threading import Lock
from typing import TypeVar, cast, get_args

import attrs
import msgspec

from nexhealth_async import models
from nexhealth_async.codec import resolve_annotations
from nexhealth_async.models import Record
from nexhealth_async.testing.fake_values import value_maker
from nexhealth_async.workflows.slots import FreeSlot

__all__ = [
    "Factory",
    "make",
    "make_appointment",
    "make_appointment_type",
    "make_free_slot",
    "make_location",
    "make_operatory",
    "make_patient",
    "make_procedure",
    "make_provider",
]

T = TypeVar("T", bound=Record)


class Factory:
    """Builds fake records with ids that count from 1 for each model.

    The same calls on a new factory return equal records, regardless of other tests. Use one factory
    per test (the fixture ``nexhealth_factory``). The functions of this module share one factory,
    whose ids depend on earlier calls.
    """

    def __init__(self) -> None:
        self._made: Counter[type[Record]] = Counter()
        self._lock = Lock()

    def make(self, model: type[T], /, **overrides: object) -> T:
        """Build a fake record of a model.

        Common fields are filled in: names, times, money, flags. Ids of other records are 1, the id
        of the first record. Fields that the API sends only on request or often omits are None.

        Args:
            model: Class of the record.
            overrides: Values of fields. A mapping may stand for a nested record:
                ``make(Patient, bio={"phone_number": "2125550123"})``.

        Raises:
            TypeError: The model lacks a field, or a value does not have the field's type.
        """
        kind = cast("type[attrs.AttrsInstance]", model)
        resolve_annotations(kind)
        fields = {field.name: field for field in attrs.fields(kind)}
        for name in overrides:
            if name not in fields:
                matches = get_close_matches(name, fields, 1)
                hint = f"; did you mean {matches[0]}?" if matches else ""
                raise TypeError(f"{model.__name__} has no field {name}{hint}")
        with self._lock:
            self._made[model] += 1
            number = self._made[model]
        checked = {
            name: self._check_override(fields[name], value) for name, value in overrides.items()
        }
        fake = {
            name: make_value(number)
            for name in fields.keys() - checked.keys()
            if (make_value := value_maker(model.__name__, name)) is not None
        }
        return model(**fake | checked)

    def _check_override(self, field: attrs.Attribute[object], value: object) -> object:
        """Return a value in the form in which the field holds it, or raise TypeError."""
        nested = _nested_record(field.type)
        if nested is not None and isinstance(value, Mapping):
            return self.make(nested, **cast("Mapping[str, object]", value))
        if isinstance(value, Sequence) and not isinstance(value, str):
            value = tuple(
                self.make(nested, **cast("Mapping[str, object]", item))
                if nested is not None and isinstance(item, Mapping)
                else item
                for item in cast("Sequence[object]", value)
            )
        try:
            msgspec.convert(value, field.type, from_attributes=True)
        except msgspec.ValidationError as error:
            raise TypeError(f"{field.name}: {error}") from None
        return value


def _nested_record(kind: object) -> type[Record] | None:
    """Return the model of a field's value or of its elements."""
    if isinstance(kind, type) and issubclass(kind, Record):
        return kind
    return next((nested for part in get_args(kind) if (nested := _nested_record(part))), None)


_SHARED = Factory()


def make(model: type[T], /, **overrides: object) -> T:
    """Build a fake record of any model; see `Factory.make`."""
    return _SHARED.make(model, **overrides)


def make_patient(**overrides: object) -> models.Patient:
    """Build a fake patient with name, email, date of birth and phone number."""
    return make(models.Patient, **overrides)


def make_provider(**overrides: object) -> models.Provider:
    """Build a fake dentist."""
    return make(models.Provider, **overrides)


def make_location(**overrides: object) -> models.Location:
    """Build a fake location in New York's time zone."""
    return make(models.Location, **overrides)


def make_operatory(**overrides: object) -> models.Operatory:
    """Build a fake operatory."""
    return make(models.Operatory, **overrides)


def make_appointment_type(**overrides: object) -> models.AppointmentType:
    """Build a fake appointment type with its duration."""
    return make(models.AppointmentType, **overrides)


def make_appointment(**overrides: object) -> models.Appointment:
    """Build a fake appointment of 30 minutes: synced, neither confirmed nor cancelled.

    ``make_appointment(foreign_id=None, foreign_id_type="nex")`` is one that has not reached the
    practice's system yet.
    """
    return make(models.Appointment, **overrides)


def make_procedure(**overrides: object) -> models.Procedure:
    """Build a fake procedure with its code and fee."""
    return make(models.Procedure, **overrides)


def make_free_slot(**overrides: object) -> FreeSlot:
    """Build a fake free slot, as ``available_slots.flat()`` returns them."""
    names = [field.name for field in attrs.fields(FreeSlot)]
    for name in overrides:
        if name not in names:
            raise TypeError(f"FreeSlot has no field {name}; it has {', '.join(names)}")
    slot = make(models.Slot)
    defaults = {"start": slot.time, "end": slot.end_time} | dict.fromkeys(names[2:], 1)
    return FreeSlot(**defaults | overrides)  # type: ignore[arg-type]  # checked by name above
