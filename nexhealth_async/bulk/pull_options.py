"""Options that pulls, copies, estimates and fleets share."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from inspect import Parameter, signature
from typing import Literal, TypedDict, TypeVar, cast

from attrs import NOTHING, fields_dict

from nexhealth_async.bulk.copy_preparation import OriginPermission
from nexhealth_async.bulk.pull_arguments import PullRequest
from nexhealth_async.bulk.scheduler import EngineSettings
from nexhealth_async.bulk.shard_planning import Practices, Since
from nexhealth_async.pagination.page_plans import Drift

__all__ = [
    "CopyOptions",
    "PagingOptions",
    "PermissionOptions",
    "PlanOptions",
    "PullOptions",
    "RequestOptions",
    "ScopeOptions",
    "check_options",
    "select_options",
    "takes_options",
]

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., object])


class ScopeOptions(TypedDict, total=False):
    """Scope of a pull."""

    practices: Practices
    """Subdomains, or a mapping of subdomains to location ids.

    None, the default, means the practices that the session is bound to, or all that the key can
    see.
    """
    appointments_from: datetime | None
    """Start of the appointment window; the year 2000 by default."""
    appointments_until: datetime | None
    """End of the appointment window; ten years ahead by default."""


class PagingOptions(TypedDict, total=False):
    """Paging of a pull."""

    concurrency: int
    """Requests in flight for each of the three rate classes; 8 by default."""
    drift: Drift
    """Verification of numbered lists, see `Drift`; ``"verify"`` by default."""
    per_page: int | None
    """Records per page; None, the default, means the list's maximum."""


class PermissionOptions(TypedDict, total=False):
    """Permission to take over or replace the records of a target."""

    adopt: bool
    """Accept a target that an earlier release filled as this account's."""
    recopy: bool
    """Delete all records of the target and copy everything again."""


class PullOptions(ScopeOptions, PagingOptions, total=False):
    """Options of `Bulk.pull` and `Bulk.estimate`."""

    since: datetime | None
    """Read only changes since this time; lists without that filter are read whole."""


class PlanOptions(ScopeOptions, PermissionOptions, total=False):
    """Options of `Bulk.begin` and `nexhealth_async.fleet.fleet_pull`."""

    since: datetime | Literal["last"] | None
    """Read only changes since this time, or since the target's last complete pull."""
    compare: timedelta | None
    """Maximum age of the last comparison of a whole list, with ``since="last"``; 7 days by default.

    Zero compares always, None never.
    """


class RequestOptions(ScopeOptions, total=False):
    """Fields of a request that are options."""

    since: Since
    compare: timedelta | None


class CopyOptions(PlanOptions, PagingOptions, total=False):
    """Options of `Bulk.copy`."""


_DEFAULTS: Mapping[str, object] = {
    name: attribute.default
    for kind in (PullRequest, EngineSettings, OriginPermission)
    for name, attribute in fields_dict(kind).items()
    if attribute.default is not NOTHING
}


def takes_options(kind: type) -> Callable[[F], F]:
    """Make ``help()`` and `inspect.signature` show a function's options instead of ``**options``.

    Args:
        kind: The `TypedDict` that the function unpacks.
    """

    def decorate(function: F) -> F:
        shape = signature(function)
        *plain, _ = shape.parameters.values()
        annotations: Mapping[str, object] = kind.__annotations__
        options = [
            Parameter(name, Parameter.KEYWORD_ONLY, default=_DEFAULTS[name], annotation=annotation)
            for name, annotation in annotations.items()
        ]
        vars(function)["__signature__"] = shape.replace(parameters=[*plain, *options])
        return function

    return decorate


def check_options(function: Callable[..., object], options: Mapping[str, object]) -> None:
    """Raise `TypeError` for an option that the function does not take."""
    for name in options:
        if name not in signature(function).parameters:
            raise TypeError(
                f"{function.__qualname__}() got an unexpected keyword argument {name!r}"
            )


def select_options(options: Mapping[str, object], kind: type[T]) -> T:
    """Return the options of one kind, to unpack into the class that holds them."""
    return cast("T", {name: options[name] for name in options if name in kind.__annotations__})
