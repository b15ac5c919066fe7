"""Handlers of the sandbox by domain, and the router that finds the route of a request."""

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
    raise NotImplementedError  # the server answers logins itself, because they have no token


LOGIN: Final = Route(method="POST", path="/authenticates", handler=_login, versions=BOTH)


def _find_routes() -> Iterator[Route]:
    """Yield the routes that the modules of this package declare in ``ROUTES``."""
    for info in iter_modules(__path__):
        module = import_module(f"{__name__}.{info.name}")
        routes: Sequence[Route] = getattr(module, "ROUTES", ())
        yield from routes


ROUTES: Final[Sequence[Route]] = (LOGIN, *_find_routes())

_PARAMETER: Final = re.compile(r"\{(\w+)\}")


def _compile_path(path: str) -> re.Pattern[str]:
    pattern = _PARAMETER.sub(
        lambda match: r"([^/]+)" if match[1] == "hashid" else r"(-?[0-9]{1,19})", path
    )
    return re.compile(pattern)


class Router:
    """A router from method and path to routes."""

    def __init__(self, routes: Sequence[Route] = ROUTES) -> None:
        self._plain: dict[tuple[str, str], list[Route]] = {}
        patterns: dict[tuple[str, str], list[Route]] = {}
        for route in routes:
            group = patterns if "{" in route.path else self._plain
            group.setdefault((route.method, route.path), []).append(route)
        self._patterns = [
            (method, _compile_path(path), group) for (method, path), group in patterns.items()
        ]

    def find(
        self, method: str, path: str, version: Version | None = None
    ) -> tuple[Route | None, tuple[int, ...], str]:
        """Return the route (of this version, if there is one), and its ids and word in the path."""
        routes, parts = self._match(method, path)
        if not routes:
            return None, (), ""
        route = next((route for route in routes if version in route.versions), routes[0])
        if "{hashid}" in route.path:
            return route, (), unquote(parts[0])
        return route, tuple(int(part) for part in parts), ""

    def _match(self, method: str, path: str) -> tuple[Sequence[Route], Sequence[str]]:
        plain = self._plain.get((method, path))
        if plain is not None:
            return plain, ()
        for route_method, pattern, routes in self._patterns:
            match = pattern.fullmatch(path) if route_method == method else None
            if match is not None:
                return routes, match.groups()
        return (), ()
