"""The packages' own tests for a check: from the user's folder, or from a source distribution."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from orchestrator import check
from orchestrator.check import RequestedPackage, Suite
from orchestrator.errors import InputError
from orchestrator.packages import archive

WITHOUT = "name a requirement, or the folder with the tests by --source DIR"


def suites_of(
    requested: Sequence[RequestedPackage], source: Path | None, scratch: Path, say: Callable[[str], None]
) -> dict[str, Suite]:
    """The tests of each package by its name; a package without any is told, and has none.

    Raises InputError where `source` cannot be the tests of several packages, or no package has tests.
    """
    if source and len(requested) != 1:
        raise InputError("--source has the tests of one package", hint="check the packages one by one")
    found = dict(_suites(requested, source, scratch, say))
    if not found:
        raise InputError("--tests: no package has tests that can be run", hint=WITHOUT)
    return found


def _suites(
    requested: Sequence[RequestedPackage], source: Path | None, scratch: Path, say: Callable[[str], None]
) -> Iterator[tuple[str, Suite]]:
    for number, package in enumerate(requested):
        folder, version, place = source or package.source, "", str(source or package.source)
        if folder is None and package.requirement:
            into = scratch / str(number)
            into.mkdir()
            unpacked = archive.newest(package.requirement, Path.cwd(), into)
            if unpacked:
                folder, version = unpacked.folder, unpacked.version
                place = f"the source distribution of {package.name} {version}"
        if folder is None:
            say(f"{package.name}: there is no source distribution; {WITHOUT}")
            continue
        suite = check.suite_of(folder, package.distribution, version)
        if suite is None:
            say(f"{package.name}: {place} has no tests")
        else:
            yield package.name, suite
