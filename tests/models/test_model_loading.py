"""Models are loaded on first use, in any order, and resolve each other."""

from __future__ import annotations

import compileall
import os
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest

import nexhealth_async
from nexhealth_async import models

_DOMAINS = ("_base", "clinical", "people")
_PRIVATE = {"Day", "optional_fields"}
"""Names that only the modules of models use."""


def run(code: str, path: Path | None = None) -> str:
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=None if path is None else path.parent,
        env=os.environ | ({} if path is None else {"PYTHONPATH": str(path)}),
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


@pytest.mark.parametrize("form", ["zip", "bytecode"])
def test_models_load_without_source_files(form: str, tmp_path: Path) -> None:
    (source,) = nexhealth_async.__path__
    folder = tmp_path / "installed"
    shutil.copytree(
        source, folder / "nexhealth_async", ignore=shutil.ignore_patterns("__pycache__")
    )
    if form == "zip":
        path = Path(shutil.make_archive(str(tmp_path / "installed"), "zip", folder))
    else:
        path = folder
        assert compileall.compile_dir(folder, quiet=1, legacy=True)
        for module in folder.rglob("*.py"):
            module.unlink()
    out = run(
        "import nexhealth_async.models as m\n"
        "print(m.__file__)\nprint(m.Patient.__name__, *m.__all__)",
        path,
    )
    file, names = out.splitlines()
    assert file.startswith(str(path))
    assert names.split() == ["Patient", *models.__all__]


def test_every_module_of_models_exports_its_public_names() -> None:
    names: set[str] = set()
    for module in iter_modules(models.__path__, f"{models.__name__}."):
        names.update(import_module(module.name).__all__)
    assert set(models.__all__) == names - _PRIVATE


def test_every_public_name_is_listed_and_loads() -> None:
    assert set(models.__all__) <= set(dir(models))
    assert all(getattr(models, name) is not None for name in models.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Patients'"):
        _ = models.Patients  # pyright: ignore[reportAttributeAccessIssue]
