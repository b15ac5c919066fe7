"""How far an endpoint has come through the house, and what its next step is, by file."""

from __future__ import annotations

import dis
import inspect
import sys
from itertools import pairwise
from typing import is_typeddict

from nexhealth_async import endpoints, filters, models, resources
from nexhealth_async.endpoints import Endpoint, Need, Paging, Row
from nexhealth_async.sandbox import Sandbox
from nexhealth_async.sandbox.handlers import ROUTES
from tests.contract.surface import (
    METHODS,
    bare,
    dotted_name,
    nested_in,
    rows_of,
    scope_keys,
    walk_options,
)
from tests.contract.test_models import STANDS_FOR
from tests.models.model_samples import SAMPLES

__all__ = ["next_step"]

OPTIONS = {
    Paging.SINGLE: "",
    Paging.WHOLE: "WholeOptions",
    Paging.CURSOR: "CursorOptions",
    Paging.NUMBERED: "NumberedOptions",
}


def next_step(endpoint: Endpoint[object]) -> str:
    """The sentence that says what to add next, and where; empty once nothing is missing."""
    looks = (_filters, _model, _sample, _method, _way, _route)
    step = next((step for look in looks if (step := look(endpoint))), "")
    home, constant = _declared(endpoint) if step else ("", "")
    if step and "." not in endpoint.resource:
        expected = endpoint.resource.upper()
        if constant != expected and not constant.startswith(f"{expected}_"):
            step += (
                f" Or, if `{endpoint.resource}` is misspelt: `resource` of `{constant}` "
                f"in nexhealth_async/endpoints/{home}.py is to be mended, and nothing else."
            )
    return step


def _filters(endpoint: Endpoint[object]) -> str:
    """Ask for the dictionary, unless a method has one: then test_table compares the two."""
    if dotted_name(endpoint) in METHODS:
        return ""
    keys = {key for row in rows_of(endpoint) for key in _keys(row)}
    known = [getattr(filters, name) for name in filters.__all__]
    if any(is_typeddict(one) and keys <= set(one.__annotations__) for one in known):
        return ""
    home, _ = _declared(endpoint)
    own = sorted({key for row in rows_of(endpoint) for key in bare(row.filters)})
    return (
        f"nexhealth_async/endpoints/{home}.py has a row for `{dotted_name(endpoint)}`, "
        f"and no dictionary in nexhealth_async/filters takes {_listed(own)}: "
        f"add `class {endpoint.model}Filters({', '.join(_bases(endpoint))}, total=False)` "
        f"to nexhealth_async/filters/{home}.py, and its name to `__all__` there."
    )


def _model(endpoint: Endpoint[object]) -> str:
    if endpoint.model is None or hasattr(models, endpoint.model):
        return ""
    home, _ = _declared(endpoint)
    return (
        f"`{dotted_name(endpoint)}` returns `{endpoint.model}`, "
        f"and nexhealth_async/models has no such class: "
        f"add `class {endpoint.model}(Record)` to nexhealth_async/models/{home}.py, and its name "
        "three times to nexhealth_async/models/__init__.py: import, `__all__` and `_HOMES`."
    )


def _sample(endpoint: Endpoint[object]) -> str:
    if endpoint.model is None:
        return ""
    if endpoint.model not in {name for name, _ in SAMPLES}:
        return (
            f"`{endpoint.model}` has no sample: add one to SAMPLES in "
            "tests/models/model_samples.py, in the API's own form and of invented people; "
            "and its schema to STANDS_FOR in tests/contract/test_models.py."
        )
    if not any(endpoint.model in names for names in STANDS_FOR.values()):
        return (
            f"`{endpoint.model}` stands for no published schema: "
            "add the schema to STANDS_FOR in tests/contract/test_models.py."
        )
    return ""


def _method(endpoint: Endpoint[object]) -> str:
    home, constant = _declared(endpoint)
    if any(_calls(getattr(resources, name), constant) for name in resources.__all__):
        return ""
    siblings = [name for name in METHODS if nested_in(name) == endpoint.resource]
    if siblings:
        noun = type(METHODS[siblings[0]].__self__)
        file = noun.__module__.replace(".", "/")
        where = f"add `{endpoint.verb}` to the class `{noun.__name__}` in {file}.py."
    else:
        where = (
            f"add `class {_noun_name(endpoint)}(Noun)` with a method `{endpoint.verb}` "
            f"to nexhealth_async/resources/{home}.py, and the class to `__all__` there and in "
            "nexhealth_async/resources/__init__.py."
        )
    return f"No method in nexhealth_async/resources calls `to.{constant}`: {where}"


def _way(endpoint: Endpoint[object]) -> str:
    if dotted_name(endpoint) in METHODS:
        return ""
    first, _, rest = endpoint.resource.partition(".")
    named = rest or first
    return (
        f"`nex.{dotted_name(endpoint)}` cannot be reached: add the property `{named}` to "
        f"{f'the noun `{first}`' if rest else f'`{_scope(endpoint)}` in nexhealth_async/scopes.py'}"
        ", and return the noun from it."
    )


def _route(endpoint: Endpoint[object]) -> str:
    for version, row in (("v2", endpoint.v2), ("v3", endpoint.v3)):
        served = row is None or any(
            version in route.versions and (route.method, route.path) == (row.method, row.path)
            for route in ROUTES
        )
        if row is not None and served and (table := _table_missing(row)):
            return (
                f"The sandbox's route of `{row.operation}` reads `practice.{table}`, which no "
                "practice has: add that table to nexhealth_async/sandbox/practice.py."
            )
        if row is not None and not served:
            return (
                f"The sandbox does not serve `{row.operation}` in {version}: add a `Route` to a "
                "module of nexhealth_async/sandbox/handlers, and what it shows to "
                "nexhealth_async/sandbox/practice.py."
            )
    return ""


def _table_missing(row: Row) -> str:
    """The table that a route's handler asks a practice for in vain."""
    for route in ROUTES:
        handler = inspect.unwrap(route.handler)
        if (route.method, route.path) != (row.method, row.path) or not inspect.isfunction(handler):
            continue
        for one, following in pairwise(dis.get_instructions(handler)):
            asked = one.opname.startswith("LOAD") and one.argval == "practice"
            if (
                asked
                and following.opname == "LOAD_ATTR"
                and not hasattr(_PRACTICE, following.argval)
            ):
                return str(following.argval)
    return ""


_PRACTICE = Sandbox(patients=1).practice


def _declared(endpoint: Endpoint[object]) -> tuple[str, str]:
    """The module of the table that has an endpoint, and the endpoint's name there."""
    home = f"{endpoints.__name__}."
    for name, module in sys.modules.items():
        if name.startswith(home):
            for constant, value in vars(module).items():
                if value is endpoint:
                    return name.removeprefix(home), constant
    raise AssertionError(f"no module of the table has {dotted_name(endpoint)}")


def _calls(noun: type, constant: str) -> bool:
    methods = inspect.getmembers(noun, inspect.isfunction)
    return any(constant in inspect.unwrap(one).__code__.co_names for _, one in methods)


def _keys(row: Row) -> set[str]:
    return bare(row.filters) | set(row.path_from) | scope_keys(row) | walk_options(row)


def _bases(endpoint: Endpoint[object]) -> list[str]:
    rows = rows_of(endpoint)
    located = any(row.location is not Need.NONE for row in rows)
    numbered = [row for row in rows if row.paging is Paging.NUMBERED]
    options = OPTIONS[(numbered or rows)[0].paging]
    scope = "LocationScoped" if located else "PracticeScoped"
    return [name for name in (scope, options) if name]


def _scope(endpoint: Endpoint[object]) -> str:
    rows = rows_of(endpoint)
    if any(row.location is not Need.NONE for row in rows):
        return "LocationNouns"
    if any(row.subdomain is not Need.NONE for row in rows):
        return "PracticeNouns"
    return "AccountNouns"


def _noun_name(endpoint: Endpoint[object]) -> str:
    words = endpoint.resource.replace(".", "_").split("_")
    return "".join(word.capitalize() for word in words)


def _listed(keys: list[str]) -> str:
    return ", ".join(f"`{key}`" for key in keys) or "the scope and the options of a walk"
