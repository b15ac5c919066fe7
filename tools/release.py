"""Releases: version, changelog, and checks of the archives.

``python -m tools.release may 0.2.0`` tells whether that version can be released, ``cut 0.2.0``
writes version and changelog, and ``inspect dist`` checks wheel and sdist. ``nox -s release`` calls
them in order.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = [
    "CannotReleaseError",
    "check_version",
    "complaints",
    "contents",
    "cut",
    "main",
    "notes",
    "released",
    "set_version",
    "strangers",
    "version_in",
]

ROOT: Final = Path(__file__).parents[1]
CHANGELOG: Final = ROOT / "CHANGELOG.md"
VERSION_FILE: Final = ROOT / "nexhealth_async" / "_version.py"

_VERSION: Final = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
_ASSIGNED: Final = re.compile(r'^__version__ = "([^"]*)"$', re.MULTILINE)
_UNRELEASED: Final = "## [Unreleased]\n"
_RELEASE: Final = re.compile(r"^## \[(\d[^\]]*)\]", re.MULTILINE)
_LINK: Final = re.compile(r"^\[Unreleased\]: (?P<base>\S+/compare/)\S+$", re.MULTILINE)
_LINKS: Final = re.compile(r"^\[[^\]]+\]: \S+$", re.MULTILINE)

NEEDED: Final = (
    "nexhealth_async/__init__.py",
    "nexhealth_async/py.typed",
    "nexhealth_async/stores/redis_rates.lua",
    "LICENSE",
)
"""Path endings that wheel and sdist both must have."""
UNWANTED: Final = re.compile(
    r"__pycache__|\.py[co]$|(^|/)\.(venv|nox|git|hypothesis|\w+_cache)(/|$)|\.(duckdb|db|env)$"
)


class CannotReleaseError(Exception):
    """A release was refused; the message says why and what to do."""


def numbers(version: str) -> tuple[int, int, int]:
    """Parse ``1.2.3``.

    Raises:
        CannotReleaseError: it is no version of three numbers.
    """
    found = _VERSION.fullmatch(version)
    if found is None:
        raise CannotReleaseError(f"{version!r} is no version: write it like 0.2.0")
    return int(found[1]), int(found[2]), int(found[3])


def version_in(source: str) -> str:
    """Return the version that the text of ``_version.py`` assigns."""
    found = _ASSIGNED.search(source)
    if found is None:
        raise CannotReleaseError("_version.py assigns no __version__")
    return found[1]


def set_version(source: str, version: str) -> str:
    """Return the text of ``_version.py`` with another version."""
    version_in(source)
    return _ASSIGNED.sub(f'__version__ = "{version}"', source, count=1)


def released(changelog: str) -> list[str]:
    """List the versions that a changelog has, the newest first as it stands there."""
    return _RELEASE.findall(changelog)


def check_version(version: str, *, current: str, changelog: str) -> None:
    """Refuse a version that is not newer than every released one, or older than the tree's.

    The tree's own version is allowed while the changelog lacks it, for the first release.
    """
    candidate = numbers(version)
    done = released(changelog)
    if version in done:
        raise CannotReleaseError(f"{version} has been released already: choose a newer one")
    # Release candidates stand in the changelog too; none is cut here, and none is in the way.
    finished = [one for one in done if _VERSION.fullmatch(one)]
    newest = max([*finished, current], key=numbers)
    if candidate < numbers(newest):
        raise CannotReleaseError(f"{version} is not newer than {newest}")


def notes(changelog: str) -> str:
    """Return the text under [Unreleased].

    Raises:
        CannotReleaseError: there is no such heading, or nothing under it.
    """
    if changelog.count(f"\n{_UNRELEASED}") != 1:
        raise CannotReleaseError("CHANGELOG.md needs one heading [Unreleased]")
    text = changelog.partition(f"\n{_UNRELEASED}")[2]
    following = _RELEASE.search(text)
    links = _LINKS.search(text)
    ends = [found.start() for found in (following, links) if found]
    text = text[: min(ends)] if ends else text
    if not re.search(r"^- \S", text, re.MULTILINE):
        raise CannotReleaseError("nothing stands under [Unreleased] in CHANGELOG.md")
    return text.strip()


def cut(changelog: str, version: str, day: date) -> str:
    """Return the changelog with the unreleased entries under a version, and an empty [Unreleased].

    Headings without an entry are kept. Comparison links are updated if there are any.
    """
    before, heading, behind = changelog.partition(f"\n{_UNRELEASED}")
    text = notes(changelog)
    rest = behind.partition(text)[2].strip()
    sections = re.split(r"^(?=### )", text, flags=re.MULTILINE)
    kept = "\n\n".join(part.strip() for part in sections if _says_something(part))
    parts = [before + heading.rstrip(), f"## [{version}] - {day.isoformat()}", kept, rest]
    whole = "\n\n".join(part for part in parts if part) + "\n"
    return _LINK.sub(lambda found: _links(found, version, released(changelog)), whole, count=1)


def _says_something(section: str) -> bool:
    return any(line.strip() and not line.startswith("#") for line in section.splitlines())


def _links(found: re.Match[str], version: str, done: Sequence[str]) -> str:
    base = found["base"]
    since = f"{base}v{done[0]}..." if done else base.replace("/compare/", "/releases/tag/")
    return f"[Unreleased]: {base}v{version}...HEAD\n[{version}]: {since}v{version}"


def contents(archive: Path) -> dict[str, bytes]:
    """Return the files of a wheel or an sdist, by path; an sdist's without its own folder."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return {name: wheel.read(name) for name in wheel.namelist()}
    found: dict[str, bytes] = {}
    with tarfile.open(archive) as sdist:
        for member in sdist.getmembers():
            file = sdist.extractfile(member)
            if file is not None:
                found[member.name.partition("/")[2]] = file.read()
    return found


def complaints(files: Mapping[str, bytes], *, machine: Sequence[str]) -> list[str]:
    """Return the problems of an archive's files: missing ones, and unexpected ones.

    ``machine`` are texts that would identify the machine of the build.
    """
    found = [f"{name} is missing" for name in NEEDED if not any(f.endswith(name) for f in files)]
    found += [f"{name} does not belong here" for name in files if UNWANTED.search(name)]
    for name, content in files.items():
        found += [f"{name} tells a path of this machine" for t in machine if t.encode() in content]
    return found


def strangers(names: Iterable[str]) -> list[str]:
    """Return the files of a wheel that would be installed beside the package."""
    own = re.compile(r"nexhealth_async(/|-[^/]+\.dist-info/)")
    return [name for name in names if own.match(name) is None]


def _git(*arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 - our own arguments
        ["git", *arguments],  # noqa: S607 - the contributor's own git
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.rstrip()


def _may(version: str) -> None:
    if (branch := _git("branch", "--show-current")) != "main":
        raise CannotReleaseError(f"releases are cut on main, and this is {branch or 'no branch'}")
    if changes := _git("status", "--porcelain"):
        raise CannotReleaseError(f"the tree has uncommitted changes:\n{changes}")
    changelog = CHANGELOG.read_text(encoding="utf-8")
    current = version_in(VERSION_FILE.read_text(encoding="utf-8"))
    check_version(version, current=current, changelog=changelog)
    notes(changelog)


def _cut(version: str) -> None:
    changelog = cut(CHANGELOG.read_text(encoding="utf-8"), version, datetime.now(UTC).date())
    source = set_version(VERSION_FILE.read_text(encoding="utf-8"), version)
    CHANGELOG.write_text(changelog, encoding="utf-8")
    VERSION_FILE.write_text(source, encoding="utf-8")


def _inspect(folder: str) -> None:
    archives = sorted(Path(folder).iterdir())
    kinds = sorted("".join(one.suffixes[-1:]) for one in archives)
    if kinds != [".gz", ".whl"]:
        raise CannotReleaseError(f"{folder} should hold a wheel and an sdist, not {kinds}")
    wrong: list[str] = []
    for archive in archives:
        files = contents(archive)
        found = complaints(files, machine=(f"{ROOT}/", f"{Path.home()}/"))
        if archive.suffix == ".whl":
            found += [f"{name} would be installed beside the package" for name in strangers(files)]
        wrong += [f"{archive.name}: {one}" for one in found]
    if wrong:
        raise CannotReleaseError("\n".join(wrong))


def main(arguments: Sequence[str]) -> int:
    """Run one of the three commands; return 0 for success."""
    commands = {"may": _may, "cut": _cut, "inspect": _inspect}
    match arguments:
        case [name, argument] if name in commands:
            try:
                commands[name](argument)
            except CannotReleaseError as refused:
                sys.stderr.write(f"{refused}\n")
                return 1
            return 0
        case _:
            sys.stderr.write("usage: python -m tools.release may|cut VERSION | inspect FOLDER\n")
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
