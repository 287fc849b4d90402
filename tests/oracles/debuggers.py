"""What each debugger says of a core: the functions of the crashed thread, innermost first, up to main."""

import json
import os
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from orchestrator.crash.stacks.gdb.run import read_with_gdb
from orchestrator.model.frame_names import plain_name
from orchestrator.pipeline.analyze import AnalyzeRequest, analyze_core

SCRIPT: Final = Path(__file__).with_name("drgn_script.py")
SECONDS: Final = 120
MAIN: Final = "main"
TRAMPOLINE: Final = "__restore_rt"
_LLDB_FRAME: Final = re.compile(r"^[ *]*FRAME \d+ ?(.*)$", re.MULTILINE)
_NAMELESS: Final = re.compile(r"0x[0-9a-f]+|\?+|___lldb_unnamed_symbol.*|")
"""How the debuggers write the name of a frame that has none."""

Functions = tuple[str, ...]
Reader = Callable[[Path, Path], Functions]


def ours(core: Path, program: Path) -> Functions:
    """This program, without any debugger."""
    crash = analyze_core(AnalyzeRequest(core=str(core), program=program, backends=("elf",)))
    thread = crash.crashed_thread
    names = [frame.function for frame in thread.native if not frame.trampoline] if thread else []
    return _plain(names)


def gdb(core: Path, program: Path) -> Functions:
    """gdb, with the files of this host."""
    (thread, *_) = read_with_gdb(core, Path("/"), program).threads
    return _plain([frame.function for frame in thread.frames if not frame.trampoline])


def lldb(core: Path, program: Path) -> Functions:
    """lldb, in batch."""
    orders = (
        # A part in braces is left out where it is not known, not the whole line.
        'settings set frame-format "FRAME ${frame.index} {${function.name}}\\n"',
        f'target create --core "{core}" "{program}"',
        "bt",
    )
    command = ["lldb", "--batch", "--no-lldbinit", *(part for order in orders for part in ("-o", order))]
    # Of an inlined call lldb names the function around it first.
    names = [name.rpartition(" [inlined] ")[2] for name in _LLDB_FRAME.findall(_run(command))]
    # Where a handler returns to, which the others show as a mark and not as a frame.
    return _plain([name for name in names if name != TRAMPOLINE])


def drgn(core: Path, program: Path, python: Path) -> Functions:
    """drgn, in an environment of its own."""
    return _plain(json.loads(_run([str(python), str(SCRIPT), str(core), str(program)])))


def debuggers(drgn_python: Path) -> Mapping[str, Reader]:
    """All of them by name; this program first."""
    return {"elf": ours, "gdb": gdb, "lldb": lldb, "drgn": lambda core, file: drgn(core, file, drgn_python)}


def _run(command: Sequence[str]) -> str:
    # Debian's lldb 14 looks for its own Python modules where they are not.
    modules = ":".join(map(str, Path("/usr/lib").glob("llvm-*/lib/python3*/dist-packages")))
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=SECONDS, check=False, stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": modules},
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stderr.strip()[-300:]}")
    return done.stdout


def _plain(names: Sequence[str | None]) -> Functions:
    """Names without arguments, up to main; `?` for a frame that has none."""
    plain = ["?" if not name or _NAMELESS.fullmatch(name) else plain_name(name) for name in names]
    end = plain.index(MAIN) + 1 if MAIN in plain else len(plain)
    return tuple(plain[:end])
