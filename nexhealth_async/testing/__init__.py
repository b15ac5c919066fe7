"""Helpers for tests of your own program: fake records, a sandbox in a thread, no backoff.

``make(Patient, first_name="Ada")`` and similar functions build records as the API would send them.
`SandboxThread` runs a sandbox beside an application of any framework. `set_testing` disables
backoff in a test suite. The fixtures of ``nexhealth_async.pytest_plugin`` use all three.
"""

from __future__ import annotations

from nexhealth_async._client.backoff_switch import is_testing, set_testing
from nexhealth_async.testing.factories import (
    Factory,
    make,
    make_appointment,
    make_appointment_type,
    make_free_slot,
    make_location,
    make_operatory,
    make_patient,
    make_procedure,
    make_provider,
)
from nexhealth_async.testing.sandbox_thread import SandboxThread

__all__ = [
    "Factory",
    "SandboxThread",
    "is_testing",
    "make",
    "make_appointment",
    "make_appointment_type",
    "make_free_slot",
    "make_location",
    "make_operatory",
    "make_patient",
    "make_procedure",
    "make_provider",
    "set_testing",
]
