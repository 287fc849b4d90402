"""Programs and libraries that a crashed process may have loaded from its work volume, kept with the trial."""

from pathlib import Path, PurePosixPath
from typing import IO, Final

from orchestrator.adapters.engine import Engine
from orchestrator.model import Outcome
from orchestrator.supervisor.paths import REPORT_FOLDER, WORK

FOLDER: Final = "files"
"""The folder of a trial's in which files of its container lie, each under its path there."""
LIMIT: Final = 1 << 29
"""Bytes of the work volume that are looked through."""
ELF: Final = b"\x7fELF"
CHUNK: Final = 1 << 20


def keep_programs(engine: Engine, container: str, folder: Path) -> str | None:
    """Copy each ELF file of the work volume to the trial's folder; returns a note where that is not possible.

    The volume goes with its container, and a core holds no more of a library than what it wrote to.
    Raises EngineError.
    """
    try:
        for member, content in engine.fetch(container, WORK, limit=LIMIT):
            path = PurePosixPath(member.name)
            if ".." in path.parts or path.is_absolute() or path.parts[1:2] == (REPORT_FOLDER,):
                continue
            start = content.read(len(ELF))
            if start == ELF:
                _keep(start, content, folder / FOLDER / path)
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"libraries in {WORK} were not kept, so frames in them have no names: {error}"
    return None


def _keep(start: bytes, content: IO[bytes], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as out:
        out.write(start)
        while piece := content.read(CHUNK):
            out.write(piece)


def may_have_core(outcome: Outcome) -> bool:
    """Whether a process of a trial may have left a core."""
    others = (other.crashed for other in outcome.others)
    return outcome.core_dumped or outcome.signal is not None or any(others)
