"""The operations the sandbox serves, by domain, and how a request finds its own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from nexhealth_async.sandbox.handlers import offices, people, slots, visits, work
from nexhealth_async.sandbox.routes import BOTH, Answer, Call, Route

__all__ = ["LOGIN", "ROUTES", "Router", "known_elsewhere"]


def _login(_call: Call) -> Answer:
    raise NotImplementedError  # the server answers logins itself: they carry no token


LOGIN: Final = Route(method="POST", path="/authenticates", handler=_login, versions=BOTH)

ROUTES: Final[Sequence[Route]] = (
    LOGIN,
    *offices.ROUTES,
    *people.ROUTES,
    *visits.ROUTES,
    *work.ROUTES,
    *slots.ROUTES,
)

_ELSEWHERE: Final = re.compile(
    r"/(nex_staff|insurance_plans(/\d+)?|webhook_endpoints(/.*)?|patients/\d+/documents"
    r"|available_slots|working_hours(/\d+)?|working_hour_labels|insurance_coverages(/\d+)?"
    r"|insurance_balances|claims(/\d+)?|charges(/\d+)?|payments(/\d+)?|adjustments(/\d+)?"
    r"|guarantor_balances(/\d+)?|payment_plans(/\d+)?|payment_types|adjustment_types"
    r"|fee_schedules(/\d+)?|fee_schedule_procedures|treatment_plans(/\d+)?"
    r"|clinical_notes(/\d+)?|onboardings(/.*)?)"
)


def known_elsewhere(_method: str, path: str) -> bool:
    """Whether the vendor has something at this path that the sandbox does not serve (yet)."""
    return _ELSEWHERE.fullmatch(path) is not None


class Router:
    """Finds the route of a request: method and path, ids in the path taken out."""

    def __init__(self, routes: Sequence[Route] = ROUTES) -> None:
        self._by_template: dict[tuple[str, str], tuple[Route, ...]] = {}
        for route in routes:
            key = (route.method, re.sub(r"\{\w+\}", "#", route.path))
            self._by_template[key] = (*self._by_template.get(key, ()), route)

    def find(self, method: str, path: str) -> tuple[Route | None, tuple[int, ...]]:
        """The route and the ids, in the order of the path."""
        parts = path.split("/")
        ids = tuple(int(part) for part in parts if part.isascii() and part.isdigit())
        shape = "/".join("#" if part.isascii() and part.isdigit() else part for part in parts)
        found = self._by_template.get((method, shape))
        return (found[0], ids) if found else (None, ())
