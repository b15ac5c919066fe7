"""Webhook subscriptions: the events that an endpoint receives."""

from typing import Literal, Required, TypeAlias, Unpack

from attrs import evolve

from nexhealth_async import models as m
from nexhealth_async._protocol.operations import (
    CREATED,
    NO_CONTENT,
    Endpoint,
    OperationSpec,
    Paging,
    ScopeNeed,
)
from nexhealth_async.pagination.walk import Walk
from nexhealth_async.resources._base import Resource
from nexhealth_async.resources.options import PracticeScoped, WholeOptions, filter_names

__all__ = [
    "NewWebhookSubscription",
    "WebhookEvent",
    "WebhookResource",
    "WebhookSubscriptionChanges",
    "WebhookSubscriptionFilters",
    "WebhookSubscriptions",
]

WebhookResource: TypeAlias = Literal[
    "Adjustment",
    "AdjustmentType",
    "Appointment",
    "Charge",
    "Claim",
    "Document",
    "FeeSchedule",
    "FormResponse",
    "Message",
    "Onboarding",
    "Patient",
    "PatientInsuranceCoverage",
    "Payment",
    "PaymentType",
    "Procedure",
    "ProcedureCode",
    "SyncStatus",
    "TreatmentPlan",
]
"""Kinds of records that v3.0.0 has events for; later versions add some."""

WebhookEvent: TypeAlias = Literal[
    "adjustment_created",
    "adjustment_updated",
    "adjustment_deleted",
    "adjustment_insertion",
    "adjustment_type_created",
    "adjustment_type_updated",
    "appointment_insertion",
    "appointment_created",
    "appointment_updated",
    "appointment_requested",
    "charge_created",
    "charge_updated",
    "charge_deleted",
    "claim_created",
    "claim_updated",
    "claim_deleted",
    "document_insertion",
    "fee_schedule_created",
    "fee_schedule_updated",
    "form_response_insertion",
    "message_created",
    "message_updated",
    "onboarding_created",
    "onboarding_updated",
    "onboarding_availability_ready",
    "patient_created",
    "patient_updated",
    "patient_insurance_created",
    "patient_insurance_updated",
    "payment_created",
    "payment_updated",
    "payment_deleted",
    "payment_insertion",
    "payment_type_created",
    "payment_type_updated",
    "procedure_created",
    "procedure_updated",
    "procedure_code_created",
    "procedure_code_updated",
    "procedure_code_deleted",
    "sync_status_read_change",
    "sync_status_write_change",
    "treatment_plan_created",
    "treatment_plan_updated",
    "treatment_plan_deleted",
]
"""Events of v3.0.0; later versions add some. ``_insertion`` reports the outcome of a write."""


class WebhookSubscriptionFilters(PracticeScoped, WholeOptions, total=False):
    """Filters for listing subscriptions."""

    resource_type: WebhookResource | str | None
    """Only those for records of this kind."""
    event: WebhookEvent | str | None
    """Only those for this event."""


class NewWebhookSubscription(PracticeScoped, total=False):
    """A new subscription."""

    resource_type: Required[WebhookResource | str]
    """The kind of record, with a capital: ``"Appointment"``."""
    event: Required[WebhookEvent | str]
    """One of the events of that kind, as ``"appointment_updated"``."""
    active: bool
    """Whether deliveries are made; True by default."""


class WebhookSubscriptionChanges(PracticeScoped, total=False):
    """Changes to a subscription. Fields that are left out stay as they are."""

    new_endpoint_id: int
    """Id of another endpoint of yours, to which the subscription moves."""
    active: bool
    """Whether deliveries are made."""


_LIST_ROW = OperationSpec(
    method="GET",
    path="/webhook_endpoints/{id}/webhook_subscriptions",
    paging=Paging.WHOLE,
    subdomain=ScopeNeed.NONE,
    filters=filter_names(WebhookSubscriptionFilters),
)

LIST: "Endpoint[m.WebhookSubscription]" = Endpoint(
    resource="webhook_endpoints.subscriptions",
    verb="walk",
    model="WebhookSubscription",
    v2=_LIST_ROW,
    v3=evolve(_LIST_ROW, subdomain=ScopeNeed.OPTIONAL),
)

_CREATE_ROW = OperationSpec(
    method="POST",
    path="/webhook_endpoints/{id}/webhook_subscriptions",
    success=CREATED,
    safe=False,
    wrap="",
    lookup_hint="Walk webhook_endpoints.subscriptions and look for the resource_type and event.",
)

CREATE: "Endpoint[m.WebhookSubscription]" = Endpoint(
    resource="webhook_endpoints.subscriptions",
    verb="create",
    model="WebhookSubscription",
    v2=_CREATE_ROW,
    v3=evolve(_CREATE_ROW, unscoped_if={"resource_type": "Onboarding"}),
)

UPDATE: "Endpoint[m.WebhookSubscription]" = Endpoint(
    resource="webhook_endpoints.subscriptions",
    verb="update",
    model="WebhookSubscription",
    both=OperationSpec(
        method="PATCH",
        path="/webhook_endpoints/{id}/webhook_subscriptions/{subscription_id}",
        wrap="",
    ),
)

DELETE: Endpoint[None] = Endpoint(
    resource="webhook_endpoints.subscriptions",
    verb="delete",
    model=None,
    both=OperationSpec(
        method="DELETE",
        path="/webhook_endpoints/{id}/webhook_subscriptions/{subscription_id}",
        success=NO_CONTENT,
        subdomain=ScopeNeed.NONE,
    ),
)


class WebhookSubscriptions(Resource):
    """Subscriptions of an endpoint to events."""

    __slots__ = ()

    def walk(
        self, endpoint_id: int, /, **filters: Unpack[WebhookSubscriptionFilters]
    ) -> "Walk[m.WebhookSubscription]":
        """Iterate over the subscriptions of one endpoint.

        ``GET /webhook_endpoints/{id}/webhook_subscriptions``

        In v3 a practice, given or bound by scope or session, narrows the list to its own and
        leaves out those that belong to none (``Onboarding``). v2 knows no such filter and lists
        all. The list is not paged.

        Raises:
            NotFoundError: The account has no endpoint with this id.
        """
        return self._client.walk(LIST, filters, endpoint_id)

    async def create(
        self, endpoint_id: int, /, **fields: Unpack[NewWebhookSubscription]
    ) -> "m.WebhookSubscription":
        """Subscribe an endpoint to an event of one practice.

        ``POST /webhook_endpoints/{id}/webhook_subscriptions``

        Deliveries keep the format of the API version that the session uses now, until the
        subscription is created again. The API accepts a second subscription to the same event and
        then delivers it twice, so walk first. ``Onboarding`` belongs to no practice, so in v3 the
        subdomain that a scope or the session binds is not sent for it.

        Raises:
            MissingScopeError: No practice is given or bound.
            InvalidArgumentError: A practice is given for ``Onboarding``.
            InvalidRequestError: The resource type has no such event.
            NotFoundError: The account has no endpoint with this id.
            OutcomeUnknownError: The response was lost. Creating is never retried automatically.
        """
        return await self._client.call(CREATE, fields, endpoint_id)

    async def update(
        self,
        endpoint_id: int,
        subscription_id: int,
        /,
        **fields: Unpack[WebhookSubscriptionChanges],
    ) -> "m.WebhookSubscription":
        """Switch a subscription on or off, or move it; fields that are not given stay.

        ``PATCH /webhook_endpoints/{id}/webhook_subscriptions/{subscription_id}``

        The API requires a practice even for subscriptions that belong to none; any of yours is
        accepted. After a move, the subscription is found only under the new endpoint's id. So a
        move that is repeated because its response was lost raises `NotFoundError` although it
        succeeded; check the new endpoint.

        Raises:
            MissingScopeError: No practice is given or bound.
            NotFoundError: The account has no endpoint or no subscription with these ids.
        """
        return await self._client.call(UPDATE, fields, endpoint_id, subscription_id)

    async def delete(self, endpoint_id: int, subscription_id: int, /) -> None:
        """Delete a subscription for good; its deliveries stop at once.

        ``DELETE /webhook_endpoints/{id}/webhook_subscriptions/{subscription_id}``

        Raises:
            NotFoundError: The account has no endpoint or no subscription with these ids.
        """
        await self._client.execute(DELETE, {}, endpoint_id, subscription_id)
