"""Makers of invented records: ``make(Patient, first_name="Ada")``."""

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
    """Makes invented records whose ids count from 1, for each model by itself.

    The same calls on a fresh factory give equal records, whatever ran before: use one in each test
    (the fixture ``nexhealth_factory``). The functions of this module share one for the process,
    whose ids depend on what else was made.
    """

    def __init__(self) -> None:
        self._made: Counter[type[Record]] = Counter()
        self._lock = Lock()

    def make(self, model: type[T], /, **overrides: object) -> T:
        """Return an invented record of a model; ``overrides`` are the fields that matter.

        What is usually there is filled in: names, times, money, flags. Ids of other records are 1,
        that of the first one made. What the API sends on request only, and what it often leaves
        out, stays None. For a field that is a record itself, a mapping will do:
        ``make(Patient, bio={"phone_number": "2125550123"})``.

        Raises TypeError for a field that the model does not have, and for a value that is not of
        the field's type.
        """
        kind = cast("type[attrs.AttrsInstance]", model)
        resolve_annotations(kind)
        fields = {one.name: one for one in attrs.fields(kind)}
        for name in overrides:
            if name not in fields:
                near = get_close_matches(name, fields, 1)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise TypeError(f"{model.__name__} has no field {name}{hint}")
        with self._lock:
            self._made[model] += 1
            nth = self._made[model]
        given = {
            name: self._check_override(fields[name], value) for name, value in overrides.items()
        }
        invented = {
            name: invent(nth)
            for name in fields.keys() - given.keys()
            if (invent := value_maker(model.__name__, name)) is not None
        }
        return model(**invented | given)

    def _check_override(self, field: attrs.Attribute[object], value: object) -> object:
        """Return a given value as the field holds it, or refuse it."""
        inside = _nested_record(field.type)
        if inside is not None and isinstance(value, Mapping):
            return self.make(inside, **cast("Mapping[str, object]", value))
        if isinstance(value, Sequence) and not isinstance(value, str):
            value = tuple(
                self.make(inside, **cast("Mapping[str, object]", one))
                if inside is not None and isinstance(one, Mapping)
                else one
                for one in cast("Sequence[object]", value)
            )
        try:
            msgspec.convert(value, field.type, from_attributes=True)
        except msgspec.ValidationError as refusal:
            raise TypeError(f"{field.name}: {refusal}") from None
        return value


def _nested_record(kind: object) -> type[Record] | None:
    """Return the model that a field is of, or holds many of."""
    if isinstance(kind, type) and issubclass(kind, Record):
        return kind
    return next((found for part in get_args(kind) if (found := _nested_record(part))), None)


_SHARED = Factory()


def make(model: type[T], /, **overrides: object) -> T:
    """Return an invented record of any model; see `Factory.make`."""
    return _SHARED.make(model, **overrides)


def make_patient(**overrides: object) -> models.Patient:
    """Return an invented patient with name, email, birth date and phone number."""
    return make(models.Patient, **overrides)


def make_provider(**overrides: object) -> models.Provider:
    """Return an invented dentist."""
    return make(models.Provider, **overrides)


def make_location(**overrides: object) -> models.Location:
    """Return an invented location in New York's zone."""
    return make(models.Location, **overrides)


def make_operatory(**overrides: object) -> models.Operatory:
    """Return an invented room."""
    return make(models.Operatory, **overrides)


def make_appointment_type(**overrides: object) -> models.AppointmentType:
    """Return an invented kind of appointment with its minutes."""
    return make(models.AppointmentType, **overrides)


def make_appointment(**overrides: object) -> models.Appointment:
    """Return an invented appointment of half an hour, synced, neither confirmed nor cancelled.

    One that has not reached the practice's system yet is ``make_appointment(foreign_id=None,
    foreign_id_type="nex")``.
    """
    return make(models.Appointment, **overrides)


def make_procedure(**overrides: object) -> models.Procedure:
    """Return an invented treatment with its code and fee."""
    return make(models.Procedure, **overrides)


def make_free_slot(**overrides: object) -> FreeSlot:
    """Return an invented free time, as ``available_slots.flat()`` gives them."""
    known = [field.name for field in attrs.fields(FreeSlot)]
    for name in overrides:
        if name not in known:
            raise TypeError(f"FreeSlot has no field {name}; it has {', '.join(known)}")
    slot = make(models.Slot)
    usual = {"start": slot.time, "end": slot.end_time} | dict.fromkeys(known[2:], 1)
    return FreeSlot(**usual | overrides)  # type: ignore[arg-type]  # names and kinds are its own
