"""The pytest fixtures, in a pytest of their own."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest_plugins = ["pytester"]

MARKED = """
    import pytest

    {mark}
    @pytest.mark.nexhealth_sandbox(patients=7, seed=3)
    async def test_box(nexhealth_sandbox):
        assert len(nexhealth_sandbox.patients) == 7
        assert nexhealth_sandbox.seed == 3
        assert nexhealth_sandbox.url.startswith("http://127.0.0.1:")

    {mark}
    async def test_plain_box(nexhealth_sandbox):
        assert len(nexhealth_sandbox.patients) == 25
"""
OPTIONS = ("-p", "no:randomly", "-p", "no:cacheprovider", "--strict-markers", "-W", "error")

SCOPE = ("-o", "asyncio_default_fixture_loop_scope=function")


@pytest.mark.parametrize(
    ("mark", "options"),
    [
        ("", ("-o", "asyncio_mode=auto", *SCOPE)),
        ("@pytest.mark.asyncio", ("-o", "asyncio_mode=strict", *SCOPE)),
        ("@pytest.mark.anyio", ("-p", "no:asyncio")),
    ],
    ids=["auto", "strict", "anyio"],
)
def test_sandbox_fixture(pytester: pytest.Pytester, mark: str, options: tuple[str, ...]) -> None:
    pytester.makepyfile(MARKED.format(mark=mark))
    pytester.makeconftest(
        "import pytest\n\n\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n"
    )
    result = pytester.runpytest_inprocess(*OPTIONS, *options)
    result.assert_outcomes(passed=2)


def test_without_anybody_to_run_it_a_sentence_says_so(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_box(nexhealth_sandbox):\n    pass\n")
    result = pytester.runpytest_inprocess(*OPTIONS, "-p", "no:asyncio")
    result.stdout.fnmatch_lines(["*install*pytest-asyncio, or mark the test with*"])


def test_a_coroutine_that_nobody_runs_is_told_how_to_be_run(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("async def test_box(nexhealth_sandbox):\n    pass\n")
    result = pytester.runpytest_inprocess(*OPTIONS, "-o", "asyncio_mode=strict", *SCOPE)
    result.stdout.fnmatch_lines(["*Nobody runs this coroutine: set asyncio_mode = auto*"])


def test_a_misspelt_option_of_the_marker_is_named(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.nexhealth_sandbox(patient=7)
        async def test_box(nexhealth_sandbox):
            pass
        """
    )
    result = pytester.runpytest_inprocess(*OPTIONS, "-o", "asyncio_mode=auto", *SCOPE)
    result.stdout.fnmatch_lines(["*nexhealth_sandbox takes patients, seed,*, not patient."])


def test_a_session_is_opened_against_the_sandbox(pytester: pytest.Pytester) -> None:
    pytest.importorskip("nexhealth_async.session")
    pytester.makepyfile(
        """
        async def test_session(nexhealth, nexhealth_sandbox):
            office = nexhealth.practice(nexhealth_sandbox.subdomain)
            office = office.location(nexhealth_sandbox.location_id)
            found = [patient.id async for patient in office.patients.walk()]
            assert found == list(nexhealth_sandbox.patients.ids)
        """
    )
    result = pytester.runpytest_inprocess(*OPTIONS, "-o", "asyncio_mode=auto", *SCOPE)
    result.assert_outcomes(passed=1)


def test_the_plugin_imports_nothing_heavy_of_its_own() -> None:
    code = (
        "import sys, nexhealth_async, pytest, pytest_asyncio; before = set(sys.modules); "
        "import nexhealth_async.pytest_plugin; added = set(sys.modules) - before; "
        "sys.exit(added != {'nexhealth_async.pytest_plugin'})"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603 -- our own interpreter
