"""Models are loaded on first use, in any order, and resolve each other."""

from __future__ import annotations

import subprocess
import sys

import pytest

from nexhealth_async import models

_DOMAINS = ("_base", "clinical", "people")


def run(code: str) -> str:
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_module_of_models_is_loaded_on_first_use() -> None:
    out = run(
        "import sys, nexhealth_async.models as m\n"
        "loaded = lambda: sorted(n for n in sys.modules if n.startswith(m.__name__ + '.'))\n"
        "print(loaded())\nm.Procedure\nprint(loaded())\n"
        "from nexhealth_async.models import Patient\nprint(loaded())"
    )
    base, clinical, people = (f"nexhealth_async.models.{name}" for name in _DOMAINS)
    assert out.splitlines() == [
        "[]",
        str([base, clinical]),
        str([base, clinical, people]),
    ]


def test_creating_a_codec_loads_no_models() -> None:
    out = run(
        "import sys, nexhealth_async.codec as c\nc.Codec()\n"
        "print([n for n in sys.modules if n.startswith('nexhealth_async.models.')])"
    )
    assert out == "[]"


@pytest.mark.parametrize(
    "first", ["Patient", "Appointment", "Provider", "Operatory", "WorkingHours", "Claim"]
)
def test_any_model_can_be_the_first_one_used(first: str) -> None:
    out = run(
        "from nexhealth_async import models\nfrom nexhealth_async.codec import Codec\n"
        f"made, _ = Codec().decode(models.{first}, b'{{\"id\": 1}}')\nprint(made.id)"
    )
    assert out == "1"


@pytest.mark.parametrize(
    "first", ["Patient", "Appointment", "Provider", "Operatory", "WorkingHours", "Claim"]
)
def test_a_prepared_model_can_be_decoded_natively(first: str) -> None:
    out = run(
        "import msgspec\nfrom nexhealth_async import models\n"
        "from nexhealth_async.codec import resolve_annotations\n"
        f"resolve_annotations(models.{first})\n"
        f"print(msgspec.json.Decoder(models.{first}).decode(b'{{\"id\": 1}}').id)"
    )
    assert out == "1"


def test_a_hook_can_be_registered_before_anything_else() -> None:
    out = run(
        "from nexhealth_async.models import Patient\nfrom nexhealth_async.codec import Codec\n"
        "codec = Codec()\ncodec.register_structure_hook(Patient, lambda v, _: v['id'])\n"
        "print(codec.decode(Patient, b'{\"id\": 7}'))"
    )
    assert out == "(7, ())"


def test_exactly_the_public_names_are_exported() -> None:
    assert set(models.__all__) <= set(dir(models))
    assert all(getattr(models, name) is not None for name in models.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Patients'"):
        _ = models.Patients  # pyright: ignore[reportAttributeAccessIssue]
