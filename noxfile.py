"""The sessions a contributor runs; ``nox --list`` names them."""

from __future__ import annotations

import nox

nox.options.default_venv_backend = "venv"
nox.options.sessions = ["lint", "types", "tests"]

PYTHONS = ["3.11", "3.12", "3.13"]
PYPROJECT = nox.project.load_toml("pyproject.toml")


def install(session: nox.Session, *groups: str) -> None:
    """Install the package with its extras, and dependency groups beside it."""
    needed = nox.project.dependency_groups(PYPROJECT, *groups)
    session.install("--quiet", "-e", ".[cli]", *needed)


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff's rules and format, and the floors of the house."""
    install(session, "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports")


@nox.session
def types(session: nox.Session) -> None:
    """Mypy and pyright, both strict, over package and tests."""
    install(session, "types", "tests", "contract", "bench", "lint")
    session.install("--quiet", "nox")
    session.run("mypy")
    session.run("pyright")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The whole suite, in random order and in parallel, on each Python."""
    install(session, "tests", "types")
    session.run("pytest", "-n", "auto", *session.posargs)


@nox.session
def lowest(session: nox.Session) -> None:
    """The suite with the oldest dependencies that are allowed."""
    install(session, "tests", "types")
    session.install("--quiet", *_lowest(PYPROJECT["project"]["dependencies"]))
    session.run("pytest", "-n", "auto", "-W", "default", *session.posargs)


@nox.session
def contract(session: nox.Session) -> None:
    """The endpoint table against the published descriptions of the API, where they are at hand."""
    install(session, "tests", "types", "contract")
    session.run("pytest", "tests/contract", "tests/typing", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """The code of README and guides, run."""
    install(session, "tests")
    session.run("pytest", "tests/docs", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """The benchmarks, side by side in one run; ``-- --quick`` for a short one."""
    install(session, "bench")
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session
def demo(session: nox.Session) -> None:
    """Watch the patients of an invented practice stream in."""
    session.install("--quiet", "-e", ".[cli]")
    session.run("nexhealth", "pull", "patients", "--sandbox", *session.posargs)


def _lowest(requirements: list[str]) -> list[str]:
    """Turn ``name>=1.2`` into ``name==1.2``."""
    return [requirement.replace(">=", "==") for requirement in requirements]
