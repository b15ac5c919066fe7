"""Tables of the differences between API v2 and v3, for docs/migration.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from nexhealth_async._protocol.operations import Endpoint, OperationSpec, Paging, ScopeNeed
from nexhealth_async.resources import ENDPOINTS

__all__ = [
    "INSTEAD",
    "added",
    "fields",
    "filter_changes",
    "filters",
    "gone",
    "moved",
    "paging",
    "rules",
]

INSTEAD: Final = {
    "locations.providers.walk": "`providers.walk(location_id=...)`, which v2 has too",
    "appointment_categories.walk": "`appointment_types.walk`, which v2 has too",
}
"""Replacements of the methods that v3 lacks."""


def _both() -> Iterator[tuple[str, OperationSpec, OperationSpec]]:
    for one in ENDPOINTS:
        if one.v2 is not None and one.v3 is not None:
            yield _name(one), one.v2, one.v3


def _name(endpoint: Endpoint[object]) -> str:
    return f"{endpoint.resource}.{endpoint.verb}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines: list[Sequence[str]] = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _in_code(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def moved() -> str:
    """Return a table of the operations with another path in v3 and the same method name."""
    rows = [
        (f"`{name}`", f"`{v2.operation}`", f"`{v3.operation}`")
        for name, v2, v3 in _both()
        if v2.operation != v3.operation
    ]
    return _table(("method", "v2", "v3"), rows)


def gone() -> str:
    """Return a table of the operations that v3 lacks."""
    rows = [
        (f"`{_name(one)}`", f"`{one.v2.operation}`", _instead(_name(one)))
        for one in ENDPOINTS
        if one.v2 is not None and one.v3 is None
    ]
    return _table(("method", "v2", "instead"), rows)


def _instead(name: str) -> str:
    if name not in INSTEAD:
        raise LookupError(
            f"`{name}` is in v2 only: say in INSTEAD (docs/_sphinx/version_tables.py) "
            "what to call in v3"
        )
    return INSTEAD[name]


def added() -> str:
    """Return a table of the operations that v2 lacks."""
    rows = [
        (f"`{_name(one)}`", f"`{one.v3.operation}`")
        for one in ENDPOINTS
        if one.v2 is None and one.v3 is not None
    ]
    return _table(("method", "v3"), rows)


def paging() -> str:
    """Return a table of the paging of each list in both versions."""
    changed: dict[tuple[Paging, Paging], list[str]] = {}
    for name, v2, v3 in _both():
        if Paging.SINGLE not in (v2.paging, v3.paging):
            changed.setdefault((v2.paging, v3.paging), []).append(name.removesuffix(".walk"))
    said = {
        (Paging.NUMBERED, Paging.CURSOR): "numbered pages in v2, cursors in v3",
        (Paging.NUMBERED, Paging.WHOLE): "numbered pages in v2, the whole list in v3",
        (Paging.NUMBERED, Paging.NUMBERED): "numbered pages in both",
        (Paging.WHOLE, Paging.WHOLE): "the whole list in both",
    }
    rows = [(said[ways], _in_code(names)) for ways, names in changed.items()]
    return _table(("how it comes", "lists"), sorted(rows, key=lambda row: -len(row[1])))


def filter_changes() -> list[tuple[str, str, str, str]]:
    """Return method, keyword and query parameter in v2 and v3 of every filter that differs."""
    found: list[tuple[str, str, str, str]] = []
    for name, v2, v3 in _both():
        old, new = _spelled(v2), _spelled(v3)
        for keyword in dict.fromkeys([*old, *new]):
            was, now = old.get(keyword, ""), new.get(keyword, "")
            if was != now:
                found.append((name, keyword, was, now))
    return found


def _spelled(row: OperationSpec) -> dict[str, str]:
    """Return the query parameters of one version, by keyword."""
    sent = {word: row.wire.get(spec, spec) for word, spec in row.wire_names.items()}
    for place in row.path_from:
        sent[place] = "in the path"
    if row.location is not ScopeNeed.NONE and row.location_filter not in sent:
        sent[row.location_filter] = row.location_filter
    if row.subdomain is not ScopeNeed.NONE:
        sent["subdomain"] = "subdomain"
    return sent


def filters() -> str:
    """Return a table of the filters that differ."""
    rows = [
        (f"`{name}`", f"`{keyword}`", _cell(old), _cell(new))
        for name, keyword, old, new in filter_changes()
    ]
    return _table(("method", "your keyword", "sent in v2 as", "sent in v3 as"), rows)


def _cell(sent: str) -> str:
    if not sent:
        return "(not taken)"
    return sent if " " in sent else f"`{sent}`"


def rules() -> str:
    """Return a table of the required arguments and limits that differ."""
    rows: list[tuple[str, ...]] = []
    for name, v2, v3 in _both():
        old, new = _rules(v2), _rules(v3)
        if old != new:
            rows.append((f"`{name}`", old or "", new or ""))
    return _table(("method", "v2", "v3"), rows)


def _rules(row: OperationSpec) -> str:
    said: list[str] = []
    if row.location is ScopeNeed.REQUIRED:
        said.append("a location")
    if row.subdomain is ScopeNeed.REQUIRED:
        said.append("a practice")
    said += [f"`{keyword}`" for keyword in (*row.required, *row.path_from)]
    if row.one_of:
        said.append(f"one of {_in_code(row.one_of)}")
    needed = f"needs {', '.join(sorted(said))}" if said else ""
    most = ", ".join(f"at most {most} `{name}`" for name, most in row.at_most.items())
    free = ", ".join(f"no practice with `{k}={v!r}`" for k, v in row.unscoped_if.items())
    return "; ".join(part for part in (needed, most, free) if part)


def fields() -> str:
    """Return a table of the body fields and the wrapping keys that differ."""
    rows: list[tuple[str, ...]] = []
    for name, v2, v3 in _both():
        if v2.wrap != v3.wrap:
            rows.append((f"`{name}`", "(the body's key)", f"`{v2.wrap}`", f"`{v3.wrap}`"))
        rows += [(f"`{name}`", f"`{word}`", "(not taken)", "taken") for word in v2.unsupported]
        rows += [(f"`{name}`", f"`{word}`", "taken", "(not taken)") for word in v3.unsupported]
    return _table(("method", "field", "v2", "v3"), rows)
