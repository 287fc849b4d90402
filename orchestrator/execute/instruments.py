"""What an instrument wrote in a container, fetched and parsed. All of it is untrusted."""

import re
from pathlib import Path
from typing import Final

from orchestrator.execute.fate import FATE_FOLDER
from orchestrator.model import Evidence, Instrument, Sighting
from orchestrator.tools.engine import Engine

LIMIT: Final = 16 << 20
"""Bytes of an instrument's output that are read; strace writes about 100 for each failed call."""
FIRST: Final = 500
"""Characters of the first line of a kind."""
_CALL: Final = re.compile(
    r"^\d+ +(?P<call>[a-z0-9_]{1,40})\(.*\) += -1 (?P<error>E[A-Z0-9]{1,20}) \([^()]*\)$"
)
"""A failed call in strace's output, behind the thread's id (strace(1))."""
_RESUMED: Final = re.compile(
    r"^\d+ +<\.\.\. (?P<call>[a-z0-9_]{1,40}) resumed>.*\) += -1 (?P<error>E[A-Z0-9]{1,20}) \([^()]*\)$"
)
"""The same, where another thread's line came between the call's beginning and its end."""


def fetch_evidence(
    engine: Engine, container: str, instrument: Instrument, *, work: str, folder: Path, root: Path
) -> Evidence:
    """Keep what the instrument wrote in the trial's `folder`, and parse it."""
    name = f"{instrument}.txt"
    try:
        files = engine.fetch(container, f"{work}/{FATE_FOLDER}/{name}", limit=LIMIT)
        content = next((file.read() for _, file in files), b"")
    except FileNotFoundError:
        return Evidence(instrument=instrument, note=f"{instrument} wrote nothing")
    except OSError:
        return Evidence(instrument=instrument, note=f"{instrument} wrote more than {LIMIT >> 20} MiB")
    path = folder / name
    path.write_bytes(content)
    sightings = parse_strace(content.decode(errors="replace"))
    return Evidence(instrument=instrument, sightings=sightings, path=str(path.relative_to(root)))


def parse_strace(text: str) -> tuple[Sighting, ...]:
    """The failed calls by call and error, in the order in which each came first."""
    counts: dict[str, int] = {}
    first: dict[str, str] = {}
    for line in text.splitlines():
        match = _CALL.match(line) or _RESUMED.match(line)
        if match:
            kind = f"{match['call']} {match['error']}"
            counts[kind] = counts.get(kind, 0) + 1
            first.setdefault(kind, line[:FIRST])
    return tuple(Sighting(kind=kind, count=count, first=first[kind]) for kind, count in counts.items())
