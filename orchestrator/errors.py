"""Every error that ends a command: what happened, where, what to do next, and the exit code.

Exit codes (docs/design.md): 0 all as expected, 1 some cell failed, 2 the user's input is wrong,
3 the host or the engine failed. Only codes 2 and 3 are errors; 0 and 1 are verdicts.
"""

from dataclasses import dataclass
from typing import ClassVar, Final

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
EXIT_INPUT: Final = 2
EXIT_HOST: Final = 3


@dataclass(frozen=True, kw_only=True)
class Location:
    """A place in a file that a person wrote; line and column count from 1."""

    file: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        parts = [self.file, self.line, self.column]
        return ":".join(str(part) for part in parts if part is not None)


class CrashmatrixError(Exception):
    """The base of all errors that a user sees as one line; never raised itself."""

    exit_code: ClassVar[int] = EXIT_HOST

    def __init__(self, what: str, *, hint: str, where: Location | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint
        self.where = where

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{place}{self.what}; {self.hint}"


class InputError(CrashmatrixError):
    """What the user wrote (a file, a flag, an expression) cannot be taken as it is."""

    exit_code = EXIT_INPUT


class HostError(CrashmatrixError):
    """This host lacks something or refused something; the question was not asked."""


class EngineError(HostError):
    """The container engine failed or went away. Never a verdict on a crash."""


class EngineUnreachableError(EngineError):
    """No container engine answers."""


class BuildError(HostError):
    """An image could not be built; cells that need it are `error`, others go on."""


class ToolError(HostError):
    """A program on the host is missing or failed."""


class CoreError(InputError):
    """A file that should be a core is none, or is too damaged to tell anything."""
