"""Steps: the changes that setup makes, as values with their own description."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from orchestrator.host.record import Entry


class Goal(StrEnum):
    """The goals of steps. A step whose goal is met already is left out."""

    PACKAGES = "packages"
    ENGINE = "engine"
    ACCESS = "access"
    JOURNALD = "journald"
    COREDUMP = "coredump"
    CORE_PATTERN = "core_pattern"
    PIPE_LIMIT = "pipe_limit"
    CORE_ROOM = "core_room"
    BINFMT = "binfmt"
    ARM64 = "arm64"


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command line that runs as root; `stdin` is the text it is given.

    If it `may_fail`, its error is printed and the next command decides.
    """

    args: tuple[str, ...]
    stdin: str | None = None
    may_fail: bool = False

    def __str__(self) -> str:
        line = " ".join(self.args)
        return line if self.stdin is None else f"echo '{self.stdin}' | {line}"


@dataclass(frozen=True, kw_only=True)
class Daemon:
    """A program that a step leaves running, in its own session."""

    name: str
    args: tuple[str, ...]
    pid_file: Path
    log: Path

    def __str__(self) -> str:
        return f"{' '.join(self.args)} >>{self.log} 2>&1 &"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One change of the host: in words, as command lines, what records it, and how it is undone."""

    goal: Goal
    change: str
    undone: str
    commands: tuple[Command, ...] = ()
    daemon: Daemon | None = None
    entries: tuple[Entry, ...] = ()
    packages: tuple[str, ...] = ()
    deadline: float = 30
    """Seconds within which the goal must be met after the commands."""
    optional: bool = False
    """It is not required: where it fails, setup says so and continues."""

    @property
    def lines(self) -> tuple[str, ...]:
        """The command lines, as a person would type them as root."""
        daemons = () if self.daemon is None else (str(self.daemon),)
        return (*map(str, self.commands), *daemons)
