"""Errors as a reader sees them who has never seen the code."""

from __future__ import annotations

import re

import pytest

from nexhealth_async import NexHealthError, errors
from nexhealth_async.cli.error_messages import happened, sentence
from tests.errors.message_collection import APPROVED, collected, texts
from tests.errors.samples import samples

NEVER_RAISED = {"NexHealthError", "UsageError", "TransportError", "APIError", "BadReply"}
REMEDY = re.compile(
    r"\b(add|allow|ask|book|cancel|check|choose|close|give|go on|leave|make|must|needs|open|pass|"
    r"resume|search|set|start|tell|try|use|wait|walk|with on_bad_record|answer it|names|enables|"
    r"say|may be booked|write it)\b",
    re.IGNORECASE,
)
PYTHON = re.compile(r"\w=(?!\w*\.)|error\.|\bpass\b")
INNER = re.compile(r"\b(None|kwargs?|dict|Traceback|self|payload|idempot\w+|deserial\w+)\b")

SAMPLES = samples()
each_sample = pytest.mark.parametrize(
    "error", SAMPLES, ids=lambda one: type(one).__name__ if isinstance(one, NexHealthError) else ""
)


def test_what_is_said_is_what_was_approved() -> None:
    approved = APPROVED.read_text(encoding="utf-8")
    assert collected() == approved, "run `python -m tests.errors` and read the diff"


def test_every_class_has_a_sample() -> None:
    warning = {"NexHealthWarning"}
    shown = {type(error).__name__ for error in SAMPLES}
    assert shown == set(errors.__all__) - NEVER_RAISED - warning


@each_sample
def test_an_error_is_one_or_two_sentences_with_a_remedy(error: NexHealthError) -> None:
    text = str(error)
    assert "\n" not in text
    assert len(text) <= 320
    assert not text.endswith(("..", ";", ":", ",", " "))
    assert "  " not in text
    assert REMEDY.search(text.partition(": ")[2] if error.operation else text), text
    assert not INNER.search(text.replace("or None", ""))


@each_sample
def test_an_error_begins_with_its_operation_if_it_has_one(error: NexHealthError) -> None:
    text = str(error)
    if error.operation:
        assert re.match(r"(GET|POST|PATCH|DELETE) /[\w/{}]+: \S", text)
    else:
        assert re.match(r"[a-z\d]", text), text


@each_sample
def test_the_advice_is_said_once_and_last(error: NexHealthError) -> None:
    assert str(error).count(error.advice or str(error)) == 1
    assert str(error).endswith(error.advice)
    assert str(error) == "; ".join(filter(None, (happened(error), error.advice)))


@pytest.mark.parametrize(
    "name",
    ["ConnectFailed", "TimedOut", "KeyRefused", "VersionRefused", "RateLimited", "Invalid"],
)
def test_a_shell_is_told_nothing_of_pythons_arguments(name: str) -> None:
    found = [error for error in SAMPLES if type(error).__name__ == name]
    assert found
    for error in found:
        assert not PYTHON.search(sentence(error).removeprefix(str(error.operation)))


@pytest.mark.parametrize(("module", "text"), sorted(set(texts())))
def test_a_text_is_words_for_its_reader(module: str, text: str) -> None:
    assert module
    assert text == text.strip(" ")
    assert "\n" not in text or module.startswith("cli/")
    assert not text.endswith(("..", ";", ",", "!"))
    assert "  " not in text
    assert not INNER.search(re.sub(r"\{.*?\}|(or|be|pass) None", "", text)), text
    if module.startswith("cli/"):
        assert text[0].isupper() or text[0] in "{-`", text
    else:
        assert not re.match(r"[A-Z][a-z]+ (is|was|has|the|a) ", text), text
