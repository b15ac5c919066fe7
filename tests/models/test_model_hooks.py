"""The codec is a cattrs converter: users' hooks take precedence."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any

import attrs
import cattrs
import pytest

from nexhealth_async.codec import Codec
from nexhealth_async.errors import UndecodableRecordError
from nexhealth_async.models import (
    Appointment,
    Location,
    Money,
    Patient,
    PatientBio,
    Provider,
    Timestamp,
)

SENTINEL = "Zephyrine-Q-Canary"


@pytest.fixture
def codec() -> Codec:
    return Codec()


def shout(value: Any, _: object) -> PatientBio:
    return PatientBio(city=str(value["city"]).upper())


def test_a_hook_for_a_model_is_used_wherever_the_model_occurs(codec: Codec) -> None:
    codec.register_structure_hook(PatientBio, shout)
    assert codec.decode(PatientBio, b'{"city":"ames"}') == (PatientBio(city="AMES"), ())
    made, repairs = codec.decode(
        Patient, b'{"id":"1","bio":{"city":"ames"},"children":[{"id":2,"bio":{"city":"oslo"}}]}'
    )
    assert made.bio == PatientBio(city="AMES")
    assert made.children == (Patient(id=2, bio=PatientBio(city="OSLO")),)
    assert repairs == ("id",)


def test_a_hook_for_datetime_is_used_for_every_timestamp(codec: Codec) -> None:
    fixed = datetime.fromisoformat("2001-01-01T00:00:00+00:00")
    codec.register_structure_hook(datetime, lambda _value, _type: fixed)
    made, repairs = codec.decode(
        Appointment,
        b'{"id":1,"start_time":"x","cancelled_at":"y","patient":{"id":2,"last_sync_time":1}}',
    )
    assert (made.start_time, made.cancelled_at) == (fixed, fixed)
    assert made.patient == Patient(id=2, last_sync_time=fixed)
    assert repairs == ()


@pytest.mark.parametrize("kind", [str, int, bool, Decimal])
def test_a_hook_for_a_plain_type_is_used(codec: Codec, kind: type) -> None:
    made: dict[type, object] = {str: "x", int: 7, bool: True, Decimal: Decimal(7)}
    codec.register_structure_hook(kind, lambda _value, _type: made[kind])
    patient, _ = codec.decode(
        Patient,
        b'{"id":1,"email":"e","inactive":false,"balance":{"amount":"1","currency":"USD"}}',
    )
    assert patient == Patient(
        id=7 if kind is int else 1,
        email="x" if kind is str else "e",
        inactive=kind is bool,
        balance=Money(
            amount=Decimal(7 if kind is Decimal else 1), currency="x" if kind is str else "USD"
        ),
    )


def test_a_hook_registered_late_is_used(codec: Codec) -> None:
    data = b'{"id":1,"bio":{"city":"ames"}}'
    assert codec.decode(Patient, data)[0].bio == PatientBio(city="ames")
    codec.register_structure_hook(PatientBio, shout)
    assert codec.decode(Patient, data)[0].bio == PatientBio(city="AMES")


@pytest.mark.parametrize(
    ("hooked", "concerned", "spared"),
    [
        (PatientBio, [PatientBio, Patient, Appointment, Provider], [Money, Location]),
        (Money, [Money, Patient, Appointment], [PatientBio, Location]),
        (datetime, [Patient, Appointment, Provider], [Money]),
        (Decimal, [Money, Patient], [PatientBio]),
    ],
)
def test_only_models_that_contain_a_hooked_type_leave_the_fast_path(
    hooked: type, concerned: list[type], spared: list[type], codec: Codec
) -> None:
    assert all(codec.native(model) for model in (*concerned, *spared))
    codec.register_structure_hook(hooked, lambda _value, _type: None)
    assert not any(codec.native(model) for model in concerned)
    assert all(codec.native(model) for model in spared)
    assert not any(codec.copy().native(model) for model in concerned)


def test_a_class_of_the_user_is_handled_by_cattrs(codec: Codec) -> None:
    @attrs.frozen
    class Pet:
        id: int

    assert codec.native(Pet) is None
    assert codec.decode(Pet, b'{"id":"7"}') == (Pet(7), ("id",))


def test_a_hook_can_be_a_decorated_function(codec: Codec) -> None:
    @codec.register_structure_hook
    def read_bio(value: Any, _: object) -> PatientBio:
        return shout(value, _)

    assert read_bio({"city": "a"}, None) == PatientBio(city="A")
    assert codec.decode(PatientBio, b'{"city":"ames"}')[0] == PatientBio(city="AMES")


def test_a_hook_by_predicate_is_used(codec: Codec) -> None:
    codec.register_structure_hook_func(lambda kind: kind is PatientBio, shout)
    assert codec.decode(Patient, b'{"id":1,"bio":{"city":"a"}}')[0].bio == PatientBio(city="A")


def test_a_hook_may_call_ours_and_its_repairs_are_reported(codec: Codec) -> None:
    ours = codec.get_structure_hook(PatientBio)
    codec.register_structure_hook(
        PatientBio, lambda value, kind: attrs.evolve(ours(value, kind), state="IA")
    )
    made, repairs = codec.decode(Patient, b'{"id":1,"bio":{"city":5}}')
    assert made.bio == PatientBio(city="5", state="IA")
    assert repairs == ("bio.city",)
    with pytest.raises(UndecodableRecordError) as caught:
        codec.decode(Patient, b'{"id":1,"bio":{"city":[1]}}')
    assert (caught.value.path, caught.value.expected, caught.value.record_id) == (
        "bio.city",
        "text",
        1,
    )


def test_an_error_in_a_hook_is_a_decoding_error_without_the_value(codec: Codec) -> None:
    def fail(value: Any, _: object) -> PatientBio:
        raise LookupError(f"bad city {value['city']}")

    codec.register_structure_hook(PatientBio, fail)
    with pytest.raises(UndecodableRecordError) as caught:
        codec.decode(Patient, f'{{"id":1,"bio":{{"city":"{SENTINEL}"}}}}'.encode())
    assert (caught.value.path, caught.value.record_id) == ("bio", 1)
    assert caught.value.expected == "a value for the hook of PatientBio"
    assert SENTINEL not in "".join(traceback.format_exception(caught.value))


def test_money_made_by_a_hook_must_be_finite(codec: Codec) -> None:
    codec.register_structure_hook(Decimal, lambda _value, _type: Decimal("NaN"))
    with pytest.raises(UndecodableRecordError) as caught:
        codec.decode(Patient, b'{"id":1,"balance":{"amount":"1","currency":"USD"}}')
    assert (caught.value.path, caught.value.expected) == ("balance", "an amount of money")


def test_hooks_of_one_codec_do_not_affect_another(codec: Codec) -> None:
    codec.register_structure_hook(PatientBio, shout)
    assert Codec().decode(PatientBio, b'{"city":"a"}')[0] == PatientBio(city="a")


def test_a_copy_keeps_the_hooks_and_its_new_ones_are_separate(codec: Codec) -> None:
    codec.register_structure_hook(PatientBio, shout)
    copy = codec.copy()
    copy.register_structure_hook(bool, lambda _value, _type: True)
    data = b'{"id":1,"inactive":false,"bio":{"city":"a"}}'
    assert copy.decode(Patient, data)[0] == Patient(id=1, inactive=True, bio=PatientBio(city="A"))
    assert codec.decode(Patient, data)[0].inactive is False


def test_the_codec_can_be_used_as_any_cattrs_converter(codec: Codec) -> None:
    assert isinstance(codec, cattrs.Converter)
    assert codec.structure({"id": "1"}, Patient) == Patient(id=1)
    assert codec.structure([{"id": 1}], tuple[Patient, ...]) == (Patient(id=1),)
    noted: Any = Annotated[Timestamp, "a note"]
    moment = codec.structure("2020-08-12", noted)
    assert moment == datetime.fromisoformat("2020-08-12T00:00:00+00:00")
    wrong: list[tuple[object, type]] = [("no", bool), ({"a": 1}, str), ([], int)]
    for value, kind in wrong:
        with pytest.raises(UndecodableRecordError):
            codec.structure(value, kind)


class Colour(Enum):
    RED = "red"


@attrs.frozen
class UserClass:
    colour: Colour
    since: Timestamp | None = None
    bios: tuple[PatientBio, ...] = attrs.field(default=(), validator=attrs.validators.max_len(1))


def test_a_class_of_the_user_is_read_by_the_same_rules(codec: Codec) -> None:
    made, repairs = codec.decode(UserClass, b'{"colour":"red","since":{},"bios":[{"city":5}]}')
    assert made == UserClass(Colour.RED, bios=(PatientBio(city="5"),))
    assert repairs == ("since", "bios[0].city")
    for data, path, expected in (
        (b'{"colour":"blue"}', "colour", "a value for the hook of Colour"),
        (b'{"since":null}', "colour", "a value"),
        (b'{"colour":"red","bios":[{},{}]}', "", "a valid UserClass"),
    ):
        with pytest.raises(UndecodableRecordError) as caught:
            codec.decode(UserClass, data)
        assert (caught.value.path, caught.value.expected) == (path, expected)


def by_class(codec: Codec) -> None:
    codec.register_structure_hook(PatientBio, shout)


def by_predicate(codec: Codec) -> None:
    codec.register_structure_hook_func(_is_bio, shout)


def by_factory(codec: Codec) -> None:
    codec.register_structure_hook_factory(_is_bio, _make_shout)


def _is_bio(kind: object) -> bool:
    return kind is PatientBio


def _make_shout(_: object) -> Callable[[Any, object], PatientBio]:
    return shout


@pytest.mark.parametrize("register", [by_class, by_predicate, by_factory])
def test_a_hook_is_used_after_records_were_read_without_it(
    register: Callable[[Codec], None],
) -> None:
    codec = Codec()
    data = b'{"id": 1, "bio": {"city": "ames"}}'
    assert codec.decode(Patient, data)[0].bio == PatientBio(city="ames")
    register(codec)
    assert codec.decode(Patient, data)[0].bio == PatientBio(city="AMES")
    assert codec.copy().decode(Patient, data)[0].bio == PatientBio(city="AMES")
