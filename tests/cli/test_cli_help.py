"""Help: every option is explained, no line is too wide, and completion works."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from functools import cache

import pytest
from cyclopts import App

from nexhealth_async.cli.app import build_app
from nexhealth_async.cli.completion import script
from nexhealth_async.cli.fleet_options import FleetLocation
from tests.cli.helpers import environment, nexhealth, one_by_one

BASH = shutil.which("bash")


def commands(app: App, *path: str) -> Iterator[tuple[str, ...]]:
    for name in app:
        if not name.startswith("-"):
            yield (*path, name)
            yield from commands(app[name], *path, name)


def command(path: tuple[str, ...]) -> App:
    found = build_app()
    for name in path:
        found = found[name]
    return found


EVERY = tuple(commands(build_app()))
LEAVES = tuple(one for one in EVERY if not any(two[:-1] == one for two in EVERY))


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_every_option_is_explained(path: tuple[str, ...]) -> None:
    for argument in command(path).assemble_argument_collection():
        if argument.show:
            assert (argument.parameter.help or "").strip(), argument.name


async def test_no_line_of_help_is_wider_than_80_columns() -> None:
    every = [("--help",), *((*path, "--help") for path in EVERY)]
    for path, ran in zip(every, await one_by_one(*every, COLUMNS="80"), strict=True):
        lines = ran.out.decode().splitlines()
        assert (ran.status, ran.err) == (0, "")
        assert [line for line in lines if len(line) > 80] == [], path


async def test_help_lists_every_option_examples_environment_and_exit_statuses() -> None:
    every = await one_by_one(*((*path, "--help") for path in EVERY), COLUMNS="80")
    for path, ran in zip(EVERY, every, strict=True):
        text = ran.out.decode()
        options = command(path).assemble_argument_collection() if path in LEAVES else ()
        for argument in options:
            if argument.show and not argument.field_info.is_positional:
                assert argument.name in text
        assert f"Examples:\n  {'eval' if path == ('completion',) else 'nexhealth'} " in text
        assert f"nexhealth {' '.join(path)}" in text.partition("Examples:")[2]
        assert "\nEnvironment: " in text
        assert "\nExit status: " in text


def examples(*path: str) -> list[list[str]]:
    """The examples of a command as words; those that need a shell are left out."""
    text = (command(path).help_epilogue or "").replace(" \\\n", "")
    lines = [line.split() for line in text.splitlines() if line.startswith("  nexhealth ")]
    return [line[1:] for line in lines if ">" not in line]


async def test_the_examples_can_be_parsed() -> None:
    found = [example for path in EVERY for example in examples(*path)]
    assert len(found) > 15
    for example in found:
        build_app().parse_args(example, exit_on_error=False, print_error=False)


@pytest.mark.parametrize("name", ["pull", "work", "status"])
def test_the_examples_of_a_fleet_need_no_environment(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("NEXHEALTH_PULL_TO", "NEXHEALTH_REDIS"):
        monkeypatch.delenv(variable, raising=False)
    for example in examples("fleet", name):
        _, bound, _ = build_app().parse_args(example, exit_on_error=False, print_error=False)
        place = bound.arguments["place"]
        assert isinstance(place, FleetLocation)
        place.target()
        assert place.task_queue_or_none() or name == "status"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (("pul",), 'Unknown command "pul". Did you mean "pull"?'),
        (("pull", "patients", "--limt", "3"), "Unknown option: --limt. Did you mean --limit?"),
        (("endpoints", "foo"), "Unexpected arguments: foo"),
        (("pull", "petients", "--sandbox"), "did you mean patients?"),
        (("endpoints", "", " ", "foo"), "foo; see --help."),
        (("pull", "patients", "--version", "v3"), "--api-version sets the API version."),
    ],
)
async def test_a_usage_error_is_one_sentence_with_advice(line: tuple[str, ...], said: str) -> None:
    ran = await nexhealth(*line)
    assert ran.status == 2
    assert ran.err.startswith("error: ")
    assert said in ran.err
    assert "─" not in ran.err


@pytest.mark.parametrize(
    "line",
    [
        ("pull", "patients", "--token=Zq9-Secret"),
        ("--api-key=Zq9-Secret", "check"),
        ("pull", "patients", "-kZq9-Secret"),
        ("pull", "patients", "postgresql://me:Zq9-Secret@host/db"),
        ("check", "Zq9-Secret-that-is-as-long-as-keys-are"),
        ("pull", "patients", "--limit", "Zq9-Secret-that-is-as-long-as-keys-are"),
    ],
)
async def test_possible_secrets_are_not_repeated_in_errors(line: tuple[str, ...]) -> None:
    ran = await nexhealth(*line)
    assert ran.status == 2
    assert ran.err.startswith("error: ")
    assert "Secret" not in ran.err


@cache
def bash_script() -> str:
    return script(build_app(), "bash")


def completions_of_bash(line: str) -> set[str]:
    """Return the completions that bash offers at the end of this line."""
    assert BASH
    words = " ".join(f"'{word}'" for word in line.split(" "))
    asking = (
        f"{bash_script()}\nCOMP_WORDS=({words}); COMP_CWORD={line.count(' ')}\n"
        "COMP_LINE=; COMP_POINT=0; _nexhealth nexhealth; printf '%s\\n' \"${COMPREPLY[@]}\"\n"
    )
    done = subprocess.run(  # noqa: S603 - our own script
        [BASH, "--norc", "--noprofile", "-s"],
        input=asking,
        capture_output=True,
        text=True,
        check=True,
        env=environment(),
    )
    assert done.stderr == ""
    return set(done.stdout.split())


@pytest.mark.skipif(BASH is None, reason="asks bash")
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("nexhealth pu", {"pull"}),
        ("nexhealth webhooks en", {"ensure"}),
        ("nexhealth pull --dr", {"--drift", "--dry-run"}),
        ("nexhealth pull --drift ", {"watch", "verify", "ignore"}),
        ("nexhealth completion z", {"zsh"}),
        ("nexhealth pull pati", {"patients", "patient_recalls"}),
        ("nexhealth pull patients charg", {"charges"}),
        ("nexhealth fleet pull --queue q cl", {"claims", "clinical_notes"}),
    ],
)
def test_bash_completes_commands_options_and_choices(line: str, offered: set[str]) -> None:
    assert completions_of_bash(line) == offered


async def test_completion_is_printed_for_each_shell_and_changes_no_file() -> None:
    ran = await one_by_one(*(("completion", shell) for shell in ("bash", "zsh", "fish", "csh")))
    assert [one.status for one in ran] == [0, 0, 0, 2]
    bash, zsh, fish = (one.out.decode() for one in ran[:3])
    assert "complete -F _nexhealth nexhealth" in bash
    assert zsh.startswith("#compdef nexhealth")
    assert "complete -c nexhealth" in fish
    assert "bash" in ran[3].err
