"""Origin of a target's records, and the check that a copy comes from the same one.

A target stores its origin with the plan of its last pull. A sandbox identifies itself in every
response. A real account has no known id and its keys are rotated, so it is identified by the base
URL and the practices that the key can see: one common practice is enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

import msgspec
from attrs import evolve, frozen

from nexhealth_async.errors import OriginError, UsageError

__all__ = [
    "Institution",
    "Origin",
    "SandboxOptions",
    "check_same",
    "origin_from_json",
    "origin_to_json",
    "practices_of",
]

Institution: TypeAlias = "tuple[int | None, str]"
"""Id and subdomain of an institution."""
SandboxOptions: TypeAlias = "Mapping[str, str | int | bool]"
"""Options that a sandbox reports of itself."""


@frozen(kw_only=True)
class Origin:
    """Origin of a target's records, and the options that selected them."""

    version: str
    """API version, such as ``v2`` or ``v3.0.0``."""
    base_url: str | None = None
    """Base URL of the API; None for a sandbox, whose address changes."""
    institutions: tuple[Institution, ...] = ()
    """Institutions that the key could see."""
    sandbox: Mapping[str, str | int | bool] | None = None
    """Kind, seed and options of a sandbox; None for a real account."""
    practices: Mapping[str, tuple[int, ...] | None] | None = None
    """Selected practices with their locations (None: all of them); None: all practices."""
    appointments: tuple[str | None, str | None] | None = None
    """Start and end of the appointment window; None before any were copied."""


def origin_to_json(origin: Origin | None) -> str | None:
    """Encode an origin, which holds no personal data."""
    return None if origin is None else msgspec.json.encode(origin).decode()


def origin_from_json(text: str | None) -> Origin | None:
    """Decode the result of `origin_to_json`; `UsageError` for anything else."""
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=Origin)
    except (msgspec.MsgspecError, UnicodeError):
        raise UsageError(
            "the origin in the target is invalid; it may have been edited or written by another "
            "release"
        ) from None


def practices_of(origin: Origin | None) -> tuple[str, ...]:
    """Return the practices of the institutions."""
    return () if origin is None else tuple(name for _, name in origin.institutions)


def check_same(saved: Origin, current: Origin, *, adopt: bool = False) -> Origin:
    """Return the origin to save; `OriginError` if the records came from another server.

    With ``adopt`` another base URL is accepted if the accounts have a common institution.
    """
    if (saved.sandbox is None) != (current.sandbox is None):
        here, there = (
            ("a sandbox", "a real account")
            if current.sandbox
            else (
                "a real account",
                "a sandbox",
            )
        )
        raise OriginError(
            f"the target holds records of {there}, and this session reads from {here}; "
            "copy to another target"
        )
    if saved.sandbox is not None and current.sandbox is not None:
        _check_sandbox(saved.sandbox, current.sandbox)
        return saved
    _check_account(saved, current)
    if saved.base_url != current.base_url and not adopt:
        raise OriginError(
            f"the target holds records from {saved.base_url}, and this session reads from "
            f"{current.base_url}",
            option="adopt",
        )
    return evolve(
        saved,
        base_url=current.base_url,
        institutions=_merge_origins(saved.institutions, current.institutions),
    )


def _check_sandbox(saved: SandboxOptions, current: SandboxOptions) -> None:
    names = sorted(name for name in {*saved, *current} if saved.get(name) != current.get(name))
    if names:
        differences = ", ".join(
            f"{name} {saved.get(name)} there, {current.get(name)} here" for name in names
        )
        raise OriginError(
            f"the target holds records of another sandbox ({differences}); copy to another target"
        )


def _check_account(saved: Origin, current: Origin) -> None:
    ids = {subdomain: id for id, subdomain in saved.institutions}
    common = [(id, name) for id, name in current.institutions if name in ids]
    for id, name in common:
        if None not in (id, ids[name]) and id != ids[name]:
            raise OriginError(
                f"the target holds records of another practice {name}: its institution is "
                f"{ids[name]} there and {id} here; copy to another target"
            )
    if saved.institutions and not common:
        raise OriginError(
            "the target holds records of another account: this key can see none of its "
            f"practices ({_join_names(name for _, name in saved.institutions)}); "
            "copy to another target"
        )


def _merge_origins(
    saved: Iterable[Institution], current: Iterable[Institution]
) -> tuple[Institution, ...]:
    """Return all institutions, with ids that were unknown before."""
    ids: dict[str, int | None] = {}
    for id, name in (*saved, *current):
        ids[name] = ids.get(name) if id is None else id
    return tuple((ids[name], name) for name in sorted(ids))


_MAX_LISTED = 5


def _join_names(names: Iterable[str]) -> str:
    all_names = list(names)
    omitted = [f"{len(all_names) - _MAX_LISTED} more"] if len(all_names) > _MAX_LISTED else []
    return ", ".join([*all_names[:_MAX_LISTED], *omitted])
