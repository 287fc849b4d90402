"""The backend `pystack`: the Python frames of each thread, and the native frames that run them."""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from orchestrator.binary.core.corefile import Core
from orchestrator.crash.stacks.python.worker import HINT, WORKERS
from orchestrator.crash.stacks.reading import Frame
from orchestrator.errors import ToolError
from orchestrator.model import PythonFrame
from orchestrator.model.frame_names import is_interpreter_file

PYSTACK: Final = "pystack"
"""This backend's name; it reads Python frames beside any backend that reads native ones."""
_LOOP: Final = re.compile(r"_?PyEval_EvalFrameDefault(\.[a-z0-9.]+)?")
"""The evaluation loop; from 3.11 on one native frame of it runs a Python frame and those that this calls."""


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class EvaluatedFrame(_Answer):
    """A Python frame; `entry`: an evaluation loop was entered for it."""

    function: str
    file: str
    line: int
    entry: bool


class PythonThread(_Answer):
    """A thread's frames, outermost first, as pystack has them; `gil`: it has the GIL."""

    tid: int
    gil: bool = False
    frames: tuple[EvaluatedFrame, ...]


class PythonReading(_Answer):
    """All Python threads of a core."""

    version: str
    threads: tuple[PythonThread, ...]


def runs_python(core: Core) -> bool:
    """Whether the interpreter is among the modules, as the program or as a library."""
    return any(is_interpreter_file(module.path) for module in core.modules)


def prepare_python() -> None:
    """Start what reads Python stacks, ahead of the reading, in which a failure to start it shows."""
    with suppress(ToolError):
        WORKERS.prepare()


def read_python(path: Path, core: Core, root: Path) -> PythonReading:
    """The Python stacks of a plain core; raises ToolError where pystack cannot read them."""
    program = core.executable
    file = root / program.path.lstrip("/") if program else None
    if file is None or not file.is_file():
        raise ToolError("the program's own file is not in the sysroot", hint=HINT)
    folders = ":".join(_interpreter_folders(core, root)) or str(root)
    done = WORKERS.read(path, file, folders)
    if done.status != 0 and not core.lists_files:
        raise ToolError("it finds no interpreter in a core that qemu-user wrote", hint=HINT)
    if done.status != 0:
        said = done.complaint.splitlines()[-1:] or [f"it ended with status {done.status}"]
        raise ToolError(said[0][:300], hint=HINT)
    return parse_answer(done.stdout)


def _interpreter_folders(core: Core, root: Path) -> list[str]:
    """The folders of libpython in the sysroot, where the program loads one (uWSGI, an embedding program).

    pystack looks for a library by its name in these folders and not below them. Without it, pystack finds the
    Python frames by a search of the heap, and not which thread holds the GIL.
    """
    folders = {
        str(root / module.path.lstrip("/").rpartition("/")[0])
        for module in core.modules
        if is_interpreter_file(module.path) and ":" not in module.path and ".." not in module.path.split("/")
    }
    return sorted(folder for folder in folders if Path(folder).is_dir())


def parse_answer(raw: bytes) -> PythonReading:
    """Parse what script.py wrote; raises ToolError."""
    try:
        return PythonReading.model_validate_json(raw)
    except ValidationError as error:
        raise ToolError(f"its answer cannot be read: {error.errors()[0]['msg']}", hint=HINT) from error


def merge(frames: Sequence[EvaluatedFrame], native: Sequence[Frame]) -> tuple[PythonFrame, ...]:
    """Python frames, innermost first, each with the number of the native frame that runs it.

    The number is None where the loops on the native stack do not correspond to those that Python entered, for
    example on a stack that ends early.
    """
    loops = [number for number, frame in enumerate(native) if _is_loop(frame)]
    entered = sum(frame.entry for frame in frames)
    numbers: Iterator[int | None] = iter(loops if len(loops) == entered else [None] * entered)
    number = next(numbers, None)
    merged = []
    for frame in reversed(frames):
        merged.append(PythonFrame(function=frame.function, file=frame.file, line=frame.line, native=number))
        if frame.entry:
            number = next(numbers, None)
    return tuple(merged)


def _is_loop(frame: Frame) -> bool:
    return bool(frame.function and _LOOP.fullmatch(frame.function))
