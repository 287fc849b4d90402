"""The interface of an instrument: one value for each tool."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from orchestrator.model import Arch, CellEnvironment, InstrumentFinding, ProbeSource
from orchestrator.supervisor.paths import REPORT_FOLDER

Parsed = tuple[tuple[InstrumentFinding, ...], str | None]
"""Findings in their order, and a note on what is missing or unread; None if nothing is."""


@dataclass(frozen=True, kw_only=True)
class Instrument:
    """A tool that watches the process under test and reports more than the process's exit.

    A tool is installed as `packages` of the base's own suite and put before the tested process's command as
    `argv`, or it is compiled into the tested process by the base's own compiler with `compiler_options`.
    """

    name: str
    """Its value of the axis `instrument`."""
    output: str
    """The name of its output file in the trial's folder, with the suffix that a browser shows as text."""
    parse: Callable[[str], Parsed]
    """Reads its output, which is untrusted: the program under test can write to the same file."""
    lacks: Callable[[CellEnvironment, ProbeSource | None], str | None]
    """Why it cannot watch a probe in an environment, or Python without a probe; None if it can."""
    packages: tuple[str, ...] = ()
    compiler_options: tuple[str, ...] = ()
    argv: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that the process under test gets."""
    file_environment: Mapping[str, str] = field(default_factory=dict)
    """Text appended to those variables so that its output goes to a file. Left out of the command that a
    person runs by hand, who reads the output beside the program's own."""
    written: Callable[[int | None], str] | None = None
    """The path of the file that it writes about the process of a pid, relative to the working directory;
    None: `output` in the supervisor's folder."""
    slowdown: float = 1
    """The factor by which a trial's time limit grows."""
    no_core: str | None = None
    """Why a core of the process is not read; None: the core is the program's own."""

    def path(self, pid: int | None) -> str:
        """Where it writes about the process `pid`, relative to the process's working directory."""
        return self.written(pid) if self.written else in_report_folder(self.output)


def in_report_folder(name: str) -> str:
    """A file beside the supervisor's report, which outlives the cleanup between two trials."""
    return f"{REPORT_FOLDER}/{name}"


def lacks_package(name: str, environment: CellEnvironment) -> str | None:
    """Why an instrument from a Debian package cannot watch a process there; None if it can."""
    base = environment.base
    if environment.arch is not Arch.X86_64:
        return f"instrument {name} is known to work on x86_64 only; qemu-user knows no ptrace"
    if base.debian is None or base.pulled:
        return f"instrument {name} is installed on Debian's bases only"
    return None
