"""The output of a cell's instrument, fetched from the container and parsed. All of it is untrusted."""

from pathlib import Path
from typing import Final

from orchestrator.adapters.engine import Engine
from orchestrator.instruments import Instrument
from orchestrator.model import Evidence
from orchestrator.supervisor.paths import WORK

LIMIT: Final = 16 << 20
"""Bytes of an instrument's output that are read; strace writes about 100 for each failed call."""


def fetch_evidence(
    engine: Engine, container: str, instrument: Instrument, *, pid: int | None, folder: Path, root: Path
) -> Evidence:
    """Keep in the trial's `folder` what the instrument wrote of the process `pid`, and parse it.

    The path in the evidence is relative to `root`, the run's folder. Raises EngineError.
    """
    name = instrument.name
    try:
        files = engine.fetch(container, f"{WORK}/{instrument.path(pid)}", limit=LIMIT)
        content = next((file.read() for _, file in files), b"")
    except FileNotFoundError:
        return Evidence(instrument=name, note=f"{name} wrote nothing")
    except OSError:
        return Evidence(instrument=name, note=f"{name} wrote more than {LIMIT >> 20} MiB")
    path = folder / instrument.output
    path.write_bytes(content)
    findings, note = instrument.parse(content.decode(errors="replace"))
    return Evidence(instrument=name, findings=findings, path=str(path.relative_to(root)), note=note)
