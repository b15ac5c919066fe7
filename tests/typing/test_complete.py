"""Types and ``help()`` of the public names: every type, every parameter."""

from __future__ import annotations

import inspect
import json
import os
import shutil
import subprocess
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from pydoc import render_doc

import pytest

from nexhealth_async import NexHealth, Walk
from nexhealth_async import resources as resources  # noqa: PLC0414 - loads every resource
from nexhealth_async.resources._base import Resource

SCRIPTS = sysconfig.get_path("scripts")


@pytest.mark.timeout(300)
def test_every_public_name_is_fully_typed(tmp_path: Path) -> None:
    checker = shutil.which("pyright", path=SCRIPTS)
    if checker is None:
        pytest.skip("pyright is not installed; it comes with the dependency group types")
    done = subprocess.run(  # noqa: S603 - our own arguments
        [checker, "--verifytypes", "nexhealth_async", "--ignoreexternal", "--outputjson"],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    found = json.loads(done.stdout)["typeCompleteness"]
    unknown = [one["name"] for one in found["symbols"] if not one["isTypeKnown"]]
    assert found["symbols"], "it looked at nothing"
    assert unknown == []
    assert found["completenessScore"] == 1


def offered() -> Iterator[tuple[str, Callable[..., object]]]:
    """Every public method of every resource, of the scopes, and of what they return."""
    waiting: list[type[object]] = [Resource, NexHealth, Walk]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        for name, value in vars(kind).items():
            if inspect.isfunction(value) and not name.startswith("_"):
                yield f"{kind.__name__}.{name}", value


METHODS = dict(offered())


@pytest.mark.parametrize("name", sorted(METHODS))
def test_help_names_every_parameter(name: str) -> None:
    signature = inspect.signature(METHODS[name])
    assert [
        parameter.name
        for parameter in signature.parameters.values()
        if parameter.kind is parameter.VAR_KEYWORD
    ] == []
    assert METHODS[name].__doc__


def test_every_resource_is_listed() -> None:
    assert {"Patients.walk", "Appointments.book", "Charges.get", "NexHealth.request"} <= set(
        METHODS
    )
    assert len(METHODS) > 100


def test_an_optional_filter_is_shown_with_three_dots() -> None:
    location = NexHealth("key").practice("demo").location(7)
    shown = render_doc(location.patients.walk)
    assert "inactive: bool | None = ..." in shown
    assert "Ellipsis" not in shown
    assert "patient_id: int, " in render_doc(location.appointments.book).replace("\n    ", " ")
