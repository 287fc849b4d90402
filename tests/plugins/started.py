"""The instrument `started`: a shell that writes down what it starts, and becomes it."""

from typing import Final

from orchestrator.instruments import Instrument
from orchestrator.instruments.instrument import Parsed, in_report_folder
from orchestrator.model import InstrumentFinding

OUTPUT: Final = "started.txt"


def parse(text: str) -> Parsed:
    """One finding for all lines."""
    lines = text.splitlines()
    if not lines:
        return (), "started wrote an empty file"
    return (InstrumentFinding(kind="started", count=len(lines), first=lines[0]),), None


INSTRUMENT: Final = Instrument(
    name="started",
    argv=("sh", "-c", f'echo "$STARTED_WORD $0" > {in_report_folder(OUTPUT)}; exec "$0" "$@"'),
    environment={"STARTED_WORD": "it runs"},
    output=OUTPUT,
    parse=parse,
    lacks=lambda _, probe: "started knows no Rust" if probe and probe.language == "rust" else None,
    slowdown=2,
    no_core="a core would be the shell's",
)
