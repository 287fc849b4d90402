"""Causes: one for each bug that a maintainer would open, with all cells that show it.

The station `causes` makes them once a run; every report prints them.
"""

import re
from enum import StrEnum
from typing import Final

from orchestrator.model.base import SCHEMA, Integer, Value
from orchestrator.model.explanation import Finding
from orchestrator.model.result import Verdict
from orchestrator.model.scenario import scenario_files
from orchestrator.model.unobserved import FailedImage

_LINE: Final = re.compile(r"(?P<file>.+?):(?P<line>\d+)(?::\d+)?")


class CauseKind(StrEnum):
    """The kind of a cause. Within a verdict the worse kinds come first."""

    CRASH = "crash"
    """An unexpected crash, or another one than expected: one cause for each signature of a scenario."""
    HANG = "hang"
    """One cause for each thing that the main thread waits for."""
    MISSING = "missing crash"
    """An expected crash or hang did not happen."""
    ENDING = "wrong ending"
    """An unexpected end without a crash: another status, an exception, a missing message."""
    BUILD = "build failed"
    """An image could not be built, however many cells need it."""
    EVIDENCE = "evidence missing"
    """The evidence for a verdict is missing: a lost core, too few trials."""
    ENGINE = "engine failed"
    """The container engine failed or went away."""
    HOST = "host failed"
    """Any other failure of this host."""
    NOT_RUN = "not run"
    """Cells of the plan that did not start, or did not end, before the run was stopped."""


class CauseState(StrEnum):
    """How a cause compares with the earlier runs beside this one."""

    FIRST = "first seen"
    """No earlier run saw any of its cells, so it may be old."""
    NEW = "new"
    """The newest earlier run that saw its cells did not show it."""
    KNOWN = "known"
    """Earlier runs show it; `since` names the first of those that show it without a gap."""
    FIXED = "fixed"
    """An earlier run showed it, and all its cells pass now, or show another cause."""


class Where(Value):
    """The cells of a cause, as short rules over the axes; `text` has under 100 characters.

    `rules` are equally short expressions as for `-k`; more than one where the cells cannot tell them apart.
    """

    finding: Finding
    rules: tuple[str, ...] = ()
    text: str


class Place(Value):
    """A line of a file of the project, by a path relative to its folder."""

    file: str
    line: Integer | None = None

    @classmethod
    def of(cls, where: str, scenario: str) -> "Place":
        """The line that an expectation names, with its file as the project has it, wherever that lay."""
        found = _LINE.fullmatch(where)
        file, line = (found["file"], int(found["line"])) if found else (where, None)
        for own in scenario_files(scenario):
            if f"/{file}".endswith(f"/{own}"):
                return cls(file=own, line=line)
        return cls(file=file, line=line)


class Cause(Value):
    """One cause. All texts are plain, and may hold what a program wrote: a report escapes them."""

    id: str
    """The same in each run that shows this cause. It does not depend on numbers, paths or cells."""
    kind: CauseKind
    verdict: Verdict | None
    """The verdict of its cells; None where they did not run."""
    state: CauseState | None = None
    """None where there is no earlier run to compare with."""
    since: str | None = None
    """The earliest run that shows it, where it is known; the last that showed it, where it is fixed."""
    scenario: str | None = None
    """None if the cause does not belong to a scenario."""
    title: str
    """What happened, in under 100 characters."""
    expected: str = ""
    """What was expected instead, in a few words; empty where nothing could be observed."""
    detail: str = ""
    """The example's whole reason."""
    signature: str | None = None
    count: Integer
    """The number of its cells."""
    of: Integer
    """The number of planned cells that could show it: those of its scenario, or all."""
    cells: tuple[str, ...]
    """Their ids in the plan's order; of a fixed cause those that showed it."""
    where: Where | None = None
    """None if no rule describes the cells: they did not run, the engine was lost, or the cause is fixed."""
    example: str
    """The id of the cell with the best evidence."""
    link: str
    """The page of the example, in the run's folder."""
    place: Place | None = None
    """The line of the rule that states the example's expectation."""
    image: FailedImage | None = None
    """Of a failed build: the image, the step, the error, the telling lines and the log."""
    command: str
    """The shell command that runs its cells again."""


class Causes(Value):
    """causes.json of a run's folder: worst and newest first, fixed ones last."""

    schema_version: Integer = SCHEMA
    run: str
    causes: tuple[Cause, ...] = ()
