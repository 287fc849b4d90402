"""Disks that are full: the place is named, nothing half-written is read later, and --resume goes on."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from orchestrator.adapters.cache import VARIABLE
from orchestrator.errors import EXIT_FAILED
from tests.chaos.engine import free, root
from tests.chaos.kills import resumed
from tests.chaos.lab import Lab, Ran
from tests.chaos.table import Row, matched
from tests.integration.mounts import small_disk

PART: Final = "full"
CELLS: Final = ("nothing", "crash")
ROOM: Final = "1900m"
"""Bytes of a disk that has room again: a container's /work needs 1 GiB in the cache."""
FULL: Final = "^exit 3, clean, named; then exit 1, clean, fail pass"
NO_ROOM: Final = re.compile("no space left on device|no room", re.IGNORECASE)


def full(lab: Lab, *, short: bool) -> list[Row]:
    """Each place in turn, on a disk of its own."""
    rows = [_reports(lab), _cache(lab)]
    if not short:
        rows += [_temporary(lab), _engine(lab)]
    return [*rows, *lab.nothing_left(PART)]


def _reports(lab: Lab) -> Row:
    project = lab.project("full-reports", CELLS)
    place = project / "reports"
    with small_disk(place, 1):
        (place / "filler").write_bytes(bytes(free(place) - (96 << 10)))
        return _tried(lab, "the reports", project, place, {})


def _cache(lab: Lab) -> Row:
    project = lab.project("full-cache", CELLS)
    with small_disk(lab.folder / "small-cache", 16) as place:
        return _tried(lab, "the cache", project, place, {VARIABLE: str(place)})


def _temporary(lab: Lab) -> Row:
    project = lab.project("full-temporary", CELLS)
    with small_disk(lab.folder / "small-tmp", 1) as place:
        (place / "filler").write_bytes(bytes(free(place) - (64 << 10)))
        return _tried(lab, "temporary files", project, place, {"TMPDIR": str(place)})


def _engine(lab: Lab) -> Row:
    project = lab.project("full-engine", CELLS)
    with _filled(lab.engine.disk):
        first = lab.run(project)
    again = lab.run(project, "--resume")
    return _row("the engine's store", "the engine's store", first, again)


@contextmanager
def _filled(disk: Path) -> Iterator[None]:
    filler = disk / "filler"
    root("fallocate", "--length", str(free(disk) - (64 << 10)), str(filler))
    try:
        yield
    finally:
        root("rm", "--force", str(filler))


def _tried(lab: Lab, name: str, project: Path, place: Path, env: dict[str, str]) -> Row:
    """A run that finds a place full, and its resumption when there is room again."""
    first = lab.run(project, env=env)
    (place / "filler").unlink(missing_ok=True)
    root("mount", "-o", f"remount,size={ROOM}", str(place))
    return _row(name, str(place), first, lab.run(project, *resumed(project), env=env))


def _row(name: str, place: str, first: Ran, again: Ran) -> Row:
    named = "named" if place in first.said else "not named"
    why = next((line for line in first.said.splitlines() if NO_ROOM.search(line)), first.said[-300:])
    why += "" if again.code == EXIT_FAILED else again.said[-300:]
    verdicts = " ".join(
        item.judgement.verdict for item in sorted(again.results, key=lambda item: item.cell.id)
    )
    then = f"then exit {again.code}, {again.terminal}, {verdicts}"
    return matched(PART, name, FULL, f"exit {first.code}, {first.terminal}, {named}; {then}; {why}")
