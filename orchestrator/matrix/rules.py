"""The rules of matrix.yaml and scenario.yaml: parsed expressions with their consequences."""

from dataclasses import dataclass

from orchestrator.matrix.expression import Expression
from orchestrator.model import Expectation


@dataclass(frozen=True, kw_only=True)
class Exclusion:
    """Cells that do not run, with the reason and the place of the entry."""

    when: Expression
    reason: str
    where: str


@dataclass(frozen=True, kw_only=True)
class LauncherOptions:
    """Options of the launcher's program, uWSGI's or the interpreter's, for the cells that `when` matches."""

    when: Expression
    options: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ExpectationRule:
    """An expectation for the cells that `when` matches."""

    when: Expression
    expectation: Expectation
    clean: bool
    """Whether the status is the launcher's clean exit status (`status: clean`)."""

    def of(self, clean_status: int) -> Expectation:
        """The expectation of a cell whose launcher has this clean exit status."""
        if not self.clean:
            return self.expectation
        return self.expectation.model_copy(update={"status": clean_status})


@dataclass(frozen=True, kw_only=True)
class ScenarioRules:
    """All rules of a scenario; `file` is its scenario.yaml."""

    file: str
    exclusions: tuple[Exclusion, ...]
    options: tuple[LauncherOptions, ...]
    expect: tuple[ExpectationRule, ...]
    default: ExpectationRule | None = None
    """The expectation of a cell that no rule matches; None if each cell needs a rule."""
