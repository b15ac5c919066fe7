"""The sessions a contributor runs; ``nox --list`` names them."""

from __future__ import annotations

from pathlib import Path

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
    install(session, "types", "tests", "contract", "bench", "lint", "web", "docs")
    session.install("--quiet", "nox")
    session.run("mypy")
    session.run("pyright")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The whole suite, in random order and in parallel, on each Python."""
    install(session, "tests", "types", "bench", "web")
    session.run("pytest", "-n", "auto", *session.posargs)


@nox.session
def lowest(session: nox.Session) -> None:
    """The suite with the oldest dependencies that are allowed, the command line's too."""
    install(session, "tests", "types", "bench", "web")
    project = PYPROJECT["project"]
    allowed = [*project["dependencies"], *project["optional-dependencies"]["cli"]]
    session.install("--quiet", *_lowest(allowed))
    session.run("pytest", "-n", "auto", "-W", "default", *session.posargs)


@nox.session
def contract(session: nox.Session) -> None:
    """The endpoint table against the published descriptions of the API, where they are at hand."""
    install(session, "tests", "types", "contract")
    session.run("pytest", "tests/contract", "tests/typing", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """The site, built into build/site, warnings being errors; then the code of its pages, run."""
    install(session, "docs", "tests", "web", "export", "fleet")
    site = ("-b", "html", "docs", "build/site")
    session.run("sphinx-build", "-W", "-n", "--keep-going", "-E", "-j", "auto", *site)
    session.run("pytest", "tests/docs", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """The benchmarks, ten minutes in one run: table and picture; ``-- --quick`` tries them."""
    install(session, "bench")
    session.run("python", "-m", "benchmarks", *(session.posargs or ["--write"]))


@nox.session
def fuzz(session: nox.Session) -> None:
    """Coverage-guided fuzzing of everything that reads foreign bytes; ``-- --seconds 60`` each."""
    install(session, "tests", "fuzz")
    session.run("python", "-m", "tests.fuzz", *session.posargs)


@nox.session
def audit(session: nox.Session) -> None:
    """What users install, against the published advisories; needs the service that has them."""
    session.install("--quiet", "-e", ".[cli]")
    listed = Path(session.create_tmp()) / "installed.txt"
    frozen = session.run("python", "-m", "pip", "freeze", "--exclude-editable", silent=True)
    listed.write_text(str(frozen))
    session.install("--quiet", "pip-audit>=2.10")
    # Strict, since a package that could not be asked about would pass as clean.
    session.run(
        *("pip-audit", "--strict", "--disable-pip", "--no-deps", "-r", str(listed)),
        *session.posargs,
    )


@nox.session
def demo(session: nox.Session) -> None:
    """Watch the patients of an invented practice stream in."""
    session.install("--quiet", "-e", ".[cli]")
    session.run("nexhealth", "pull", "patients", "--sandbox", *session.posargs)


def _lowest(requirements: list[str]) -> list[str]:
    """Turn ``name>=1.2`` into ``name==1.2``."""
    return [requirement.replace(">=", "==") for requirement in requirements]
