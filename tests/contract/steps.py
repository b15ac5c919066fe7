"""How far an endpoint has come through the house, and what its next step is, by file."""

from __future__ import annotations

import ast
import dis
import inspect
import pkgutil
import sys
from functools import cache
from importlib import import_module
from itertools import pairwise
from types import FunctionType, ModuleType
from typing import cast, is_typeddict

from nexhealth_async import endpoints, filters, models, resources
from nexhealth_async._protocol.operations import Endpoint, Need, Paging, Row
from nexhealth_async.sandbox import Sandbox
from nexhealth_async.sandbox.handlers import ROUTES
from nexhealth_async.sandbox.practice import Practice
from tests.contract.surface import (
    CREATING,
    METHODS,
    bare,
    dotted_name,
    function_of,
    nested_in,
    rows_of,
    scope_keys,
    unpacked_by,
    walk_options,
)
from tests.contract.test_models import STANDS_FOR
from tests.docs.reference import lines_missing
from tests.models.model_samples import SAMPLES

__all__ = ["maker_missing", "next_step"]

OPTIONS = {
    Paging.SINGLE: "",
    Paging.WHOLE: "WholeOptions",
    Paging.CURSOR: "CursorOptions",
    Paging.NUMBERED: "NumberedOptions",
}


def next_step(endpoint: Endpoint[object]) -> str:
    """The sentence that says what to add next, and where; empty once nothing is missing."""
    if step := _row(endpoint):
        return step
    looks = (_filters, _model, _sample, _method, _way, _route, _reference)
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


def maker_missing() -> str:
    """The sentence that names what a table of every practice is made by; empty if all is there."""
    try:
        _practice()
    except AttributeError as error:
        maker = type(error.obj)
        if maker.__module__ == Practice.__module__:
            raise
        return (
            f"No practice can be made: nexhealth_async/sandbox/practice.py asks for `{error.name}` "
            f"of `{maker.__name__}`: add `def {error.name}(self, index: int, id: int) -> Row` "
            f"to that class in {_file(maker)}."
        )
    return ""


@cache
def _practice() -> Practice:
    return Sandbox(patients=1).practice


def _row(endpoint: Endpoint[object]) -> str:
    home, constant = _declared(endpoint)
    if constant in import_module(f"{endpoints.__name__}.{home}").__all__:
        return ""
    return f"`{constant}` is not in `__all__` of nexhealth_async/endpoints/{home}.py: add it there."


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
    name = f"{endpoint.model}Filters"
    if name in _unpacked():
        name = f"{_noun_name(endpoint)}Filters"  # the other is some other method's
    made = _class_of(filters, name)
    if made is None:
        where = (
            f"add `class {name}({', '.join(_bases(endpoint))}, total=False)` "
            f"to nexhealth_async/filters/{home}.py, and its name to `__all__` there."
        )
    else:
        where = f"`{name}` in {_file(made)} is there, but {_wrong_with(made, endpoint, keys)}."
    return (
        f"nexhealth_async/endpoints/{home}.py has a row for `{dotted_name(endpoint)}`, "
        f"and no dictionary in nexhealth_async/filters takes {_listed(own)}: {where}"
    )


def _wrong_with(dictionary: type, endpoint: Endpoint[object], keys: set[str]) -> str:
    lacks = sorted(keys - set(dictionary.__annotations__))
    more = sorted(set(dictionary.__annotations__) - keys)
    if not lacks:
        return "not in `__all__`"
    told = f"lacks {_listed(lacks)}"
    return f"{told} and has {_listed(more)}" if more and endpoint.verb not in CREATING else told


def _model(endpoint: Endpoint[object]) -> str:
    if endpoint.model is None:
        return ""
    home, _ = _declared(endpoint)
    if made := _class_of(models, endpoint.model):
        return _unnamed_model(made)
    return (
        f"`{dotted_name(endpoint)}` returns `{endpoint.model}`, "
        f"and nexhealth_async/models has no such class: "
        f"add `class {endpoint.model}(Record)` to nexhealth_async/models/{home}.py, and its name "
        "three times to nexhealth_async/models/__init__.py: import, `__all__` and `_HOMES`."
    )


def _unnamed_model(model: type) -> str:
    """Ask for the places where a model that is there is not named."""
    home = model.__module__.rpartition(".")[2]
    if model.__name__ not in sys.modules[model.__module__].__all__:
        return f"`{model.__name__}` is there, but not in `__all__` of {_file(model)}."
    imports = ast.walk(ast.parse(inspect.getsource(models)))
    places = {
        "the import under `TYPE_CHECKING`": {
            alias.name
            for one in imports
            if isinstance(one, ast.ImportFrom) and one.module == model.__module__
            for alias in one.names
        },
        "`__all__`": models.__all__,
        f'"{home}" in `_HOMES`': models._HOMES.get(home, ()),
    }
    without = [place for place, names in places.items() if model.__name__ not in names]
    if not without:
        return ""
    return (
        f"`{model.__name__}` is in {_file(model)}, but not everywhere in "
        f"nexhealth_async/models/__init__.py: add it to {' and '.join(without)}."
    )


def _sample(endpoint: Endpoint[object]) -> str:
    if endpoint.model is None:
        return ""
    if endpoint.model not in {name for name, _ in SAMPLES}:
        return (
            f"`{endpoint.model}` has no sample: add one to SAMPLES in "
            "tests/models/model_samples.py, in the API's own form and of invented people; "
            "and its schema to STANDS_FOR in tests/contract/test_models.py. "
            "Then tests/models says what is wrong with the model."
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
        noun: type | None = type(METHODS[siblings[0]].__self__)
    else:
        noun = _class_of(resources, _noun_name(endpoint))
    if noun is None:
        where = (
            f"add `class {_noun_name(endpoint)}(Noun)` with a method `{endpoint.verb}` "
            f"to nexhealth_async/resources/{home}.py, and the class to `__all__` there and in "
            "nexhealth_async/resources/__init__.py."
        )
    else:
        where = _wrong_with_noun(noun, endpoint.verb)
    return f"No method in nexhealth_async/resources calls `to.{constant}`: {where}"


def _wrong_with_noun(noun: type, verb: str) -> str:
    method = getattr(noun, verb, None)
    if method is None:
        return f"add `{verb}` to the class `{noun.__name__}` in {_file(noun)}."
    places = {
        _file(noun): sys.modules[noun.__module__].__all__,
        "nexhealth_async/resources/__init__.py": resources.__all__,
    }
    without = [place for place, names in places.items() if noun.__name__ not in names]
    if without:
        return f"`{noun.__name__}` is there, but not in `__all__` of {' and '.join(without)}."
    rows = sorted(set(inspect.unwrap(method).__code__.co_names) & set(endpoints.__all__))
    called = " and ".join(f"`to.{name}`" for name in rows) or "no row"
    return f"`{noun.__name__}` in {_file(noun)} is there, but its `{verb}` calls {called}."


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
        if row is not None and served and not maker_missing() and (table := _table_missing(row)):
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
                and not hasattr(_practice(), following.argval)
            ):
                return str(following.argval)
    return ""


def _reference(endpoint: Endpoint[object]) -> str:
    method = METHODS[dotted_name(endpoint)]
    unpacked = unpacked_by(function_of(endpoint))
    named = (
        type(method.__self__).__name__,
        endpoint.model or "",
        "" if unpacked is None else unpacked.__name__,
    )
    missing = lines_missing()
    lines = [missing[name] for name in named if name in missing]
    if not lines:
        return ""
    return f"`{dotted_name(endpoint)}` is not in the reference: {', '.join(lines)}."


def _class_of(package: ModuleType, name: str) -> type | None:
    """The class of that name that a module of a package defines, named in `__all__` or not."""
    for part in pkgutil.iter_modules(package.__path__):
        module = f"{package.__name__}.{part.name}"
        found = vars(import_module(module)).get(name)
        if inspect.isclass(found) and found.__module__ == module:
            return found
    return None


def _file(made: type) -> str:
    return f"{made.__module__.replace('.', '/')}.py"


def _unpacked() -> set[str]:
    functions = (cast("FunctionType", inspect.unwrap(one.__func__)) for one in METHODS.values())
    return {kind.__name__ for one in functions if (kind := unpacked_by(one))}


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
