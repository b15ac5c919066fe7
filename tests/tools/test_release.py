"""Releases: version, changelog, refusals, and checks of the archives."""

from __future__ import annotations

import io
import subprocess
import tarfile
import zipfile
from datetime import date
from pathlib import Path

import pytest

from tools import release
from tools.release import (
    NEEDED,
    CannotReleaseError,
    check_version,
    complaints,
    contents,
    cut,
    main,
    notes,
    released,
    set_version,
    strangers,
    version_in,
)

DAY = date(2031, 2, 3)
FIRST = """# Changelog

How it is kept.

## [Unreleased]

### Added

- One thing.

### Changed

### Fixed

- Another thing.
"""
SECOND = """# Changelog

## [Unreleased]

### Fixed

- A fault.

## [0.1.0] - 2030-01-01

### Added

- All of it.

[Unreleased]: https://code.example/p/compare/v0.1.0...HEAD
[0.1.0]: https://code.example/p/releases/tag/v0.1.0
"""
VERSION_FILE = '"""The version."""\n\n__version__ = "0.1.0"\n'


def test_the_unreleased_becomes_a_version_and_leaves_an_empty_heading() -> None:
    assert cut(FIRST, "0.1.0", DAY) == (
        "# Changelog\n\nHow it is kept.\n\n## [Unreleased]\n\n## [0.1.0] - 2031-02-03\n\n"
        "### Added\n\n- One thing.\n\n### Fixed\n\n- Another thing.\n"
    )


def test_earlier_releases_are_kept_and_the_links_are_updated() -> None:
    assert cut(SECOND, "0.2.0", DAY) == (
        "# Changelog\n\n## [Unreleased]\n\n## [0.2.0] - 2031-02-03\n\n### Fixed\n\n- A fault.\n\n"
        "## [0.1.0] - 2030-01-01\n\n### Added\n\n- All of it.\n\n"
        "[Unreleased]: https://code.example/p/compare/v0.2.0...HEAD\n"
        "[0.2.0]: https://code.example/p/compare/v0.1.0...v0.2.0\n"
        "[0.1.0]: https://code.example/p/releases/tag/v0.1.0\n"
    )


def test_the_text_under_the_heading_is_unchanged() -> None:
    text = "Breaking: read this.\n\n### Added\n\n* starred\n- One thing.\n"
    changelog = cut(f"# Changelog\n\nAs in:\n\n{text}\n## [Unreleased]\n\n{text}", "0.2.0", DAY)
    assert changelog.count("[Unreleased]") == 1
    assert changelog.endswith(f"## [Unreleased]\n\n## [0.2.0] - 2031-02-03\n\n{text}")


def test_a_released_version_cannot_be_released_again() -> None:
    once = cut(SECOND, "0.2.0", DAY)
    assert released(once) == ["0.2.0", "0.1.0"]
    with pytest.raises(CannotReleaseError, match="nothing stands under"):
        cut(once, "0.3.0", DAY)


@pytest.mark.parametrize(
    "changelog",
    [
        "# Changelog\n\n## [0.1.0] - 2030-01-01\n\n- Old.\n",
        "# Changelog\n\n## [Unreleased]\n\n### Added\n\n## [0.1.0] - 2030-01-01\n\n- Old.\n",
        "# Changelog\n\n## [Unreleased]\n\n[Unreleased]: https://code.example/compare/a...HEAD\n",
        "# Changelog\n\n## [Unreleased]\n\n- One.\n\n## [Unreleased]\n\n- Two.\n",
    ],
    ids=["no heading", "empty headings", "links only", "two headings"],
)
def test_exactly_one_nonempty_unreleased_section_is_required(changelog: str) -> None:
    with pytest.raises(CannotReleaseError, match="Unreleased"):
        notes(changelog)


@pytest.mark.parametrize("version", ["0.1.1", "0.2.0", "0.10.0", "1.0.0"])
def test_a_newer_version_may_be_released(version: str) -> None:
    check_version(version, current="0.1.0", changelog=SECOND)


def test_the_trees_own_version_may_be_released_once() -> None:
    check_version("0.1.0", current="0.1.0", changelog=FIRST)
    with pytest.raises(CannotReleaseError, match="released already"):
        check_version("0.1.0", current="0.1.0", changelog=SECOND)


def test_a_release_candidate_does_not_prevent_the_release() -> None:
    changelog = SECOND.replace("## [0.1.0]", "## [0.1.0rc1]")
    assert released(changelog) == ["0.1.0rc1"]
    check_version("0.1.0", current="0.1.0", changelog=changelog)


@pytest.mark.parametrize("version", ["0.0.9", "0.1.0"])
def test_an_older_version_is_refused(version: str) -> None:
    with pytest.raises(CannotReleaseError, match=r"not newer than 0\.2\.0"):
        check_version(version, current="0.2.0", changelog=FIRST)


@pytest.mark.parametrize("version", ["", "1", "1.2", "v1.2.3", "01.2.3", "1.2.3rc1", "1.2.3\n"])
def test_an_invalid_version_is_refused(version: str) -> None:
    with pytest.raises(CannotReleaseError, match="is no version"):
        check_version(version, current="0.1.0", changelog=FIRST)


def test_the_version_is_written_where_the_build_reads_it() -> None:
    written = set_version(VERSION_FILE, "0.2.0")
    assert written == VERSION_FILE.replace("0.1.0", "0.2.0")
    assert version_in(written) == "0.2.0"
    with pytest.raises(CannotReleaseError, match="assigns no"):
        set_version("version = 1\n", "0.2.0")


def test_the_projects_own_changelog_can_be_released() -> None:
    changelog = release.CHANGELOG.read_text(encoding="utf-8")
    assert release.VERSION_FILE.is_file()
    made = cut(changelog, "999.0.0", DAY)
    assert released(made)[0] == "999.0.0"
    entries = [line for line in changelog.splitlines() if line.startswith("- ")]
    assert [line for line in made.splitlines() if line.startswith("- ")] == entries


def whole() -> dict[str, bytes]:
    return dict.fromkeys(NEEDED, b"")


def test_a_complete_archive_has_no_problems() -> None:
    assert complaints(whole(), machine=["/home/ada/"]) == []


@pytest.mark.parametrize("name", NEEDED)
def test_missing_files_of_an_archive_are_named(name: str) -> None:
    files = whole()
    del files[name]
    assert complaints(files, machine=[]) == [f"{name} is missing"]


@pytest.mark.parametrize(
    "name",
    [
        "tests/__pycache__/conftest.cpython-311.pyc",
        ".venv/bin/python",
        ".pytest_cache/README.md",
        "tests/.hypothesis/unicode_data/a",
        ".env",
        "practice.duckdb",
    ],
)
def test_unexpected_files_of_an_archive_are_named(name: str) -> None:
    found = complaints({**whole(), name: b""}, machine=[])
    assert found == [f"{name} does not belong here"]


def test_a_local_path_in_an_archive_is_found_and_not_repeated() -> None:
    files = {**whole(), "docs/a.md": b"see /home/ada/tree/a.py"}
    assert complaints(files, machine=["/home/ada/"]) == ["docs/a.md tells a path of this machine"]


def test_files_installed_beside_the_package_are_named() -> None:
    own = ["nexhealth_async/__init__.py", "nexhealth_async-0.1.0.dist-info/METADATA"]
    assert strangers([*own, "tests/conftest.py", "nexhealth_async.py"]) == [
        "tests/conftest.py",
        "nexhealth_async.py",
    ]


def test_wheels_and_sdists_are_read_alike(tmp_path: Path) -> None:
    wheel, sdist = tmp_path / "p-1-py3-none-any.whl", tmp_path / "p-1.tar.gz"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("p/__init__.py", "1")
    with tarfile.open(sdist, "w:gz") as archive:
        member = tarfile.TarInfo("p-1/p/__init__.py")
        member.size = 1
        archive.addfile(member, io.BytesIO(b"1"))
    assert contents(wheel) == contents(sdist) == {"p/__init__.py": b"1"}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a changelog and a version, both committed."""
    (tmp_path / "CHANGELOG.md").write_text(SECOND)
    (tmp_path / "_version.py").write_text(VERSION_FILE)
    monkeypatch.setattr(release, "ROOT", tmp_path)
    monkeypatch.setattr(release, "CHANGELOG", tmp_path / "CHANGELOG.md")
    monkeypatch.setattr(release, "VERSION_FILE", tmp_path / "_version.py")
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    for arguments in (("init", "-q", "-b", "main"), ("add", "."), (*who, "commit", "-qm", "First")):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True)  # noqa: S603, S607 - git
    return tmp_path


def test_a_release_changes_the_tree(project: Path) -> None:
    assert main(["may", "0.2.0"]) == 0
    assert main(["cut", "0.2.0"]) == 0
    assert "## [0.2.0] - " in (project / "CHANGELOG.md").read_text()
    assert version_in((project / "_version.py").read_text()) == "0.2.0"


def test_a_dirty_tree_is_refused(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "note.txt").write_text("x")
    assert main(["may", "0.2.0"]) == 1
    assert "uncommitted changes:\n?? note.txt" in capsys.readouterr().err


def test_another_branch_than_main_is_refused(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    subprocess.run(["git", "checkout", "-qb", "a-try"], cwd=project, check=True)  # noqa: S607 - git
    assert main(["may", "0.2.0"]) == 1
    assert capsys.readouterr().err == "releases are cut on main, and this is a-try\n"


def test_a_refusal_is_one_sentence_and_changes_nothing(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["may", "0.1.0"]) == 1
    assert capsys.readouterr().err == "0.1.0 has been released already: choose a newer one\n"
    assert (project / "CHANGELOG.md").read_text() == SECOND


def test_a_folder_without_both_archives_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "p-1.tar.gz").write_bytes(b"")
    assert main(["inspect", str(tmp_path)]) == 1
    assert "a wheel and an sdist" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["may"], ["tag", "0.2.0"], ["cut", "0.2.0", "now"]])
def test_wrong_arguments_print_the_usage(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith("usage: ")
