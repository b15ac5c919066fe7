"""Onboardings: the setup of practices that are to join (v3)."""

from typing import Literal, TypeAlias, TypedDict, Unpack

from nexhealth_async import models as m
from nexhealth_async._protocol.operations import CREATED, Endpoint, OperationSpec, Paging, ScopeNeed
from nexhealth_async.pagination.walk import Walk
from nexhealth_async.resources._base import Resource
from nexhealth_async.resources._checks import check_any_of
from nexhealth_async.resources.options import CursorOptions, PracticeScoped, filter_names

__all__ = [
    "NewOnboarding",
    "OnboardingFilters",
    "OnboardingStatus",
    "OnboardingSystem",
    "Onboardings",
]

OnboardingStatus: TypeAlias = Literal["in_progress", "complete", "failed"]
"""States of a practice's setup."""

OnboardingSystem: TypeAlias = Literal[
    "athena",
    "curve2",
    "cloud9",
    "denticon",
    "dentrix",
    "dentrixascend",
    "drchrono",
    "eaglesoft",
    "ecw",
    "modmed",
    "nextgen",
    "opendental",
]
"""The systems a practice may be set up with."""


class OnboardingFilters(PracticeScoped, CursorOptions, total=False):
    """Filters for listing onboardings. Without a practice, those of all practices are listed."""

    status: OnboardingStatus | None
    """Only those that have come this far."""
    sort: str | None
    """Fields with commas between, ``-`` before one that descends.

    They are ``created_at``, ``status`` and ``subdomain``; ``"-created_at"`` by default.
    """


class NewOnboarding(TypedDict, total=False):
    """The setting up of a new practice, or of more locations of one that exists."""

    institution_name: str
    """The new practice's name; give this or ``subdomain``."""
    subdomain: str
    """The slug of the practice that gets more locations; a scope or session does not give it."""
    institution_zip_code: str
    """The practice's postal code."""
    institution_website: str
    """The practice's website."""
    institution_email: str
    """The practice's email address."""
    emr_name: OnboardingSystem
    """The system the practice keeps its records in."""


LIST: "Endpoint[m.Onboarding]" = Endpoint(
    resource="onboardings",
    verb="walk",
    model="Onboarding",
    v3=OperationSpec(
        method="GET",
        path="/onboardings",
        paging=Paging.CURSOR,
        max_per_page=1000,
        subdomain=ScopeNeed.OPTIONAL,
        filters=filter_names(OnboardingFilters),
    ),
)

GET: "Endpoint[m.Onboarding]" = Endpoint(
    resource="onboardings",
    verb="get",
    model="Onboarding",
    v3=OperationSpec(method="GET", path="/onboardings/{hashid}", subdomain=ScopeNeed.NONE),
)

CREATE: "Endpoint[m.Onboarding]" = Endpoint(
    resource="onboardings",
    verb="create",
    model="Onboarding",
    v3=OperationSpec(
        method="POST",
        path="/onboardings",
        success=CREATED,
        safe=False,
        subdomain=ScopeNeed.NONE,
        wrap="onboarding",
        sibling_fields={"subdomain": ("onboarding", "subdomain")},
        lookup_hint="Walk onboardings, the newest first, to see whether it was made.",
    ),
)


class Onboardings(Resource):
    """The setting up of practices that are to join; v3 only."""

    __slots__ = ()

    def walk(self, **filters: Unpack[OnboardingFilters]) -> "Walk[m.Onboarding]":
        """Iterate over the onboardings of one practice, or of all when none is given; v3 only.

        ``GET /onboardings``

        The newest come first, unless ``sort`` says otherwise.
        """
        return self._client.walk(LIST, filters)

    async def get(self, id: str, /) -> "m.Onboarding":
        """Get one onboarding by its id, which is a text; v3 only.

        ``GET /onboardings/{hashid}``

        Raises:
            NotFoundError: The account has no record with this id.
        """
        return await self._client.call(GET, {}, id)

    async def create(self, **fields: Unpack[NewOnboarding]) -> "m.Onboarding":
        """Begin to set up a practice, or more locations of one that exists; v3 only.

        ``POST /onboardings``

        The answer's ``url`` is for the practice's staff and holds for three months. Only production
        keys may do this.

        Raises:
            InvalidArgumentError: Neither ``institution_name`` nor ``subdomain`` is given; a scope's
                practice does not count.
            InvalidRequestError: The API refuses the request.
            OutcomeUnknownError: The response was lost. Creating is never retried automatically.
        """
        check_any_of(fields, ("institution_name", "subdomain"))
        return await self._client.call(CREATE, fields)
