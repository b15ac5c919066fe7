"""The reference has a line for each public noun, model and filter, looked for without a build."""

from __future__ import annotations

from types import ModuleType

import pytest

from nexhealth_async import filters, models, resources
from tests.docs.reference import lines_missing


class Unheard:
    """Stands for what was just added."""


def test_every_noun_model_and_filter_has_its_line() -> None:
    assert sorted(lines_missing().values()) == []


@pytest.mark.parametrize(
    ("package", "home", "made", "said"),
    [
        (resources, "clinical", Unheard, "nouns/clinical.md lacks `.. autoclass:: Unheard`"),
        (models, "_base", Unheard, "models/shared.md lacks `.. autoclass:: Unheard`"),
        (filters, "people", "an alias", "filters/people.md lacks `.. autodata:: Unheard`"),
    ],
)
def test_a_line_that_is_missing_is_named_with_its_file(
    package: ModuleType, home: str, made: object, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package, "__all__", [*package.__all__, "Unheard"])
    monkeypatch.setattr(f"{package.__name__}.{home}.__all__", ["Unheard"])
    monkeypatch.setattr(package, "Unheard", made, raising=False)
    assert lines_missing() == {"Unheard": f"docs/reference/{said}"}
