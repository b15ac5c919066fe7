"""The sessions a contributor runs; ``nox --list`` names them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import nox

nox.options.default_venv_backend = "venv"
nox.options.sessions = ["lint", "types", "tests"]

PYTHONS = ["3.11", "3.12", "3.13"]
PYPROJECT = nox.project.load_toml("pyproject.toml")
SUITE = ("tests", "types", "export", "web", "fleet", "contract", "bench")
"""The dependency groups that the suite imports; fuzzing guided by coverage has a session."""

CUT = ("CHANGELOG.md", "nexhealth_async/_version.py")
"""Files that a release changes."""


def install(session: nox.Session, *groups: str, pins: Sequence[str] = ()) -> None:
    """Install the package with its command line, and dependency groups beside it."""
    needed = nox.project.dependency_groups(PYPROJECT, *groups)
    session.install("--quiet", "-e", ".[cli]", *needed, *pins)


@nox.session
def lint(session: nox.Session) -> None:
    """Run ruff, check the format, and check the layers of the package."""
    install(session, "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports")


@nox.session
def types(session: nox.Session) -> None:
    """Run mypy and pyright, both strict, over all Python files."""
    install(session, "dev")
    session.run("mypy")
    session.run("pyright")


QUICK = ("protocol", "pagination", "client", "session", "workflows", "contract", "models", "errors")
"""Folders of tests that start no server but the sandbox, no browser and no other process."""


@nox.session
def quick(session: nox.Session) -> None:
    """Run the tests that need neither servers nor a browser, in under 90 seconds on two cores."""
    install(session, *SUITE)
    session.run("pytest", "-n", "auto", *(f"tests/{name}" for name in QUICK), *session.posargs)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the whole suite, in random order and in parallel, on each Python version."""
    install(session, *SUITE)
    session.run("pytest", "-n", "auto", *session.posargs)


@nox.session
def lowest(session: nox.Session) -> None:
    """Run the suite with the lowest allowed versions of all dependencies, extras included."""
    project = PYPROJECT["project"]
    extras = project["optional-dependencies"]
    # The queue of the extra "workers" wants a newer anyio than the library does, and the tool of
    # the group "contract" a newer rich.
    without = [needed for name, extra in extras.items() if name != "workers" for needed in extra]
    groups = [name for name in SUITE if name not in {"fleet", "contract"}]
    # In one go, so that what the groups bring fits what is pinned.
    install(session, *groups, pins=_lowest(sorted({*project["dependencies"], *without})))
    queues = ("tests/fleet/test_fleet_pulls.py", "tests/docs/test_fleet_guide.py")
    ignored = [f"--ignore={file}" for file in queues]
    session.run("pytest", "-n", "auto", "-W", "default", *ignored, *session.posargs)


@nox.session
def duckdb(session: nox.Session) -> None:
    """Run the tests of targets with the lowest allowed DuckDB, and with DuckDB 2."""
    install(session, *SUITE)
    (oldest,) = _lowest([one for one in _extra("duckdb") if one.startswith("duckdb")])
    for release in (oldest, "duckdb>=2,<3"):
        session.install("--quiet", release)
        session.run("pytest", "-n", "auto", "tests/export", *session.posargs)


def _extra(name: str) -> list[str]:
    found: list[str] = PYPROJECT["project"]["optional-dependencies"][name]
    return found


@nox.session
def contract(session: nox.Session) -> None:
    """Compare the endpoint table with methods, sandbox and, if present, the API's descriptions."""
    install(session, "tests", "types", "contract")
    session.run("pytest", "tests/contract", "tests/typing", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site into build/site, warnings being errors; then run the code of its pages."""
    install(session, "docs", "tests", "web", "export", "fleet")
    site = ("-b", "html", "docs", "build/site")
    session.run("sphinx-build", "-W", "-n", "--keep-going", "-E", "-j", "auto", *site)
    session.run("pytest", "tests/docs", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Run the benchmarks (ten minutes): table and charts; ``-- --quick`` tries them."""
    install(session, "bench")
    session.run("python", "-m", "benchmarks", *(session.posargs or ["--write"]))


@nox.session
def fuzz(session: nox.Session) -> None:
    """Fuzz all readers of untrusted bytes, guided by coverage; ``-- --seconds 60`` for each."""
    install(session, "tests", "fuzz")
    session.run("python", "-m", "tests.fuzz", *session.posargs)


@nox.session
def audit(session: nox.Session) -> None:
    """Check the dependencies against the published advisories; needs the network."""
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
def release(session: nox.Session) -> None:
    """Cut, build and try a release, up to the tag: ``-- 0.2.0``; ``-- --check`` changes nothing."""
    if len(session.posargs) != 1:
        session.error("which version? nox -s release -- 0.2.0, or -- --check to try only")
    (version,) = session.posargs
    session.install("--quiet", *nox.project.dependency_groups(PYPROJECT, "release"))
    if version == "--check":
        _try_release(session, Path(session.create_tmp()).resolve() / "dist")
        return
    session.run("python", "-m", "tools.release", "may", version)
    before = {name: Path(name).read_bytes() for name in CUT}
    session.run("python", "-m", "tools.release", "cut", version)
    made = {name: Path(name).read_bytes() for name in CUT}
    good = False
    try:
        _try_release(session, Path("dist").resolve())
        good = True
    finally:
        if not good:
            for name in CUT:
                if Path(name).read_bytes() == made[name]:
                    Path(name).write_bytes(before[name])
                else:
                    session.warn(f"{name} was edited meanwhile, and is left as it is")
            shutil.rmtree("dist", ignore_errors=True)  # a refused archive must not be uploaded
    session.log(
        f"Nothing is committed, tagged or uploaded yet. Read `git diff {' '.join(CUT)}`, then:"
    )
    session.log(f"  git commit -m 'Release {version}' {' '.join(CUT)}")
    session.log(f"  git tag -a v{version} -m 'Release {version}' && git push --follow-tags")
    session.log("  python -m twine upload dist/*")
    session.log(f"Or undo it: git checkout {' '.join(CUT)}")


@nox.session
def demo(session: nox.Session) -> None:
    """Watch the patients of an invented practice stream in."""
    session.install("--quiet", "-e", ".[cli]")
    session.run("nexhealth", "pull", "patients", "--sandbox", *session.posargs)


def _try_release(session: nox.Session, dist: Path) -> None:
    """Build both archives, check their contents, and install each in a fresh environment."""
    shutil.rmtree(dist, ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", str(dist))
    session.run("twine", "check", "--strict", *map(str, sorted(dist.iterdir())))
    session.run("python", "-m", "tools.release", "inspect", str(dist))
    (sdist,), (wheel,) = dist.glob("*.tar.gz"), dist.glob("*.whl")
    outside = Path(session.create_tmp()).resolve() / "outside"
    shutil.rmtree(outside, ignore_errors=True)
    outside.mkdir()
    # The tests that the sdist brings, without the package beside them.
    shutil.unpack_archive(sdist, outside, filter="data")
    (unpacked,) = outside.iterdir()
    shutil.rmtree(unpacked / "nexhealth_async")
    smoke = Path("tools/smoke.py").resolve()
    needed = nox.project.dependency_groups(PYPROJECT, "tests")
    for archive in (wheel, sdist):
        home = outside / archive.suffix.removeprefix(".")
        session.run("python", "-m", "venv", str(home))
        python = str(home / "bin" / "python")
        session.run(*(python, "-m", "pip", "install", "--quiet", f"{archive}[cli]"), external=True)
        session.run(python, "-I", str(smoke), external=True)
        session.run(python, "-m", "pip", "install", "--quiet", *needed, external=True)
        with session.chdir(unpacked):
            session.run(
                *(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/protocol"),
                external=True,
            )


def _lowest(requirements: list[str]) -> list[str]:
    """Turn ``name>=1.2,<3`` into ``name==1.2``."""
    return [requirement.split(",")[0].replace(">=", "==") for requirement in requirements]
