"""strace: counts failed calls of execve and execveat."""

import re
from typing import Final

from orchestrator.instruments.instrument import Instrument, Parsed, in_report_folder, lacks_package
from orchestrator.model import InstrumentFinding

NAME: Final = "strace"
OUTPUT: Final = "strace.txt"
FIRST: Final = 500
"""Characters kept of the first line of a kind."""
_CALL: Final = re.compile(
    r"^\d+ +(?P<call>[a-z0-9_]{1,40})\(.*\) += -1 (?P<error>E[A-Z0-9]{1,20}) \([^()]*\)$"
)
"""A failed call after the thread's id (strace(1))."""
_RESUMED: Final = re.compile(
    r"^\d+ +<\.\.\. (?P<call>[a-z0-9_]{1,40}) resumed>.*\) += -1 (?P<error>E[A-Z0-9]{1,20}) \([^()]*\)$"
)
"""The same, where another thread's line stands between the call's start and its end."""


def parse_strace(text: str) -> Parsed:
    """Count the failed calls by call and error, in the order in which each came first."""
    counts: dict[str, int] = {}
    first: dict[str, str] = {}
    for line in text.splitlines():
        match = _CALL.match(line) or _RESUMED.match(line)
        if match:
            kind = f"{match['call']} {match['error']}"
            counts[kind] = counts.get(kind, 0) + 1
            first.setdefault(kind, line[:FIRST])
    kinds = counts.items()
    return tuple(InstrumentFinding(kind=kind, count=count, first=first[kind]) for kind, count in kinds), None


STRACE: Final = Instrument(
    name=NAME,
    packages=(NAME,),
    # -D: strace is not the parent of the process it traces, so that one stays the supervisor's own child.
    argv=(
        "strace", "-D", "-f", "-qq", "-s", "200", "-e", "trace=execve,execveat", "-e", "signal=none",
        "-o", in_report_folder(OUTPUT), "--",
    ),
    output=OUTPUT,
    parse=parse_strace,
    lacks=lambda environment, _: lacks_package(NAME, environment),
)  # fmt: skip
