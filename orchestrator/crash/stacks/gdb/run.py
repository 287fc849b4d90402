"""The one module that runs gdb: a core and a sysroot to the frames of every thread.

A core that lists no files, as qemu-user's, is placed for gdb. By itself gdb 13 compares the program's
headers with those in memory; such a core does not hold that page, gdb takes it for zeros, finds another
program there, and leaves everything at the addresses it was linked to.

The core is hostile. gdb reads no init file, loads nothing that a file asks it to, talks to no debug
server, takes libraries and debug files from the sysroot only (else it silently takes the host's,
and prints names that are not there), has limits on time, memory and what it writes, and a jail.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from orchestrator.adapters import process
from orchestrator.adapters.jail import Jail
from orchestrator.crash.stacks.gdb.complaints import complaints_in
from orchestrator.crash.stacks.gdb.indexes import index_folder
from orchestrator.crash.stacks.limits import MAX_ANSWER, limited
from orchestrator.errors import ToolError, TransientError
from orchestrator.invocation import command
from orchestrator.scratch import scratch_folder

PROGRAMS: Final = ("gdb-multiarch", "gdb")
SCRIPT: Final = Path(__file__).with_name("script.py")
TIMEOUT: Final = 60
"""Seconds; a core of seven threads takes 0.3."""
MAX_FRAMES: Final = 256
"""Frames of a thread that are read, innermost first."""
MAX_INDEX: Final = 1 << 29
"""Bytes of a file that gdb may write; CPython's index has 1.6 MB, its debug file 10."""
HINT: Final = f"install gdb-multiarch (`{command('setup')}` does); the core is kept"
SLOW_HINT: Final = f"the core is kept; read it with `{command('analyze')}` when the machine has less to do"


@dataclass(frozen=True, kw_only=True)
class PlacedFile:
    """An ELF file, and the number that loading added to its addresses."""

    file: Path
    bias: int
    program: bool = False
    """Whether it is the executable; the others are what that has loaded."""


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class GdbFrame(_Answer):
    """A frame as script.py writes it. `debug`: the function is known from debug information."""

    pc: int
    sp: int | None
    function: str | None
    start: int | None
    debug: bool
    file: str | None
    line: int | None
    trampoline: bool
    inline: bool
    tail_call: bool = False


class GdbThread(_Answer):
    """A thread; `registers` by the number of the frame that has them."""

    tid: int
    crashed: bool
    frames: tuple[GdbFrame, ...]
    registers: dict[int, dict[str, int]]
    stopped: str | None
    more: bool


class GdbAnswer(_Answer):
    """All that gdb said. `complaints` are the lines of its stderr that limit the evidence.

    `architecture` is what it read the core as, in its own words; None of an answer that does not say.
    """

    version: str
    architecture: str | None = None
    threads: tuple[GdbThread, ...]
    complaints: tuple[str, ...] = ()


def read_with_gdb(
    core: Path, sysroot: Path, program: Path | None, placed: Sequence[PlacedFile] = ()
) -> GdbAnswer:
    """Read a plain core with gdb; raises ToolError where gdb is missing, fails, or takes too long.

    `sysroot` holds the libraries at their paths in the container, `program` is the executable's file.
    Where files are `placed`, gdb looks for none itself.
    """
    gdb = next((path for name in PROGRAMS if (path := process.find(name))), None)
    if gdb is None:
        raise ToolError("gdb is not installed", hint=HINT)
    # gdb is started in a folder of its own, where names relative to ours lead nowhere.
    core, sysroot, program = core.absolute(), sysroot.absolute(), program and program.absolute()
    with scratch_folder("gdb") as folder:
        answer, indexes = folder / "answer.json", index_folder(sysroot, folder)
        orders = _place(placed, folder) if placed else _load(program)
        orders = [*_arguments(core, sysroot, indexes), *orders, "-x", str(SCRIPT)]
        try:
            done = process.run(
                [*limited(written=MAX_INDEX), gdb, *orders],
                hint=HINT, timeout=TIMEOUT, cwd=folder, check=False,
                jail=Jail(writable=(folder, indexes)),
                env={
                    "CRASHMATRIX_OUT": str(answer), "CRASHMATRIX_FRAMES": str(MAX_FRAMES),
                    "HOME": str(folder), "XDG_CACHE_HOME": str(folder), "DEBUGINFOD_URLS": "",
                    "LC_ALL": "C.UTF-8",
                },
            )  # fmt: skip
        except TransientError as error:
            raise TransientError(f"gdb did not end within {TIMEOUT:g} s", hint=SLOW_HINT) from error
        said = done.stderr.decode(errors="replace")
        if not answer.exists() or answer.stat().st_size > MAX_ANSWER:
            raise ToolError(f"gdb could not read the core: {_last_line(said)}", hint="the core is kept")
        return parse_answer(answer.read_bytes(), complaints_in(said))


def parse_answer(raw: bytes, complaints: tuple[str, ...] = ()) -> GdbAnswer:
    """Parse what script.py wrote; raises ToolError."""
    try:
        return GdbAnswer.model_validate_json(raw).model_copy(update={"complaints": complaints})
    except ValidationError as error:
        why = error.errors()[0]["msg"]
        raise ToolError(f"gdb's answer cannot be read: {why}", hint="the core is kept") from error


def _arguments(core: Path, sysroot: Path, indexes: Path) -> list[str]:
    early = [
        "set auto-load off", "set auto-load safe-path /nonexistent", "set debuginfod enabled off",
        f"set index-cache directory {indexes}", "set index-cache enabled on",
        "set libthread-db-search-path /nonexistent", f"set sysroot {sysroot}",
        f"set debug-file-directory {sysroot}/usr/lib/debug", "set print frame-arguments none",
        "set backtrace past-main on",
    ]  # fmt: skip
    return ["-nx", "-nh", "-batch", *_each("-iex", early), f"--core={core}"]


def _load(program: Path | None) -> list[str]:
    return [f"--se={program}"] if program else []


def _place(placed: Sequence[PlacedFile], folder: Path) -> list[str]:
    """Orders that load files where they were, by links in `folder`, gdb's own: a name might be an order.

    `exec-file` has gdb read code from files at all, and `symbol-file` moves the program's with its names.
    """
    for number, item in enumerate(placed):
        (folder / f"placed-{number}").symlink_to(item.file)
    orders = [f"exec-file placed-{number}" for number, item in enumerate(placed) if item.program]
    orders += [_order(number, item) for number, item in enumerate(placed)]
    return [*_each("-iex", ["set auto-solib-add off"]), *_each("-ex", orders)]


def _order(number: int, item: PlacedFile) -> str:
    add = "" if item.program else "add-"
    return f"{add}symbol-file placed-{number} -o {item.bias:#x}"


def _each(option: str, orders: Iterable[str]) -> list[str]:
    return [part for order in orders for part in (option, order)]


def _last_line(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it said nothing"
