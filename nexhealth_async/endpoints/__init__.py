"""The endpoint table: every operation of the API, one row per version, each fact written once.

A row says where an operation lives, how its list is paged, what its filters are called on the
wire, which rate limit counts it and whether it may be repeated. Request building, walking, the
limiter, the retry rules and the command line all read it here. One module per domain.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import cast

from nexhealth_async._protocol.operations import LOGIN, Endpoint, Operation, operation_of
from nexhealth_async.endpoints import (
    clinical,
    hooks,
    insurance,
    ledger,
    people,
    practice,
    schedule,
)
from nexhealth_async.endpoints.clinical import *  # noqa: F403 - pinned by the modules' own __all__
from nexhealth_async.endpoints.hooks import *  # noqa: F403
from nexhealth_async.endpoints.insurance import *  # noqa: F403
from nexhealth_async.endpoints.ledger import *  # noqa: F403
from nexhealth_async.endpoints.people import *  # noqa: F403
from nexhealth_async.endpoints.practice import *  # noqa: F403
from nexhealth_async.endpoints.schedule import *  # noqa: F403
from nexhealth_async.errors import InvalidArgument

__all__: list[str] = ["ALL", "models_of", "operations"]
__all__ += clinical.__all__
__all__ += hooks.__all__
__all__ += insurance.__all__
__all__ += ledger.__all__
__all__ += people.__all__
__all__ += practice.__all__
__all__ += schedule.__all__

ALL: tuple[Endpoint[object], ...] = tuple(
    cast("Endpoint[object]", value)
    for module in (practice, people, schedule, clinical, ledger, insurance, hooks)
    for value in vars(module).values()
    if isinstance(value, Endpoint)
)
"""Every endpoint of the table, the practice's first."""


def operations() -> list[Operation]:
    """List every operation of every version as data, the login that goes by itself included."""
    login = Endpoint[None](resource="authenticates", verb="log_in", model=None, v2=LOGIN, v3=LOGIN)
    return [
        operation_of(endpoint, version, row)
        for endpoint in (login, *ALL)
        for version, row in (("v2", endpoint.v2), ("v3", endpoint.v3))
        if row is not None
    ]


def models_of(nouns: Collection[str]) -> frozenset[str]:
    """Return the models that the methods of these nouns give back."""
    known = {endpoint.resource.split(".")[0] for endpoint in ALL}
    if unknown := set(nouns) - known:
        raise InvalidArgument(
            f"preload takes nouns, such as patients; there is no {', '.join(sorted(unknown))}"
        )
    return frozenset(
        endpoint.model
        for endpoint in ALL
        if endpoint.model is not None and endpoint.resource.split(".")[0] in nouns
    )
