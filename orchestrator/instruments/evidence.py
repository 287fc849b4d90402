"""What an instrument wrote in a container, fetched and parsed. All of it is untrusted."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from orchestrator.adapters.engine import Engine
from orchestrator.instruments.asan import parse_asan
from orchestrator.instruments.valgrind import parse_valgrind
from orchestrator.model import Evidence, Instrument, InstrumentFinding
from orchestrator.model.container import REPORT_FOLDER

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


FILES: Final = {
    Instrument.STRACE: "strace.txt",
    Instrument.VALGRIND: "valgrind.xml",
    Instrument.ASAN: "asan.txt",
}
"""What is kept of each. The supervisor has them written under these names in the report's folder, but for
AddressSanitizer, which is told by its options, and writes a file for each process."""
_ASAN: Final = {
    # SIGABRT and a core, where it would end the process with status 1. Its shadow memory is not in the core.
    "abort_on_error": "1",
    "disable_coredump": "0",
    # Libraries have no frame pointers, by which it unwinds otherwise.
    "fast_unwind_on_malloc": "0",
    "detect_leaks": "0",
    # What it counted, at the end of a program in which it saw nothing: else its silence would prove nothing.
    "atexit": "1",
}
ENVIRONMENT: Final[Mapping[Instrument, Mapping[str, str]]] = {
    # CPython's own allocator hands out parts of large blocks, of which neither knows anything.
    Instrument.VALGRIND: {"PYTHONMALLOC": "malloc"},
    Instrument.ASAN: {
        "PYTHONMALLOC": "malloc",
        "ASAN_OPTIONS": ":".join(f"{name}={value}" for name, value in _ASAN.items()),
    },
}
TO_FILE: Final = {"ASAN_OPTIONS": ":log_path=/work/asan"}
"""What is added to that, but for a person, who reads the report where the program's own messages are."""


def fetch_evidence(
    engine: Engine,
    container: str,
    instrument: Instrument,
    *,
    pid: int | None,
    work: str,
    folder: Path,
    root: Path,
) -> Evidence:
    """Keep what the instrument wrote of the process `pid` in the trial's `folder`, and parse it."""
    name = FILES[instrument]
    written = f"asan.{pid}" if instrument is Instrument.ASAN else f"{REPORT_FOLDER}/{name}"
    try:
        files = engine.fetch(container, f"{work}/{written}", limit=LIMIT)
        content = next((file.read() for _, file in files), b"")
    except FileNotFoundError:
        return Evidence(instrument=instrument, note=f"{instrument} wrote nothing")
    except OSError:
        return Evidence(instrument=instrument, note=f"{instrument} wrote more than {LIMIT >> 20} MiB")
    path = folder / name
    path.write_bytes(content)
    findings, note = _parse(instrument, content.decode(errors="replace"))
    place = str(path.relative_to(root))
    return Evidence(instrument=instrument, findings=findings, path=place, note=note)


def _parse(instrument: Instrument, text: str) -> tuple[tuple[InstrumentFinding, ...], str | None]:
    if instrument is Instrument.VALGRIND:
        return parse_valgrind(text)
    if instrument is Instrument.ASAN:
        return parse_asan(text)
    return parse_strace(text), None


def parse_strace(text: str) -> tuple[InstrumentFinding, ...]:
    """The failed calls by call and error, in the order in which each came first."""
    counts: dict[str, int] = {}
    first: dict[str, str] = {}
    for line in text.splitlines():
        match = _CALL.match(line) or _RESUMED.match(line)
        if match:
            kind = f"{match['call']} {match['error']}"
            counts[kind] = counts.get(kind, 0) + 1
            first.setdefault(kind, line[:FIRST])
    return tuple(
        InstrumentFinding(kind=kind, count=count, first=first[kind]) for kind, count in counts.items()
    )
