"""Where the records of a target came from, and the refusal of a copy from somewhere else.

A target keeps its origin with the plan of its last pull. A sandbox names itself in every reply. Of
a real account no id is known and keys are rotated, so it is known by its address and by the
practices that the key sees: as long as one of them is the same, it is the same account.
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
"""The id of an institution and its subdomain."""
SandboxOptions: TypeAlias = "Mapping[str, str | int | bool]"
"""What a sandbox says of itself."""


@frozen(kw_only=True)
class Origin:
    """Where the records of a target came from, and which choices decided which ones they are."""

    version: str
    """Version of the API, such as ``v2`` or ``v3.0.0``."""
    base_url: str | None = None
    """Address of the API; None for a sandbox, whose address is another one each time."""
    institutions: tuple[Institution, ...] = ()
    """The institutions that the key saw."""
    sandbox: Mapping[str, str | int | bool] | None = None
    """Kind, seed and options of a sandbox; None for a real account."""
    practices: Mapping[str, tuple[int, ...] | None] | None = None
    """The practices chosen, each with its locations (None: all of them); None: all practices."""
    appointments: tuple[str | None, str | None] | None = None
    """First and last moment of the appointments chosen; None before any were copied."""


def origin_to_json(origin: Origin | None) -> str | None:
    """Write an origin for a database; nothing of it is personal."""
    return None if origin is None else msgspec.json.encode(origin).decode()


def origin_from_json(text: str | None) -> Origin | None:
    """Read what `origin_to_json` wrote; `UsageError` for anything else."""
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=Origin)
    except (msgspec.MsgspecError, UnicodeError):
        raise UsageError(
            "the origin kept in the target cannot be read; was it edited, or written by another "
            "release?"
        ) from None


def practices_of(origin: Origin | None) -> tuple[str, ...]:
    """Return the practices of the institutions seen."""
    return () if origin is None else tuple(name for _, name in origin.institutions)


def check_same(saved: Origin, current: Origin, *, adopt: bool = False) -> Origin:
    """Return what is to be kept now; `OriginError` if the target's records are another server's.

    With ``adopt``, another address of an account of which an institution is known is taken over.
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
        odd = ", ".join(
            f"{name} {saved.get(name)} there, {current.get(name)} here" for name in names
        )
        raise OriginError(
            f"the target holds records of another sandbox ({odd}); copy to another target"
        )


def _check_account(saved: Origin, current: Origin) -> None:
    ids = {subdomain: id for id, subdomain in saved.institutions}
    common = [(id, name) for id, name in current.institutions if name in ids]
    for id, name in common:
        if None not in (id, ids[name]) and id != ids[name]:
            raise OriginError(
                f"the target holds records of another practice called {name}: its institution is "
                f"{ids[name]} there and {id} here; copy to another target"
            )
    if saved.institutions and not common:
        raise OriginError(
            "the target holds records of another account: this key sees none of its practices "
            f"({_join_names(name for _, name in saved.institutions)}); copy to another target"
        )


def _merge_origins(
    saved: Iterable[Institution], current: Iterable[Institution]
) -> tuple[Institution, ...]:
    """Return all institutions, those whose id was unknown before with their id."""
    ids: dict[str, int | None] = {}
    for id, name in (*saved, *current):
        ids[name] = ids.get(name) if id is None else id
    return tuple((ids[name], name) for name in sorted(ids))


_MAX_LISTED = 5


def _join_names(names: Iterable[str]) -> str:
    every = list(names)
    more = [f"{len(every) - _MAX_LISTED} more"] if len(every) > _MAX_LISTED else []
    return ", ".join([*every[:_MAX_LISTED], *more])
