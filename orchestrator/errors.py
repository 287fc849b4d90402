"""Every error that ends a command: what happened, where, what to do next, and the exit code.

Exit codes (docs/design.md): 0 all as expected, 1 some cell failed, 2 the user's input is wrong,
3 the host or the engine failed. Only codes 2 and 3 are errors; 0 and 1 are verdicts.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Final

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
EXIT_INPUT: Final = 2
EXIT_HOST: Final = 3
MOST_LINES: Final = 50
"""Mistakes that are shown at once."""


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
    """The base of all errors that a user sees, one line each; never raised itself."""

    exit_code: ClassVar[int] = EXIT_HOST

    def __init__(self, what: str, *, hint: str, where: Location | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint
        self.where = where

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{place}{self.what}; {self.hint}"


@contextmanager
def errors_at(where: Location | None) -> Iterator[None]:
    """Give the errors of a block of code the place of what they concern, unless they have one."""
    try:
        yield
    except CrashmatrixError as error:
        error.where = error.where or where
        raise


class InputError(CrashmatrixError):
    """What the user wrote (a file, a flag, an expression) cannot be taken as it is; always one line."""

    exit_code = EXIT_INPUT

    def __str__(self) -> str:
        return " ".join(super().__str__().splitlines())


class NoCellError(InputError):
    """What the user chose leaves no cell to run."""


class MultipleInputError(InputError):
    """Several mistakes in what the user wrote; as text one line each, in the order of their places."""

    def __init__(self, errors: Sequence[InputError]) -> None:
        super().__init__(errors[0].what, hint=errors[0].hint, where=errors[0].where)
        self.errors: Final = tuple(errors)

    def __str__(self) -> str:
        lines = [str(error) for error in self.errors[:MOST_LINES]]
        more = len(self.errors) - MOST_LINES
        return "\n".join([*lines, f"and {more:,} more mistakes"] if more > 0 else lines)


class ErrorList:
    """Collects the mistakes of a file, so that all of them are reported and not one a run."""

    def __init__(self) -> None:
        self._errors: dict[str, InputError] = {}

    def add(self, *errors: InputError) -> None:
        """Keep mistakes; one that is the same text at the same place counts once."""
        for error in errors:
            for one in error.errors if isinstance(error, MultipleInputError) else (error,):
                self._errors.setdefault(str(one), one)

    @contextmanager
    def collect(self) -> Iterator[None]:
        """Keep the MultipleInputError of a block of code, and continue after the block."""
        try:
            yield
        except InputError as error:
            self.add(error)

    def raise_all(self) -> None:
        """Raise what was collected: nothing, an InputError, or several as MultipleInputError."""
        files = list(dict.fromkeys(error.where.file for error in self._errors.values() if error.where))

        def place(error: InputError) -> tuple[int, int, int]:
            where = error.where
            return (files.index(where.file), where.line or 0, where.column or 0) if where else (-1, 0, 0)

        errors = sorted(self._errors.values(), key=place)
        if errors:
            raise errors[0] if len(errors) == 1 else MultipleInputError(errors)


class HostError(CrashmatrixError):
    """This host lacks something or refused something; the question was not asked."""


class NotAskedError(HostError):
    """A question was not asked, since what is asked before it failed."""


class NotStartedError(HostError):
    """A container was not started, since the run was stopped before."""


class EngineError(HostError):
    """The container engine failed or went away. Never a verdict on a crash."""


class UnreportedError(EngineError):
    """A container ended, and how its process ended is not known. It is named by host name and id."""

    def __init__(self, error: EngineError, *, hostname: str, container: str) -> None:
        super().__init__(error.what, hint=error.hint)
        self.hostname = hostname
        self.container = container


class EngineGoneError(EngineError):
    """The connection to the engine broke; it may come back."""


class EngineUnreachableError(EngineError):
    """No container engine answers."""


@dataclass(frozen=True, kw_only=True)
class FailedBuild:
    """The image whose build failed: the step of its recipe, the telling lines of its log, where that is.

    `folder` is the image's own among those of a run's images.
    """

    role: str
    folder: str
    step: str | None
    lines: tuple[str, ...]


class BuildError(HostError):
    """An image could not be built; cells that need it are `error`, others go on.

    `failed` is what is known of the build: of the image itself, or of the one that it is built on. Its lines
    are shown once an image and not once a cell.
    """

    def __init__(
        self, what: str, *, hint: str, where: Location | None = None, failed: FailedBuild | None = None
    ) -> None:
        super().__init__(what, hint=hint, where=where)
        self.failed: Final = failed


class ToolError(HostError):
    """A program on the host is missing or failed."""


class TransientError(ToolError):
    """A step failed that may work when it is tried again: the network may be at fault."""


class CoreError(InputError):
    """A file that should be a core is none, or is too damaged to tell anything."""
