"""Seeds with wide coverage, from which fuzzers start."""

from __future__ import annotations

from functools import cache

import msgspec

from nexhealth_async._protocol.operations import OperationSpec
from nexhealth_async.resources import ENDPOINTS, locations, patients
from tests.fuzz.findings import SENTINEL
from tests.models.model_samples import MODELS, SAMPLES

__all__ = ["BREAK", "ROWS", "chosen", "envelope", "records", "refusals"]

BREAK = b"\n--\n"
"""Separates the responses of one conversation."""

ROWS: tuple[OperationSpec, ...] = (
    *(row for row in (patients.LIST.v2, patients.LIST.v3) if row),
    *(row for row in (locations.LIST.v2, locations.LIST.v3) if row),
    *(row for endpoint in ENDPOINTS for row in (endpoint.v2, endpoint.v3) if row),
)
"""Every row of both versions, the ones with unusual shapes first."""


def chosen(at: int, payload: bytes) -> bytes:
    """Put a choice in front of a payload."""
    return bytes([at % 256]) + payload


def envelope(**members: object) -> bytes:
    return msgspec.json.encode({"code": True, "description": None, "error": None, **members})


@cache
def records() -> list[tuple[int, bytes]]:
    """Return each model's index and a record of it in the API's form, with the sentinel in it."""
    places = {model.__name__: at for at, model in enumerate(MODELS)}
    samples = [
        (places[name], text.replace("Abbi", SENTINEL).replace('"name":"', f'"name":"{SENTINEL} '))
        for name, text in SAMPLES
    ]
    known = {at for at, _ in samples}
    bare = [(at, '{"id":1}') for at in range(len(MODELS)) if at not in known]
    return [(at, text.encode()) for at, text in (*samples, *bare)]


def refusals() -> list[str]:
    """Return the API's known error sentences, each with personal data."""
    return [
        f"A patient named {SENTINEL} already exists - id=447355829",
        f"The time {SENTINEL} chose is no longer available",
        f"{SENTINEL} was already cancelled",
        f"{SENTINEL} is not synced with the PMS",
        f"{SENTINEL} is not supported",
        f"Note that following parameters are ignored: per_page, {SENTINEL}.",
        f"API version 'v2' is below the minimum allowed, {SENTINEL}",
    ]
