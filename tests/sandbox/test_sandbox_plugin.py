"""The pytest fixtures, in a separate pytest run."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest_plugins = ["pytester"]

MARKED = """
    import pytest

    {mark}
    @pytest.mark.nexhealth_sandbox(patients=7, seed=3)
    async def test_sandbox(nexhealth_sandbox):
        assert len(nexhealth_sandbox.patients) == 7
        assert nexhealth_sandbox.seed == 3
        assert nexhealth_sandbox.url.startswith("http://127.0.0.1:")

    {mark}
    async def test_plain_sandbox(nexhealth_sandbox):
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


def test_a_missing_async_runner_gives_a_clear_error(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_sandbox(nexhealth_sandbox):\n    pass\n")
    result = pytester.runpytest_inprocess(*OPTIONS, "-p", "no:asyncio")
    result.stdout.fnmatch_lines(["*install*pytest-asyncio, or mark the test with*"])


def test_an_async_test_without_a_runner_fails_with_advice(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("async def test_sandbox(nexhealth_sandbox):\n    pass\n")
    result = pytester.runpytest_inprocess(*OPTIONS, "-o", "asyncio_mode=strict", *SCOPE)
    result.stdout.fnmatch_lines(["*No plugin runs this coroutine: set asyncio_mode = auto*"])


def test_a_misspelt_option_of_the_marker_is_named(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.nexhealth_sandbox(patient=7)
        async def test_sandbox(nexhealth_sandbox):
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
            practice = nexhealth.practice(nexhealth_sandbox.subdomain)
            location = practice.location(nexhealth_sandbox.location_id)
            found = [patient.id async for patient in location.patients.walk()]
            assert found == list(nexhealth_sandbox.patients.ids)
        """
    )
    result = pytester.runpytest_inprocess(*OPTIONS, "-o", "asyncio_mode=auto", *SCOPE)
    result.assert_outcomes(passed=1)


def test_the_plugin_imports_nothing_heavy() -> None:
    code = (
        "import sys, nexhealth_async, pytest, pytest_asyncio; before = set(sys.modules); "
        "import nexhealth_async.pytest_plugin; added = set(sys.modules) - before; "
        "sys.exit(added != {'nexhealth_async.pytest_plugin'})"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603 -- our own interpreter


VERSIONED = """
    import pytest

    pytestmark = pytest.mark.nexhealth_sandbox(patients=3, versions={"v3"})

    @pytest.mark.nexhealth_version("v3.1.0")
    async def test_marker(nexhealth):
        assert nexhealth.version == "v3.1.0"

    async def test_option_or_setting(nexhealth):
        assert nexhealth.version == "v3.0.0"

    def test_environment(nexhealth_env):
        from nexhealth_async import NexHealth

        assert NexHealth().version == "v3.0.0"
"""


@pytest.mark.parametrize("options", [("--nexhealth-version", "v3"), ("-o", "nexhealth_version=v3")])
def test_the_version_comes_from_marker_option_or_setting(
    pytester: pytest.Pytester, options: tuple[str, ...]
) -> None:
    pytester.makepyfile(VERSIONED)
    result = pytester.runpytest_inprocess(*OPTIONS, "-o", "asyncio_mode=auto", *SCOPE, *options)
    result.assert_outcomes(passed=3)


def test_the_fixture_detects_the_version_by_default(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NEXHEALTH_API_VERSION", raising=False)
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.nexhealth_sandbox(patients=3, versions={"v3"})
        async def test_new_account(nexhealth):
            assert nexhealth.version == "v3.0.0"

        async def test_old_account(nexhealth):
            assert nexhealth.version == "v2"
        """
    )
    result = pytester.runpytest_inprocess(*OPTIONS, "-o", "asyncio_mode=auto", *SCOPE)
    result.assert_outcomes(passed=2)


def test_a_marker_without_a_version_gives_a_usage_error(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.nexhealth_version
        async def test_nothing(nexhealth):
            pass
        """
    )
    result = pytester.runpytest_inprocess(*OPTIONS, "-o", "asyncio_mode=auto", *SCOPE)
    result.stdout.fnmatch_lines(['*Write @pytest.mark.nexhealth_version("v3")*'])
