"""Table of the guarantees of a bulk pull for each list, for docs/bulk.md."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from nexhealth_async._protocol.operations import Paging
from nexhealth_async.bulk import Deletions, ResourceFacts, facts, resources

__all__ = ["guarantees_table"]

_VERSIONS: Final = ("v2", "v3")
_COMES: Final = {
    Paging.WHOLE: "in one reply",
    Paging.NUMBERED: "numbered pages",
    Paging.CURSOR: "cursors",
}


def guarantees_table() -> str:
    """Return a Markdown table with a row for each list and its guarantees in each version."""
    names = dict.fromkeys([*resources("v3"), *resources("v2")])
    lines = [
        "| list | read for each | comes in, v2 | v3 | changes, v2 | v3 | deleted, v2 | v3 |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name in names:
        levels = {facts(name, one).level.value for one in _versions(name)}
        cells = [
            _cell(name, version, of) for of in (_comes, _changes, _deleted) for version in _VERSIONS
        ]
        lines.append(f"| {' | '.join([f'`{name}`', ' or '.join(sorted(levels)), *cells])} |")
    return "\n".join(lines) + "\n"


def _versions(name: str) -> list[str]:
    return [version for version in _VERSIONS if name in resources(version)]


def _cell(name: str, version: str, say: Callable[[ResourceFacts], str]) -> str:
    return say(facts(name, version)) if name in resources(version) else ""


def _comes(about: ResourceFacts) -> str:
    return _COMES[about.paging]


def _changes(about: ResourceFacts) -> str:
    return "yes" if about.incremental else "no"


def _deleted(about: ResourceFacts) -> str:
    return "marked" if about.deletions is Deletions.TOMBSTONES else "compared"
