"""Documents, insurance, clinical records, webhooks and onboardings."""

from __future__ import annotations

import aiohttp
import pytest

from tests.sandbox.raw_client import RawClient


def form(content: bytes, **fields: str) -> aiohttp.FormData:
    made = aiohttp.FormData(fields, quote_fields=False)
    made.add_field("file", content, filename="x-ray 1.png", content_type="image/png")
    return made


async def test_documents_are_returned_unchanged(wire: RawClient) -> None:
    content = bytes(range(256)) * 40 + b"\r\n--\r\n"
    kind = wire.sandbox.practice.document_types.ids[1]
    path = f"/patients/{wire.sandbox.patients.ids[0]}/documents"
    counts: list[int] = []
    for caller in (wire, wire.as_v3()):
        made = await caller.call("POST", path, form=form(content, document_type_id=str(kind)))
        assert made.status == 201
        assert made.data["filename"] == "x-ray 1.png"
        assert (made.data["type"], made.data["document_type_id"]) == ("image/png", kind)
        listed = await caller.get(path, scope="subdomain")
        assert listed.ids[-1] == made.data["id"]
        counts.append(listed.json["count"])
        file = await caller.get(made.data["url"], scope=None)
        assert (file.status, file.body) == (200, content)
        assert file.headers["Content-Type"] == "image/png"
        assert "x-ray 1.png" in file.headers["Content-Disposition"]
    assert counts == [1, 2]


async def test_invalid_documents_are_rejected(v3: RawClient) -> None:
    path = f"/patients/{v3.sandbox.patients.ids[0]}/documents"
    empty = aiohttp.FormData({"document_type_id": "1"}, default_to_multipart=True)
    assert (await v3.call("POST", path, form=empty)).status == 404
    assert (await v3.call("POST", "/patients/1/documents", form=form(b"x"))).status == 404
    assert (await v3.call("POST", path, json={"file": "x"})).status == 415
    nothing = aiohttp.FormData({"note": "x"}, default_to_multipart=True)
    assert (await v3.call("POST", path, form=nothing)).status == 400
    assert (await v3.get("/documents/1/download", scope=None)).status == 404


async def test_a_coverage_points_to_a_plan(v3: RawClient) -> None:
    patient_id = v3.sandbox.patients.ids[0]
    listed = await v3.get("/insurance_coverages", {"patient_id": patient_id}, scope="subdomain")
    (coverage,) = listed.rows
    plan = await v3.get(
        f"/insurance_plans/{coverage['plan_id']}",
        [("include[]", name) for name in ("patient_coverages", "subscribers", "fee_schedule")],
        scope="subdomain",
    )
    assert coverage["id"] in [one["id"] for one in plan.data["patient_coverages"]]
    assert patient_id in [one["id"] for one in plan.data["subscribers"]]
    single = await v3.get(f"/insurance_coverages/{coverage['id']}", scope="subdomain")
    assert single.data["subscriber"]["id"] == patient_id
    v3.sandbox.practice.insurance_coverages.update(coverage["id"], active=False)
    assert (await v3.get("/insurance_coverages", {"patient_id": patient_id})).rows == []
    query = {"patient_id": patient_id, "active": "false"}
    assert (await v3.get("/insurance_coverages", query)).ids == [coverage["id"]]


async def test_plans_in_both_versions(wire: RawClient) -> None:
    old = await wire.get("/insurance_plans", [("include[]", "patient_coverages")])
    assert old.json["count"] == 5
    assert old.rows[0]["patient_coverages"]
    assert "updated_at" not in old.rows[0]
    (new,) = await wire.as_v3().pages("/insurance_plans", {"sort": "updated_at"})
    assert sorted(new.ids) == old.ids
    payer = old.rows[2]["payer_id"]
    assert (await wire.get("/insurance_plans", {"payer_id": payer})).ids == old.ids[2:3]


async def test_treatment_plans_and_notes(v3: RawClient) -> None:
    plans = await v3.get("/treatment_plans", scope="subdomain")
    plan = plans.rows[0]
    (procedure,) = plan["procedures"]
    shown = (await v3.get(f"/procedures/{procedure['id']}", scope="subdomain")).data
    assert shown["treatment_plan_ids"] == [plan["id"]]
    assert isinstance(shown["body_site"]["tooth"], list)
    assert (await v3.get(f"/treatment_plans/{plan['id']}", scope="subdomain")).data == plan
    same = await v3.get("/treatment_plans", {"status": plan["status"], "per_page": 100})
    assert {row["status"] for row in same.rows} == {plan["status"]}
    notes = await v3.get("/clinical_notes", {"patient_id": plan["patient_id"]})
    assert {row["patient_id"] for row in notes.rows} == {plan["patient_id"]}
    early = await v3.get("/clinical_notes", {"entered_before": "2000-01-01"})
    assert early.rows == []


async def test_procedures_by_dates(v3: RawClient) -> None:
    query = {"started_after": "2026-01-01", "started_before": "2026-03-31", "per_page": 100}
    rows = (await v3.get("/procedures", query)).rows
    assert rows
    assert all("2026-01-01" <= row["start_date"] <= "2026-03-31" for row in rows)


async def test_recalls_and_documents_types(v3: RawClient) -> None:
    rows = (await v3.get("/patient_recalls", {"sort": "date_due", "per_page": 100})).rows
    assert [row["date_due"] for row in rows] == sorted(row["date_due"] for row in rows)
    assert rows[0]["recall_type"]["id"] == rows[0]["recall_id"]
    assert (await v3.get("/recall_types")).json["count"] == 2
    assert (await v3.get("/document_types")).json["count"] == 2


async def test_webhooks_are_created_updated_and_deleted(wire: RawClient) -> None:
    for caller in (wire, wire.as_v3()):
        made = await caller.call(
            "POST", "/webhook_endpoints", scope=None, json={"target_url": "https://example.com/x"}
        )
        assert made.status == 201
        assert made.data["secret_key"]
        path = f"/webhook_endpoints/{made.data['id']}"
        off = await caller.call("PATCH", path, scope=None, json={"active": False})
        assert off.data["active"] is False
        query = {"active": "false"}
        assert (await caller.get("/webhook_endpoints", query, scope=None)).ids == [made.data["id"]]
        body = {"resource_type": "Payment", "event": "payment_insertion"}
        one = await caller.call(
            "POST", f"{path}/webhook_subscriptions", scope="subdomain", json=body
        )
        assert one.status == 201
        assert "version" not in one.data
        pinned = wire.sandbox.world.webhook_subscriptions.row(one.data["id"])["version"]
        assert pinned == ("v2" if caller is wire else "v3")
        at = f"{path}/webhook_subscriptions/{one.data['id']}"
        stopped = await caller.call("PATCH", at, scope="subdomain", json={"active": False})
        assert stopped.data["active"] is False
        query = {"resource_type": "Payment"}
        listed = await caller.get(f"{path}/webhook_subscriptions", query, scope=None)
        assert listed.ids == [one.data["id"]]
        gone = await caller.call("DELETE", at, scope=None)
        assert (gone.status, gone.body) == (204, b"")
        assert (await caller.call("DELETE", at, scope=None)).status == 404
        assert (await caller.call("DELETE", path, scope=None)).status == 204
        assert (await caller.get("/webhook_endpoints", scope=None)).rows == []


@pytest.mark.parametrize(
    "wrong",
    [{}, {"resource_type": "Payment"}, {"resource_type": "Patient", "event": "payment_created"}],
)
async def test_invalid_subscriptions_are_rejected(v3: RawClient, wrong: dict[str, str]) -> None:
    made = await v3.call(
        "POST", "/webhook_endpoints", scope=None, json={"target_url": "https://example.com/x"}
    )
    path = f"/webhook_endpoints/{made.data['id']}/webhook_subscriptions"
    assert (await v3.call("POST", path, scope="subdomain", json=wrong)).status == 400
    plain = {"target_url": "http://example.com/x"}
    reply = await v3.call("POST", "/webhook_endpoints", scope=None, json=plain)
    assert reply.status == 400


async def test_onboardings(v3: RawClient) -> None:
    body = {"onboarding": {"institution_name": "One", "emr_name": "opendental"}}
    await v3.call("POST", "/onboardings", scope=None, json=body)
    made = await v3.call("POST", "/onboardings", scope=None, json=body)
    assert made.status == 201
    path = f"/onboardings/{made.data['id']}"
    assert (await v3.get(path, scope=None)).data["status"] == "in_progress"
    listed = await v3.get("/onboardings", {"status": "in_progress", "per_page": 1}, scope=None)
    assert listed.json["page_info"]["has_next_page"] is True
    v3.sandbox.sync()
    assert (await v3.get(path, scope=None)).data["status"] == "complete"
    assert (await v3.get("/onboardings/nothing", scope=None)).status == 404
    wrong = {"onboarding": {"institution_name": "X", "emr_name": "abacus"}}
    assert (await v3.call("POST", "/onboardings", scope=None, json=wrong)).status == 400
