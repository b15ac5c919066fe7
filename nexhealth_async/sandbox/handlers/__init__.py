"""The operations the sandbox serves, by domain, and how a request finds its own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from importlib import import_module
from pkgutil import iter_modules
from typing import Final
from urllib.parse import unquote

from nexhealth_async.sandbox.routes import BOTH, HandlerResult, Route, SandboxCall, Version

__all__ = ["LOGIN", "ROUTES", "Router"]


def _login(_call: SandboxCall) -> HandlerResult:
    raise NotImplementedError  # the server answers logins itself: they carry no token


LOGIN: Final = Route(method="POST", path="/authenticates", handler=_login, versions=BOTH)


def _routes() -> Iterator[Route]:
    """Yield the routes that the modules beside this one declare in ``ROUTES``."""
    for part in iter_modules(__path__):
        module = import_module(f"{__name__}.{part.name}")
        routes: Sequence[Route] = getattr(module, "ROUTES", ())
        yield from routes


ROUTES: Final[Sequence[Route]] = (LOGIN, *_routes())

_PARAMETER: Final = re.compile(r"\{(\w+)\}")


def _pattern(path: str) -> re.Pattern[str]:
    spelled = _PARAMETER.sub(
        lambda found: r"([^/]+)" if found[1] == "hashid" else r"(-?[0-9]{1,19})", path
    )
    return re.compile(spelled)


class Router:
    """Finds the route of a request: method and path, ids in the path taken out."""

    def __init__(self, routes: Sequence[Route] = ROUTES) -> None:
        self._plain: dict[tuple[str, str], list[Route]] = {}
        patterns: dict[tuple[str, str], list[Route]] = {}
        for route in routes:
            group = patterns if "{" in route.path else self._plain
            group.setdefault((route.method, route.path), []).append(route)
        self._patterns = [
            (method, _pattern(path), found) for (method, path), found in patterns.items()
        ]

    def find(
        self, method: str, path: str, version: Version | None = None
    ) -> tuple[Route | None, tuple[int, ...], str]:
        """The route (of this version, if it has one), the ids in the path, and the word in it."""
        found, parts = self._matching(method, path)
        if not found:
            return None, (), ""
        route = next((one for one in found if version in one.versions), found[0])
        if "{hashid}" in route.path:
            return route, (), unquote(parts[0])
        return route, tuple(int(part) for part in parts), ""

    def _matching(self, method: str, path: str) -> tuple[Sequence[Route], Sequence[str]]:
        plain = self._plain.get((method, path))
        if plain is not None:
            return plain, ()
        for for_method, pattern, routes in self._patterns:
            matched = pattern.fullmatch(path) if for_method == method else None
            if matched is not None:
                return routes, matched.groups()
        return (), ()
