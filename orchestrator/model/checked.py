"""The findings of a check: check.json of a run's folder."""

from enum import StrEnum
from typing import Final

from orchestrator.model.base import Integer, Value
from orchestrator.model.user_tests import CaseOutcome

SCHEMA: Final = 3
"""Version of check.json. Version 2 has no number, and `seen` and `said` in place of `result` and `reason`."""


class HazardResult(StrEnum):
    """The result of a cell of a check, worst first."""

    CRASHES = "crashes"
    HANGS = "hangs"
    INVALID = "invalid access"
    """valgrind reports an invalid read, write or free."""
    FAILS = "fails"
    """The process ended with an error of its own."""
    NO_RESULT = "no result"
    """No image, no engine, a lost core."""
    NO_IMPORT = "import fails"
    """The package cannot be imported there: its own error."""
    REFUSED = "refused"
    """The package, or this Python, says that it does not support it."""
    SAFE = "safe"

    @property
    def is_hit(self) -> bool:
        """Whether it is a defect of the package."""
        return self in (HazardResult.CRASHES, HazardResult.HANGS, HazardResult.INVALID)

    @property
    def is_blind(self) -> bool:
        """Whether it says nothing about the package."""
        return self in (HazardResult.NO_RESULT, HazardResult.NO_IMPORT)


class CheckedCell(Value):
    """One hazard in one environment."""

    cell: str
    hazard: str
    environment: str
    result: HazardResult
    reason: str
    """The reason, in a sentence of the verdict or of the script."""
    signature: str | None = None
    """The key of a crash or a hang; equal crashes have equal keys."""
    gil: str | None = None
    """Whether the GIL of a free-threaded interpreter is on after the import."""
    tests: dict[CaseOutcome, Integer] = {}
    """How many of the package's own tests ended how."""


class CheckedPackage(Value):
    """All cells of one package."""

    name: str
    distribution: str
    versions: tuple[str, ...]
    """The versions that were installed, over all environments."""
    names: tuple[str, ...]
    """The imported module."""
    modules: Integer
    extensions: Integer
    """The number of native modules of the distribution; 0 for pure Python."""
    cells: tuple[CheckedCell, ...]
    excluded: tuple[str, ...]
    """Why environments are left out, for example because there is no wheel."""

    @property
    def hits(self) -> tuple[CheckedCell, ...]:
        """The cells that crash or hang."""
        return tuple(item for item in self.cells if item.result.is_hit)


class CheckedHit(Value):
    """A crash or hang of a package, one for each signature, and the result of repeating it."""

    package: str
    result: HazardResult
    signature: str | None
    reason: str
    hazards: tuple[str, ...]
    cells: tuple[str, ...]
    """All cells that show it; the first was repeated."""
    where: str
    """The rule for its cells, as a sentence."""
    trials: Integer = 0
    """The number of repetitions."""
    again: Integer = 0
    """The repetitions that showed it again."""
    counts: bool = True
    """Whether it is believed: a hang that no repetition shows may be due to load on the host."""
    report: str | None = None
    """Its bug report, a file of the run's folder."""


class Checked(Value):
    """check.json of a run's folder: the findings of a check."""

    schema_version: Integer = SCHEMA
    run: str
    packages: tuple[CheckedPackage, ...]
    hits: tuple[CheckedHit, ...] = ()
    questions: dict[str, str] = {}
    """The question of each hazard that was tested, by its name."""
