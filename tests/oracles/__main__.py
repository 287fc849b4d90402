"""Compile programs in many ways, let each die, and compare what four readers say of its core.

Prints a table: for each core the number of frames, and for each debugger `=` or its first difference. The
differences that are known, with who is right and why, are in docs/oracles.md; exit code 1 where one is not.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orchestrator import cores
from orchestrator.errors import CrashmatrixError
from tests.oracles.debuggers import Functions, Reader, debuggers
from tests.oracles.known import explain

FOLDER: Final = Path(__file__).parent
STORING: Final = 20.0
"""Seconds within which systemd-coredump stores a small core."""
OPTIONS: Final = (
    "-O0 -gdwarf-4",
    "-O0 -gdwarf-5",
    "-O2 -gdwarf-4",
    "-O2 -gdwarf-5",
    "-O2 -gdwarf-5 -flto",
    "-O2 -gdwarf-5 -gz=zlib",
    "-O2 -gdwarf-5 -gsplit-dwarf",
    "-O2 -gdwarf-4 -gsplit-dwarf",
    "-O2 -gdwarf-5 -static",
    "-O2 -g -fno-asynchronous-unwind-tables -fno-exceptions -no-pie",
    "-O1 -g -fomit-frame-pointer -s",
)
WAYS: Final = {"subject.c": ("touch", "handler", "abort", "wild"), "subject.cpp": ("lambda", "throw")}
COMPILERS: Final = {"subject.c": ("gcc", "clang"), "subject.cpp": ("g++", "clang++")}
PREVENTED: Final = {("subject.cpp", "-fno-exceptions")}
"""Options with which a source does not compile."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One program, how it was compiled, and how it dies."""

    compiler: str
    options: str
    source: str
    way: str

    def __str__(self) -> str:
        return f"{self.compiler} {self.options} {self.way}"


def main() -> int:
    """Exit code 1 where a debugger differs and docs/oracles.md does not know of it."""
    parser = argparse.ArgumentParser(prog="nox -s oracles --", description=__doc__)
    parser.add_argument("--drgn", type=Path, default=Path(sys.executable), help="a Python that has drgn")
    parser.add_argument("--only", default="", help="cases whose name contains this text")
    arguments = parser.parse_args()
    unknown = 0
    with tempfile.TemporaryDirectory(prefix="crashmatrix-oracles-") as folder:
        for case in cases():
            if arguments.only in str(case):
                unknown += compare(case, Path(folder), arguments.drgn)
    say(f"{unknown} differences that are not known")
    return int(unknown > 0)


def cases() -> Iterator[Case]:
    """All cases; those of one program follow each other."""
    for source, compilers in COMPILERS.items():
        for compiler in compilers:
            for options in OPTIONS:
                if any(source == where and option in options for where, option in PREVENTED):
                    continue
                for way in WAYS[source]:
                    yield Case(compiler=compiler, options=options, source=source, way=way)


def compare(case: Case, folder: Path, drgn: Path) -> int:
    """Print a case's row; returns the number of differences that are not known."""
    try:
        program = compiled(case, folder)
        core = died(program, case.way, folder)
    except (subprocess.CalledProcessError, CrashmatrixError) as error:
        say(f"{case}: {error}")
        return 1
    said = {name: read(reader, core, program) for name, reader in debuggers(drgn).items()}
    core.unlink()
    right, cells, unknown = said.pop("elf"), [], 0
    for name, functions in said.items():
        if functions == right:
            cells.append(f"{name} =")
            continue
        reasons = explain(name, str(case), right, functions)
        unknown += reasons is None
        why = "UNKNOWN" if reasons is None else ", ".join(reasons)
        cells.append(f"{name} {difference(right, functions)}: {why}")
    say(f"{case}: {len(right)} frames; {'; '.join(cells)}")
    return unknown


def difference(right: Functions, other: Functions) -> str:
    """Where the other one differs first."""
    for number, (mine, theirs) in enumerate(zip(right, other, strict=False)):
        if mine != theirs:
            return f"#{number} {theirs} for {mine}"
    return f"{len(other)} frames for {len(right)}"


def compiled(case: Case, folder: Path) -> Path:
    """The program, compiled once for all of its ways to die."""
    program = folder / "-".join([case.compiler, *case.options.split()]).replace("=", "-")
    if not program.exists():
        files = ["-w", "-o", str(program), str(FOLDER / case.source)]
        command = [case.compiler, *case.options.split(), *files]
        subprocess.run(command, check=True, cwd=folder, capture_output=True)
    return program


def died(program: Path, way: str, folder: Path) -> Path:
    """The core of a process that dies in this way, from systemd-coredump."""
    process = subprocess.Popen([program, way], stderr=subprocess.DEVNULL)
    process.wait()
    target, end = folder / "core", time.monotonic() + STORING
    while True:
        try:
            return cores.dump(str(process.pid), target).path
        except CrashmatrixError:
            if time.monotonic() > end:
                raise
            time.sleep(0.3)


def read(reader: Reader, core: Path, program: Path) -> Functions:
    """A debugger's answer; one that fails has none."""
    try:
        return reader(core, program)
    except (RuntimeError, CrashmatrixError, subprocess.TimeoutExpired) as error:
        return (f"failed ({error})",)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
