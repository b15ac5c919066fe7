"""Error messages: short, with advice, and without the values that were passed."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import pytest

from nexhealth_async import NexHealth, NexHealthError, errors, normalize_phone
from nexhealth_async.cli.error_messages import as_sentence, describe_error
from nexhealth_async.webhooks import parse
from tests.errors.samples import samples

if TYPE_CHECKING:
    from datetime import datetime

NEVER_RAISED = {
    "NexHealthError",
    "UsageError",
    "APIConnectionError",
    "APIError",
    "InvalidResponseError",
}
SENTENCE_END = re.compile(r"[.!?] (?=[A-Z`])")
PYTHON = re.compile(r"\w=(?!\w*\.)|error\.|\bpass\b")

SAMPLES = samples()
each_sample = pytest.mark.parametrize(
    "error",
    SAMPLES,
    ids=lambda error: type(error).__name__ if isinstance(error, NexHealthError) else "",
)


def test_every_class_has_a_sample() -> None:
    warning = {"NexHealthWarning"}
    shown = {type(error).__name__ for error in SAMPLES}
    assert shown == set(errors.__all__) - NEVER_RAISED - warning


@each_sample
def test_a_message_is_one_or_two_sentences_on_one_line(error: NexHealthError) -> None:
    text = str(error)
    assert text.strip()
    assert "\n" not in text
    assert len(SENTENCE_END.findall(text)) <= 1


@each_sample
def test_a_message_begins_with_its_operation_or_with_advice(error: NexHealthError) -> None:
    text = str(error)
    if error.operation:
        assert text.startswith(f"{error.operation}: ")
    else:
        assert error.advice or re.search(r"; |\bmust\b", text)


@each_sample
def test_the_advice_comes_once_and_last(error: NexHealthError) -> None:
    assert str(error).count(error.advice or str(error)) == 1
    assert str(error).endswith(error.advice)
    assert str(error) == "; ".join(filter(None, (describe_error(error), error.advice)))


@pytest.mark.parametrize(
    "name",
    [
        "ConnectError",
        "APITimeoutError",
        "InvalidAPIKeyError",
        "VersionNotEnabledError",
        "RateLimitError",
        "InvalidRequestError",
    ],
)
def test_command_line_messages_do_not_mention_python_arguments(name: str) -> None:
    found = [error for error in SAMPLES if type(error).__name__ == name]
    assert found
    for error in found:
        assert not PYTHON.search(as_sentence(error).removeprefix(str(error.operation)))


VALUE = "Zq9-Secret"
NO_TIME = cast("datetime", VALUE)
LOCATION = NexHealth("key", version="v2").practice("demo-practice").location(7)
REFUSED: dict[str, Callable[[], object]] = {
    "base_url": lambda: NexHealth("key", base_url=f"ftp://{VALUE}"),
    "version": lambda: NexHealth("key", version=VALUE),
    "user_agent": lambda: NexHealth("key", user_agent=f"{VALUE}\n"),
    "subdomain": lambda: NexHealth("key").practice(VALUE),
    "phone_number": lambda: LOCATION.patients.walk(phone_number=VALUE),
    "after": lambda: LOCATION.patients.walk(after=VALUE),
    "start": lambda: LOCATION.appointments.walk(start=NO_TIME, end=NO_TIME),
    "normalize_phone": lambda: normalize_phone(VALUE),
    "parse": lambda: parse(f'"{VALUE}"'.encode()),
}


@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED)
def test_a_message_does_not_contain_argument_values(call: Callable[[], object]) -> None:
    with pytest.raises(NexHealthError) as caught:
        call()
    assert VALUE not in str(caught.value)
    assert VALUE not in as_sentence(caught.value)
    assert VALUE not in repr(caught.value)
