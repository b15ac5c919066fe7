"""The pages for beginners run as written, and their tables match the code."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nexhealth_async import Codec, NexHealth, Rates, RetryPolicy, errors
from nexhealth_async._protocol.retry import GiveUp, ReportUnknown, Retry, decide
from nexhealth_async._protocol.token_life import Token
from nexhealth_async.cli.app import build_app
from nexhealth_async.cli.app import run as run_command
from nexhealth_async.models import Money, Patient, Payment, Provider
from tests.docs.conftest import accept_only
from tests.docs.pages import DOCS, as_module, blocks_of, code_of, run
from tests.redis_server import running_redis

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nexhealth_async import NexHealthError

PAGES = ("start", "tutorial", "tokens", "rates", "retries", "drift", "decoding", "privacy")
ACCOUNTS = {"start": ("v2", "v3"), "tutorial": ("v2", "v3"), "drift": ("v2+v3",)}
"""The versions that the account of a page accepts; other pages use v3 alone."""
TEXTS = {name: (DOCS / f"{name}.md").read_text(encoding="utf-8") for name in PAGES}


@pytest.fixture
def redis() -> Iterator[str]:
    with running_redis() as url:
        yield url


@pytest.fixture
def account(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make each sandbox accept the versions that are joined by "+"; unset the version variable."""
    versions: str = request.param
    accept_only(monkeypatch, versions.split("+"))
    return versions


@pytest.mark.nexhealth_sandbox(patients=1_000, seed=1)
@pytest.mark.usefixtures("account", "nexhealth_env", "nexhealth_no_backoff")
@pytest.mark.parametrize(
    ("name", "account"),
    [(name, account) for name in PAGES for account in ACCOUNTS.get(name, ("v3",))],
    indirect=["account"],
)
def test_a_page_runs_from_top_to_bottom_and_prints_its_output(
    name: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "REDIS_URL" in TEXTS[name]:
        monkeypatch.setenv("REDIS_URL", request.getfixturevalue("redis"))
    run(DOCS / f"{name}.md")


@pytest.mark.parametrize("account", ["v2", "v3"], indirect=True)
@pytest.mark.usefixtures("account")
def test_the_program_of_the_front_page_runs_for_accounts_of_either_version(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (program,) = blocks_of(DOCS / "index.md")
    exec(compile(program.code, "index.md", "exec"), {"__name__": "index"})  # noqa: S102 - our own page
    assert len(capsys.readouterr().out.splitlines()) == 901


@pytest.mark.parametrize("account", ["v2", "v3"], indirect=True)
@pytest.mark.usefixtures("account", "nexhealth_env")
def test_the_commands_of_the_start_page_run_for_accounts_of_either_version(
    capfd: pytest.CaptureFixture[str],
) -> None:
    lines = [line for _, _, text in code_of(DOCS / "start.md", "sh") for line in text.split("\n")]
    commands = [line for line in lines if line.startswith("nexhealth ")]
    assert len(commands) == 3
    for line in commands:
        words = shlex.split(line.removesuffix(" --sandbox"))  # the account instead of its own
        assert run_command(words[1:]) == 0, capfd.readouterr().err


@pytest.mark.timeout(300)
def test_the_blocks_of_every_page_are_correctly_typed(tmp_path: Path) -> None:
    if find_spec("mypy") is None:
        pytest.skip("mypy is not installed; it comes with the dependency group types")
    for name in PAGES:
        (tmp_path / f"page_{name}.py").write_text(as_module(DOCS / f"{name}.md"), "utf-8")
    done = subprocess.run(  # noqa: S603 - our own arguments
        [sys.executable, "-m", "mypy", *map(str, sorted(tmp_path.glob("*.py")))],
        cwd=DOCS.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", PAGES)
def test_every_shown_command_exists(name: str) -> None:
    lines = [line for _, _, text in code_of(DOCS / f"{name}.md", "sh") for line in text.split("\n")]
    for line in lines:
        if line.startswith("nexhealth "):
            build_app().parse_args(shlex.split(line)[1:], exit_on_error=False, print_error=False)


@pytest.mark.parametrize("name", PAGES)
def test_links_to_headings_are_valid(name: str) -> None:
    for file, anchor in re.findall(r"\]\(([\w./-]+\.md)?#([\w-]+)\)", TEXTS[name]):
        text = (DOCS / (file or f"{name}.md")).read_text(encoding="utf-8")
        headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        slugs = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
        assert anchor in slugs, file


def test_the_limits_match_the_code() -> None:
    limits = Rates()
    for kept in ("overall", "slow", "people", "other"):
        limit = getattr(limits, kept)
        unit = {1.0: "second", 60.0: "minute"}[limit.seconds]
        assert re.search(
            rf"^\| {limit.count:,} a {unit} \| .* \| `{kept}` \|$", TEXTS["rates"], re.MULTILINE
        )


def test_token_renewal_and_expiry_match_the_page() -> None:
    def token(lifetime: float) -> Token:
        return Token(value="invented", generation=1, requested_at=0.0, lifetime=lifetime)

    assert (token(3600).refresh_at, token(3600).expires_at) == (3600 - 5 * 60, 3600 - 10)
    assert token(25 * 60).refresh_at == 25 * 60 * 4 / 5
    assert token(20 * 60).refresh_at == 20 * 60 * 4 / 5
    assert token(200).expires_at == 200 * 19 / 20
    assert token(100).expires_at == 100 * 19 / 20


FAULTS: list[tuple[str, NexHealthError]] = [
    ("no connection came about: `ConnectError`", errors.ConnectError("")),
    ("429", errors.RateLimitError("")),
    ("the connection broke, or nothing came in time", errors.ConnectionLostError("")),
    ("the connection broke, or nothing came in time", errors.APITimeoutError("")),
    *(
        ("500, 502, 503, 504", errors.ServerError("", status=status))
        for status in (500, 502, 503, 504)
    ),
    ("another 5xx", errors.ServerError("", status=501)),
    ("a body that is no JSON, or cut short", errors.MalformedBodyError("", status=200)),
    ("a success in JSON that makes no sense", errors.UnexpectedStructureError("", status=200)),
    ("any other refusal: 400, 403, 404, `code: false`", errors.InvalidRequestError("", status=400)),
    ("any other refusal: 400, 403, 404, `code: false`", errors.NotFoundError("", status=404)),
]


@pytest.mark.parametrize(("what", "error"), FAULTS)
def test_the_retry_rules_match_the_code(what: str, error: NexHealthError) -> None:
    words = {Retry: "again", GiveUp: "the error", ReportUnknown: "`OutcomeUnknownError`"}
    (row,) = [line for line in TEXTS["retries"].split("\n") if line.startswith(f"| {what} |")]
    cells = [cell.strip() for cell in row.strip("|").split("|")][1:]
    for cell, safe in zip(cells, (True, False), strict=True):
        decision = decide(error, safe=safe, attempt=1, policy=RetryPolicy(), random_fraction=0.5)
        assert cell.startswith(words[type(decision)])


def test_the_retry_options_have_the_documented_defaults() -> None:
    policy = RetryPolicy()
    rows = re.findall(r"^\| (`retry\..*?) \| (.*?) \|", TEXTS["retries"], re.MULTILINE)
    documented = {
        name: float(value)
        for names, values in rows
        for name, value in zip(
            re.findall(r"retry\.(\w+)", names), re.findall(r"[0-9.]+", values), strict=True
        )
    }
    assert len(documented) == 6
    assert documented == {name: getattr(policy, name) for name in documented}


def test_every_creation_can_be_settled_as_the_page_says() -> None:
    page = TEXTS["retries"]
    unsafe = {
        endpoint.resource for endpoint in NexHealth("invented").endpoints() if not endpoint.safe
    }
    named = {
        one
        for one in unsafe
        if f"`{one}.create`" in page or one == "webhook_endpoints.subscriptions"
    }
    assert named == unsafe
    assert "`webhook_endpoints.create` and subscriptions" in page


REPAIRS: list[tuple[str, bytes, object]] = [
    ("`{}` or `[]`", b'"first_name": {}', None),
    ("`{}` or `[]`", b'"guarantor_id": []', None),
    ("blank text", b'"guarantor_id": " "', None),
    ("`12`", b'"first_name": 12', "12"),
    ('`"12"`, `12.0`', b'"guarantor_id": "12"', 12),
    ('`"12"`, `12.0`', b'"guarantor_id": 12.0', 12),
    ('`"true"`, `"false"`, `1`, `0`', b'"inactive": "true"', True),
    ('`"true"`, `"false"`, `1`, `0`', b'"inactive": 0', False),
    (
        "a timestamp in another spelling, or without a zone",
        b'"created_at": "2026-06-01 12:00:00"',
        datetime(2026, 6, 1, 12, tzinfo=UTC),
    ),
    ("a timestamp that nobody can read", b'"created_at": "soon"', None),
    ("`null` inside a list", b'"location_ids": [1, null]', (1,)),
]


@pytest.mark.parametrize(("documented", "sent", "read"), REPAIRS)
def test_the_repairs_match_the_page(documented: str, sent: bytes, read: object) -> None:
    assert f"\n| {documented} |" in TEXTS["decoding"]
    patient, repaired = Codec().decode(Patient, b'{"id": 1, %s}' % sent)
    name = sent.split(b'"')[1].decode()
    assert getattr(patient, name) == read
    assert len(repaired) == 1


def test_dates_money_and_lists_are_read_as_documented() -> None:
    codec = Codec()
    patient, _ = codec.decode(Patient, b'{"id": 1, "bio": {"date_of_birth": "1990-05-17T00:00Z"}}')
    assert patient.bio is not None
    assert patient.bio.date_of_birth == date(1990, 5, 17)
    payment, repaired = codec.decode(Payment, b'{"id": 1, "payment_amount": {"amount": "62.10"}}')
    assert payment.payment_amount == Money(amount=Decimal("62.10"), currency="")
    assert repaired == ("payment_amount.currency",)
    provider, _ = codec.decode(Provider, b'{"id": 1}')
    assert (provider.provider_requestables, provider.locations) == ((), None)
    for field, value in ((b"inactive", b'"yes"'), (b"balance", b'{"amount": "NaN"}')):
        with pytest.raises(errors.UndecodableRecordError):
            codec.decode(Patient, b'{"id": 1, "%s": %s}' % (field, value))
