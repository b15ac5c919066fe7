"""The endpoint table: every operation of the API, one row per version, each fact written once.

A row says where an operation lives, how its list is paged, what its filters are called on the
wire, which rate limit counts it and whether it may be repeated. Request building, walking, the
limiter, the retry rules and the command line all read it here. One module per domain.
"""

from __future__ import annotations

from typing import cast

from nexhealth_async.endpoints import clinical, people, practice, rows, schedule
from nexhealth_async.endpoints.clinical import *  # noqa: F403 - pinned by the modules' own __all__
from nexhealth_async.endpoints.people import *  # noqa: F403
from nexhealth_async.endpoints.practice import *  # noqa: F403
from nexhealth_async.endpoints.rows import *  # noqa: F403
from nexhealth_async.endpoints.schedule import *  # noqa: F403

__all__: list[str] = ["ALL"]
__all__ += clinical.__all__
__all__ += people.__all__
__all__ += practice.__all__
__all__ += rows.__all__
__all__ += schedule.__all__

ALL: tuple[rows.Endpoint[object], ...] = tuple(
    cast("rows.Endpoint[object]", value)
    for module in (practice, people, schedule, clinical)
    for value in vars(module).values()
    if isinstance(value, rows.Endpoint)
)
"""Every endpoint of the table, the practice's first."""
