"""Records in the API's form (invented people), and factories of model objects."""

from __future__ import annotations

import types
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Union, cast, get_args, get_origin

import attrs
from hypothesis import strategies as st

from nexhealth_async import models
from nexhealth_async.codec import resolve_annotations
from nexhealth_async.models import Record

__all__ = [
    "MODELS",
    "NO_SLOTS",
    "OLD_CHARGE",
    "PATIENT",
    "SAMPLES",
    "SLOTS",
    "STANDS_FOR",
    "filled",
    "instances",
]

MODELS: list[type[Record]] = [
    found
    for name in models.__all__
    if isinstance(found := getattr(models, name, None), type)
    and issubclass(found, Record)
    and found is not Record
]

PATIENT = """{"id":442745156,"email":"abbi@example.com","first_name":"Abbi","middle_name":null,
"last_name":"G","name":"Abbi G","created_at":"2026-01-10T20:59:37.800Z",
"updated_at":"2026-01-10T20:59:37.800Z","institution_id":19089,
"foreign_id":"7807e718-3914-4bdb-b449-c3c6448c64ef",
"foreign_id_type":"remote_db-dentrix-DataSource-30704",
"bio":{"gender":"Female","phone_number":"5550100123","date_of_birth":"1978-12-27",
"verified_mobile":"5550100123"},"inactive":false,"last_sync_time":null,"guarantor_id":null,
"unsubscribe_sms":true,"balance":{"amount":"0.00","currency":"USD"},"billing_type":null,
"chart_id":null,"preferred_language":null,"preferred_locale":null,"location_ids":[339273],
"provider_id":null}"""

APPOINTMENT = """{"id":1232026135,"patient_id":447355829,"provider_id":442745132,
"provider_name":"Jonas Salk","start_time":"2026-01-28T14:00:00.000Z","confirmed":false,
"patient_missed":false,"created_at":"2026-01-26T23:55:01.512Z",
"updated_at":"2026-01-26T23:55:01.512Z","note":null,"end_time":"2026-01-28T14:15:00.000Z",
"unavailable":false,"cancelled":false,"timezone":"America/New_York","institution_id":19089,
"appointment_type_id":null,"checkin_at":null,"location_id":339273,"foreign_id":null,
"foreign_id_type":"nex","misc":{"is_booked_on_nexhealth":true,"booked_by_api_user_id":2619},
"last_sync_time":null,"patient_confirmed":false,"created_by_user_id":447355829,"is_guardian":false,
"patient_confirmed_at":null,"cancelled_at":null,"is_new_clients_patient":null,"confirmed_at":null,
"sooner_if_possible":false,"operatory_id":226562,"deleted":false,"checked_out":false,
"checked_out_at":null,"referrer":null,"is_past_patient":false,"timezone_offset":"-05:00"}"""

PROVIDER = """{"id":442745132,"email":"p@example.com","first_name":"Jonas","middle_name":null,
"last_name":"Salk","name":"Jonas Salk","created_at":"2026-01-10T20:59:39.907Z",
"updated_at":"2026-01-10T20:59:39.907Z","institution_id":19089,
"foreign_id":"5855eeb3-0598-491c-a8bd-98b722542a75",
"foreign_id_type":"remote_db-dentrix-DataSource-30704","bio":{},"inactive":false,
"last_sync_time":null,"display_name":null,"npi":"6068239114","tin":null,"state_license":null,
"specialty_code":null,"nexhealth_specialty":"Dentist","profile_url":"https://example.com/a.svg",
"locations":[{"id":339273,"name":"Green River Dental"}],
"provider_requestables":[{"location_id":339273}]}"""

LOCATION = """{"id":339273,"name":"Green River Dental","institution_id":19089,
"street_address":"428 Broadway","street_address_2":null,"city":"New York","state":"NY",
"zip_code":"10013","country_code":null,"created_at":"2026-01-10T20:59:38.421Z",
"updated_at":"2026-01-10T21:00:19.846Z","latitude":-39.5,"longitude":-69.0,
"phone_number":"2222222222","foreign_id":"0","foreign_id_type":"remote_db-dentrix-DataSource-30704",
"email":"x@example.com","tz":"America/New_York","last_sync_time":null,"insert_appt_client":true,
"map_by_operatory":true,"appt_types_map_by_operatory":false,"set_availability_by_operatory":false,
"inactive":false,"wlogo":"/missing.png","weight":1}"""

SLOTS = """{"lid":339273,"pid":442745132,"slots":[{"time":"2026-01-28T09:00:00.000-05:00",
"end_time":"2026-01-28T09:15:00.000-05:00","operatory_id":226562}]}"""

NO_SLOTS = '{"lid":339273,"pid":442745132,"slots":[],"next_available_date":"2026-02-03"}'

TYPE = """{"id":1,"name":"Medical","parent_type":"Institution","parent_id":1,"minutes":15,
"bookable_online":false}"""

MONEY = '{"amount":"62.00","currency":"USD"}'

ENTRY = """"id":5,"foreign_id":"9-1","patient_id":7,"updated_at":"2026-01-10T20:59:37Z",
"description":null,"deleted_at":null,"""

DESCRIPTOR = """{"id":9,"descriptor_type":"Procedure Codes","name":"Exam","code":"D0120",
"location_id":1,"foreign_id":"94","foreign_id_type":"x","data":{"depth":{"list":[1,2.5,null]}},
"active":true,"last_sync_time":null}"""

HOURS = """{"id":12,"provider_id":7,"location_id":3,"operatory_id":null,"begin_time":"10:30",
"end_time":"17:00","days":null,"specific_date":null,"custom_recurrence":{"num":3,"unit":"week",
"ref":"2026-01-05"},"tz_offset":"-0700","active":true,"synced":false,"appointment_types":[]}"""

PROCEDURE = f"""{{"id":11,"patient_id":7,"code":"D6100","name":"Implant removal","status":"planned",
"updated_at":"2026-01-10T20:59:37.007Z","body_site":{{"tooth":"14","surface":"MOD"}},"fee":{MONEY},
"start_date":"2026-01-28","end_date":null}}"""

COVERAGE = """{"id":18,"subscription_relation":"self","patient_id":25,"priority":0,"plan_id":18,
"subscriber_num":"000123","effective_date":"2026-01-01","expiration_date":null,
"plan":{"id":18,"payer_id":"00005","name":"Plan","address":"1 Elm St","address2":null,"city":"Ames",
"state":"IA","zip_code":"50010","country_code":"US","group_num":"7","employer_name":"Acme"},
"subscriber":{"id":415,"name":"Ida Moss","date_of_birth":"1990-06-05"}}"""

PAYOUT = f"""{{"amount_billed_to_insurance":{MONEY},"estimated_insurance_payment":{MONEY},
"insurance_payment":null,"write_off":{MONEY},"allowed_amount":{MONEY},
"fee_schedule_procedure_code":{{"procedure_code_id":"ab123456-11aa-99ff-a111-d1ee12345678",
"fee":{MONEY},"code":"D0120","id":113,"location_id":10,"fee_schedule_id":1234,
"updated_at":"2026-01-10T20:59:37.007Z"}}"""

TOTALS = f"""{{"amount_billed_to_insurance":{MONEY},"estimated_insurance_payment":{MONEY},
"insurance_payment":{MONEY},"write_off":null}}"""

CLAIM = f"""{{"id":10,"location_id":1,"patient_id":1002,"provider_id":101,"guarantor_id":1001,
"status":"canceled","received_at":null,"sent_at":"2026-01-03T11:23:12.000Z","note":null,
"primary_insurance_plan_id":10021,"secondary_insurance_plan_id":null,
"date_of_service":"2026-01-03","totals":{TOTALS},"updated_at":"2026-01-10T20:59:37.007Z",
"deleted_at":null}}"""

OLD_CLAIM = f"""{{"id":10,"subscription_id":10021,"status":"approved","finalized_at":null,
"sent_at":"2026-01-03T11:23:12.000Z","note":"n","payment_estimate_total":{MONEY},
"write_off_estimate_total":null,"write_off_total":{MONEY},"deleted_at":null}}"""

OLD_CHARGE = f"""{{{ENTRY}"fee":{MONEY},"charged_at":"2026-01-05","procedure_id":"NHP:JXZEQ1234",
"claim_ids":[2222,3333],"payment_estimate_total":{MONEY},"write_off_estimate_total":{MONEY},
"write_off_total":null}}"""

RECALL = """{"id":1,"appointment_id":null,"date_due":"2026-08-15","foreign_id":"1",
"foreign_id_type":"msg-mdland-Institution-3","recall_id":1,"recall_type":{"id":1,"name":"PROPHY",
"description":"d","interval_num":8,"interval_unit":"M"},"patient_id":1,
"created_at":"2019-09-13T15:11:28Z","updated_at":"2019-09-13T15:11:28Z"}"""

AGES = ("under_30", "31_60", "61_90", "over_90")

SCHEDULING_GUIDE_PATIENT = """{"id":2001,"email":"ida@example.com","first_name":"Ida",
"last_name":"Moss","bio":{"phone_number":"5550100124","date_of_birth":"1990-06-05"},
"inst_ids":[[1,2]],"prov_ids":[[504]],"invalid_email":[[""]],"last_sync":true,"config":{},
"unsubscribe_emails":false,"last_import_id":null}"""
"""The forms printed in the vendor's scheduling guide."""

OTHER_CLIENTS_PATIENT = """{"id":2002,"email_unsubscribed_at":"2026-03-01T09:00:00.000Z",
"sms_unsubscribed_at":null,"unsubscribed_at":null,"bio":{"email":"ida@example.com",
"first_name":"Ida","last_name":"Moss","middle_name":"","preferred_language":"en",
"previous_foreign_id":"77","gender":"Female"}}"""

CONTRADICTORY_APPOINTMENT = """{"id":3001,"start_time":"2026-03-02T15:00:00.000Z",
"end_time":"2026-03-02T15:30:00.000Z","timezone":"America/Chicago","timezone_offset":"-04:00",
"foreign_id":"8812","foreign_id_type":"remote_db-eaglesoft-DataSource-12","cancelled":false}"""
"""Zone and offset as recorded from an Eaglesoft practice."""

OPEN_DENTAL_DESCRIPTORS = (
    """{"id":9001,"descriptor_type":"Procedure Codes","name":"Periodic exam","code":"D0120",
"location_id":1,"foreign_id":"94","foreign_id_type":"msg-opendental-DataSource-1",
"data":{"ProcCat":"Diagnostic","IsHygiene":"false","IsHidden":"false"},"active":true}""",
    """{"id":9002,"descriptor_type":"Procedure Codes","name":"Invalid code","code":"~BAD~",
"data":{"ProcCat":"Obsolete","IsHygiene":"false","IsHidden":"true"},"active":false}""",
    """{"id":9003,"descriptor_type":"Procedure Codes","name":"Extraction","code":"D7140.1",
"data":{"ProcCat":"Oral Surgery","IsHygiene":"false","IsHidden":"false"},"active":true}""",
    """{"id":"OD-17","descriptor_type":"Opendental Appointment Types","name":"Hygiene recall",
"code":null,"data":{},"active":true}""",
)

SAMPLES: list[tuple[str, str]] = [
    ("Patient", PATIENT),
    (
        "Patient",
        f"""{{"id":1,"bio":{{}},"upcoming_appts":[{{"id":2,"start_time":"2026-01-28T14:00:00Z",
        "confirmed":true}}],"last_visited_appointment":null,"procedures":[{PROCEDURE}],
        "insurance_coverages":[{COVERAGE}],"charges":[{{{ENTRY}"fee":{MONEY},
        "charged_at":"2026-01-01"}}],"payments":[{{{ENTRY}"payment_amount":{{"amount":"-5.10",
        "currency":"USD"}}}}],"adjustments":[],"patient_alerts":[{{"id":4,"note":"n",
        "disabled_at":null}}],"children":[{PATIENT}],"guarantor":{PATIENT},"provider":{PROVIDER},
        "address":{{"line_1":"1 Elm St","region":"IA"}}}}""",
    ),
    ("Appointment", APPOINTMENT),
    (
        "Appointment",
        f"""{{"id":1,"patient":{PATIENT},"descriptors":[{DESCRIPTOR}],"procedures":[],
        "booking_details":{{"campaign_type":"recall","campaign_id":"9","booked_via_one_click":true}},
        "operatory":{{"id":2,"name":"op1","appt_categories":[{TYPE}]}},
        "appointment_type":{TYPE}}}""",
    ),
    ("Provider", PROVIDER),
    ("Location", LOCATION),
    ("SlotGroup", SLOTS),
    ("SlotGroup", NO_SLOTS),
    ("AppointmentType", TYPE),
    ("AppointmentDescriptor", DESCRIPTOR),
    ("WorkingHours", HOURS),
    (
        "WorkingHours",
        """{"id":12,"days":["Monday"],"source":"manual","custom_recurrence":null,
        "label":{"id":1,"location_id":2,"name":"New"}}""",
    ),
    ("Procedure", PROCEDURE),
    ("Procedure", '{"id":11,"body_site":{"tooth":["3","14"]},"fee":null}'),
    ("InsuranceCoverage", COVERAGE),
    (
        "Institution",
        """{"id":1,"name":"General","subdomain":"demo","emrs":["dentrix","curve2"],
        "country_code":"US","locations":[{"id":7,"name":"Main","inactive":false}]}""",
    ),
    (
        "Operatory",
        f"""{{"id":4294967296,"name":"op1","foreign_id":"1","location_id":4,"active":true,
        "appointment_types":[{TYPE}],"rel_ids":{{"1,Location,location_id":"1"}}}}""",
    ),
    (
        "SyncStatus",
        """{"institution_id":1,"sync_source_type":"DataSource","sync_source_name":"S",
        "emr":{"id":11,"name":"dentrix","type":"onprem"},"read_status":"green",
        "read_status_at":"2026-01-10T20:59:37.007Z","write_status":"red","write_status_at":null,
        "locations":[{"id":7}]}""",
    ),
    ("PatientRecall", RECALL),
    (
        "RecallType",
        """{"id":1,"name":"PROPHY","description":null,"foreign_id":"1","foreign_id_type":"x",
        "interval_num":null,"interval_unit":null,"location_id":1,
        "created_at":"2019-09-13T15:11:28Z","updated_at":"2019-09-13T15:11:28Z"}""",
    ),
    (
        "TreatmentPlan",
        f"""{{"id":423,"name":null,"patient_id":115,"updated_at":"2026-01-10T20:59:37Z",
        "status":"proposed","procedures":[{PROCEDURE}]}}""",
    ),
    (
        "ClinicalNote",
        """{"id":113,"patient_id":115,"procedure_id":null,"entered_at":"2026-01-01T00:00:00Z",
        "content":"c","signed":null,"completed":true,"updated_at":"2026-01-10T20:59:37Z"}""",
    ),
    ("Procedure", '{"id":11,"treatment_plan_ids":[42,57]}'),
    (
        "Document",
        """{"id":18,"filename":"xray.pdf","type":"application/pdf","url":"/documents/18/download",
        "created_at":"2026-01-10T20:59:37Z","document_type_id":null}""",
    ),
    ("DocumentType", '{"id":1,"name":"Health History","active":true}'),
    (
        "StaffMember",
        """{"id":1,"email":"staff@example.com","first_name":"Ida","last_name":"Moss",
        "created_at":"2026-01-10T20:59:37Z","updated_at":"2026-01-10T20:59:37Z",
        "patientable":false,"inst_ids":[1,2],"unsubscribe_emails":true,"inactive":false,
        "unsubscribe_sms":true,"location_ids":[]}""",
    ),
    (
        "Patient",
        """{"id":1,"hipaa":{"authorization":true,"authorization_date":"2023-03-22",
        "privacy":false,"privacy_date":null,"consent":null,"consent_date":null}}""",
    ),
    ("Patient", '{"id":1,"hipaa":null}'),
    (
        "Onboarding",
        """{"id":"y2wxl82zldm4","created_at":"2026-01-01T00:00:00Z","subdomain":null,
        "url":"https://app.example.com/onboardings/y2wxl82zldm4",
        "url_expires_at":"2026-02-01T00:00:00Z","status":"in_progress",
        "booking_params":{"location_id":105,"appointment_type_ids":[19,20]},
        "availability_ready_at":null}""",
    ),
    ("Onboarding", '{"id":"5","booking_params":null}'),
    (
        "Charge",
        f"""{{{ENTRY}"procedure_id":34,"procedure_code":"D0120","fee":{MONEY},"charged_at":null,
        "claim_payouts":[{PAYOUT},"claim_id":1234}}],"claims":[{CLAIM}],"totals":{TOTALS},
        "patient":{PATIENT},"provider":{PROVIDER},"guarantor":null,"procedure":{PROCEDURE}}}""",
    ),
    ("Charge", OLD_CHARGE),
    (
        "Charge",
        f"""{{"id":5,"value":{MONEY},"patient_id":7,"date":"2026-01-05","notes":null,
        "procedure":null}}""",
    ),
    (
        "Payment",
        f"""{{{ENTRY}"payment_amount":{MONEY},"paid_at":"2026-01-05","transaction_id":"NHP:1",
        "payment_plan_id":3,"claim":{OLD_CLAIM},"charge":{OLD_CHARGE},"payment_plan":{{"id":3,
        "first_payment_due_date":"2026-01-05","created_date":"2026-01-01"}},
        "payment_type":{{"id":5,"name":"Cash","active":true,"updated_at":"2026-01-05T09:00:00Z"}},
        "patient":{PATIENT}}}""",
    ),
    (
        "Adjustment",
        f"""{{{ENTRY}"adjustment_amount":{MONEY},"adjusted_at":null,"claim":{OLD_CLAIM},
        "charge":{OLD_CHARGE},"adjustment_type":{{"id":5,"name":"Staff","active":true,
        "action":"credit","updated_at":"2026-01-05T09:00:00Z"}}}}""",
    ),
    (
        "Adjustment",
        f"""{{"id":5,"value":{MONEY},"procedure_id":34,"date":"2026-01-05","notes":"n",
        "directionality":"credit"}}""",
    ),
    (
        "PaymentPlan",
        f"""{{"id":113,"patient_id":115,"guarantor_id":115,"active":true,
        "first_payment_due_date":null,"created_date":"2026-01-05","guarantor":{PATIENT}}}""",
    ),
    ("Claim", CLAIM),
    (
        "Claim",
        f"""{{"id":10,"patient":{PATIENT},"provider":{PROVIDER},"guarantor":{PATIENT},
        "charge_payouts":[{PAYOUT},"charge_id":1234}}],"charges":[{OLD_CHARGE}]}}""",
    ),
    (
        "GuarantorBalance",
        f"""{{"id":113,"foreign_id":"1","guarantor_id":115,"write_off_estimate":null,
        "total_balance":{MONEY},"guarantor_portion":{MONEY},"guarantor":{PATIENT},
        {",".join(f'"total_balance_{age}":{MONEY}' for age in AGES)}}}""",
    ),
    (
        "InsuranceBalance",
        f"""{{"id":113,"patient_id":115,
        {",".join(f'"estimated_amount_{age}":{MONEY},"billed_amount_{age}":null' for age in AGES)}
        }}""",
    ),
    (
        "FeeSchedule",
        f"""{{"id":113,"name":"Cash","active":null,"location_id":null,
        "updated_at":"2026-01-05T09:00:00Z","procedure_fees":[{{"procedure_code_id":null,
        "fee":{MONEY},"code":"D0120"}}]}}""",
    ),
    ("FeeScheduleProcedure", f'{{"id":113,"fee_schedule_id":1234,"fee":{MONEY},"code":"D0120"}}'),
    (
        "InsurancePlan",
        f"""{{"id":18,"name":"Plan","address":"1 Elm St","updated_at":"2026-01-05T09:00:00Z",
        "deleted_at":null,"patient_coverages":[{COVERAGE}],"subscribers":[{{"id":415,
        "name":"Ida Moss","date_of_birth":null}}],"fee_schedule":{{"id":113,"name":"Cash"}}}}""",
    ),
    (
        "WebhookEndpoint",
        """{"id":1,"target_url":"https://example.com/hook","secret_key":"s","active":true,
        "created_at":"2026-01-05T09:00:00Z","updated_at":"2026-01-05T09:00:00Z"}""",
    ),
    (
        "PatientAlert",
        """{"id":10,"patient_id":101,"note":"Is late on payment","disabled_at":null,
        "created_at":"2026-01-05T09:00:00Z","updated_at":"2026-01-05T09:00:00Z"}""",
    ),
    ("WorkingHoursLabel", '{"id":113,"location_id":null,"name":"New patients"}'),
    (
        "PaymentType",
        '{"id":113,"name":"Cash","active":true,"updated_at":"2026-01-05T09:00:00Z"}',
    ),
    (
        "AdjustmentType",
        """{"id":113,"name":"Staff","active":true,"action":"unknown",
        "updated_at":"2026-01-05T09:00:00Z"}""",
    ),
    (
        "WebhookSubscription",
        """{"id":1,"webhook_endpoint_id":1,"institution_id":null,"resource_type":"Appointment",
        "event":"appointment_insertion","active":true,"created_at":"2026-01-05T09:00:00Z",
        "updated_at":"2026-01-05T09:00:00Z"}""",
    ),
    ("Patient", SCHEDULING_GUIDE_PATIENT),
    ("Patient", OTHER_CLIENTS_PATIENT),
    ("Appointment", CONTRADICTORY_APPOINTMENT),
    *(("AppointmentDescriptor", descriptor) for descriptor in OPEN_DENTAL_DESCRIPTORS),
    (
        "Charge",
        f"""{{"id":5,"value":{MONEY},"patient_id":7,"date":"2026-01-05","accountable_id":12,
        "accountable_type":"Procedure","directionality":"debit"}}""",
    ),
    (
        "Claim",
        """{"id":10,"status":"paid","totals":{"insurance_payment":{"amount":"-62.00",
        "currency":"USD"}}}""",
    ),
]

STANDS_FOR: dict[str, tuple[str, ...]] = {
    "Insurance_EhrPlan": ("InsurancePlan",),
    "V20240412_Insurance_EhrPlanWithIncludes": ("InsurancePlan",),
    "V2_Insurance_EhrPlanWithIncludes": ("InsurancePlan",),
    "V2_Insurance_PatientCoverage": ("InsuranceCoverage",),
    "V2_Insurance_PatientCoverageForIndividual": ("InsuranceCoverage",),
    "V20240412_Insurance_PatientCoverage": ("InsuranceCoverage",),
    "V20240412_Insurance_PatientCoverageDetailed": ("InsuranceCoverage",),
    "V2_Insurance_Subscriber": ("Subscriber",),
    "V2_Ledger_Insurance_ClaimBasic": ("Claim",),
    "V20240412_Ledger_Insurance_Claim": ("Claim",),
    "V20240412_Ledger_Insurance_ClaimBasic": ("Claim",),
    "V20240412_Ledger_Insurance_ClaimBasicWithDelete": ("Claim",),
    "V20240412_Ledger_Insurance_ClaimPayout": ("ClaimPayout",),
    "V20240412_Ledger_ChargePayout": ("ClaimPayout",),
    "V20240412_Ledger_ChargeClaimTotals": ("ClaimTotals",),
    "V20240412_Ledger_InsuranceBalance": ("InsuranceBalance",),
    "V20240412_Ledger_Adjustment": ("Adjustment",),
    "V20240412_Ledger_AdjustmentWithIncludes": ("Adjustment",),
    "V2_Ledger_Adjustment": ("Adjustment",),
    "V2_Ledger_AdjustmentBasic": ("Adjustment",),
    "V20240412_Ledger_AdjustmentType": ("AdjustmentType",),
    "V20240412_Ledger_Charge": ("Charge",),
    "V20240412_Ledger_ChargeBasic": ("Charge",),
    "V20240412_Ledger_ChargeBasicWithDelete": ("Charge",),
    "V20240412_Ledger_ChargeWithClaimPayouts": ("Charge",),
    "V2_Patient_Ledger_Charge": ("Charge",),
    "V2_Ledger_Charge": ("Charge",),
    "V2_Ledger_ChargeBasic": ("Charge",),
    "V20240412_Ledger_Payment": ("Payment",),
    "V20240412_Ledger_PaymentWithIncludes": ("Payment",),
    "V2_Ledger_Payment": ("Payment",),
    "V2_Ledger_PaymentBasic": ("Payment",),
    "V20240412_Ledger_PaymentType": ("PaymentType",),
    "V20240412_Ledger_GuarantorBalance": ("GuarantorBalance",),
    "V20240412_Ledger_GuarantorBalanceDetailed": ("GuarantorBalance",),
    "V2_PaymentPlan": ("PaymentPlan",),
    "V2_PaymentPlanDetailed": ("PaymentPlan",),
    "FeeSchedule": ("FeeSchedule",),
    "V20240412_FeeSchedule": ("FeeSchedule",),
    "V20240412_FeeScheduleProcedureCode": ("FeeScheduleProcedure",),
    "V20240412_FeeScheduleProcedureCodeBasic": ("FeeScheduleProcedure",),
    "V2_Price": ("Money",),
    "V2_PatientBasic": ("Patient",),
    "V2_PatientDetailed": ("Patient",),
    "V2_PatientDetailedWithoutIncludes": ("Patient",),
    "V2_PatientWithGuarantor": ("Patient",),
    "V20240412_PatientBasic": ("Patient",),
    "V20240412_PatientDetailed": ("Patient",),
    "V20240412_PatientWithPrivacyAuthorization": ("Patient",),
    "V2_User": ("Patient", "Provider"),
    "V2_PatientAddress": ("PatientAddress",),
    "V2_PatientAlert": ("PatientAlert",),
    "V2_PatientDocument": ("Document",),
    "V2_DocumentType": ("DocumentType",),
    "V2_PrivacyAuthorization": ("PrivacyAuthorization",),
    "V2_Staff": ("StaffMember",),
    "V2_Provider": ("Provider",),
    "V20240412_ProviderWithResources": ("Provider",),
    "V2_ProviderRequestable": ("ProviderRequestable",),
    "V2_Appointment": ("Appointment",),
    "V2_AppointmentWithoutIncludes": ("Appointment",),
    "V2_AppointmentBasic": ("UpcomingAppointment",),
    "V2_Appointment_OnlineBookingDetail": ("BookingDetails",),
    "V2_AppointmentTypeBasic": ("AppointmentType",),
    "V2_AppointmentTypeWithResources": ("AppointmentType",),
    "V2_EmrApptDescriptor": ("AppointmentDescriptor",),
    "V20240412_AvailableSlot": ("Slot",),
    "V20240412_AvailableSlotResponse": ("SlotGroup",),
    "V20240412_WorkingHour": ("WorkingHours",),
    "V20240412_WorkingHourBasic": ("WorkingHours",),
    "V20240412_WorkingHourWithAppointmentTypes": ("WorkingHours",),
    "V20240412_WorkingHourLabel": ("WorkingHoursLabel",),
    "V2_Procedure": ("Procedure",),
    "V20240412_Procedure": ("Procedure",),
    "V2_ProcedureBodySite": ("BodySite",),
    "V20240412_TreatmentPlan": ("TreatmentPlan",),
    "V20240412_ClinicalNote": ("ClinicalNote",),
    "V2_PatientRecall": ("PatientRecall",),
    "V2_PatientRecallType": ("RecallType",),
    "V2_RecallType": ("RecallType",),
    "V2_Institution": ("Institution",),
    "V2_InstitutionBasicWithLocations": ("Institution",),
    "Location": ("Location",),
    "LocationBasic": ("Location",),
    "V2_Location": ("Location",),
    "Specialty": ("Specialty",),
    "V2_OperatoryBasic": ("Operatory",),
    "V2_OperatoryWithResources": ("Operatory",),
    "V2_Emr": ("Emr",),
    "V2_SyncStatus": ("SyncStatus",),
    "V20240412_Api_Onboarding": ("Onboarding",),
    "V2_WebhookEndpoint": ("WebhookEndpoint",),
    "V2_WebhookSubscription": ("WebhookSubscription",),
}
"""Published schemas, by their names in `known_differences`, and their models."""

_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)
_SIMPLE: dict[object, st.SearchStrategy[object]] = {
    str: st.text(max_size=8),
    int: st.integers(-(2**63), 2**64 - 1),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    date: st.dates(),
    datetime: st.datetimes(
        timezones=st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))
    ),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False),
}


def instances(model: type[Record], depth: int = 2) -> st.SearchStrategy[Record]:
    """Make objects of a model, with any of its fields left out."""
    return _instances(model.__name__, depth)


@cache
def _instances(name: str, depth: int) -> st.SearchStrategy[Record]:
    model: type[Record] = getattr(models, name)
    resolve_annotations(model)
    needed: dict[str, st.SearchStrategy[object]] = {}
    optional: dict[str, st.SearchStrategy[object]] = {}
    for attribute in attrs.fields(cast("type[attrs.AttrsInstance]", model)):
        among = needed if attribute.default is attrs.NOTHING else optional
        among[attribute.name] = _values(attribute.type, depth)
    return st.fixed_dictionaries(needed, optional=optional).map(lambda made: model(**made))


def _values(kind: object, depth: int) -> st.SearchStrategy[object]:
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    if kind is types.NoneType:
        return st.none()
    if kind is Any:
        return _JSON
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _values(args[0], depth)
    if origin in {Union, types.UnionType}:
        return st.one_of(*(_values(part, depth) for part in args))
    if origin is tuple:
        many = st.lists(_values(args[0], depth), max_size=2 if depth else 0)
        return many.map(tuple)
    if origin is dict:
        return st.dictionaries(st.text(max_size=4), _JSON, max_size=2)
    model = cast("type[Record]", kind)
    if depth:
        return st.deferred(lambda: instances(model, depth - 1))
    return st.builds(_smallest, st.just(model))


def _smallest(model: type[Record]) -> Record:
    made: Record = filled(model, depth=0)
    return made


def filled(model: type[Record], *, depth: int = 2) -> Any:
    """Make an object with every field set: texts ``sentinel-<field>``, numbers 5."""
    resolve_annotations(model)
    made: dict[str, object] = {}
    for attribute in attrs.fields(cast("type[attrs.AttrsInstance]", model)):
        if depth or attribute.default is attrs.NOTHING:
            made[attribute.name] = _sentinel(attribute.type, attribute.name, depth)
    return model(**made)


def _sentinel(kind: object, name: str, depth: int) -> object:
    simple: dict[object, object] = {
        str: f"sentinel-{name}",
        int: 5,
        float: 5.5,
        bool: True,
        date: date(1911, 11, 11),
        datetime: datetime(1911, 11, 11, tzinfo=timezone.utc),  # noqa: UP017 - as the rest here
        Decimal: Decimal("1911.11"),
    }
    if kind in simple:
        return simple[kind]
    origin, args = get_origin(kind), get_args(kind)
    if origin in {Annotated, Union, types.UnionType}:
        return _sentinel(args[0], name, depth)
    if origin is tuple:
        return (_sentinel(args[0], name, depth),)
    if origin is dict or kind is Any:
        return {f"sentinel-{name}": f"sentinel-{name}"}
    return filled(cast("type[Record]", kind), depth=max(depth - 1, 0))
