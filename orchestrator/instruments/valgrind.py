"""Valgrind: reports memory errors with their stacks.

Its output is XML, protocol 4 (docs/internals/xml-output-protocol4.txt in its source). The program under
question can write to the file as well, so it is untrusted: constructs that the protocol does not use are
refused before a parser sees them, and elements, findings and frames are bounded.
"""

from __future__ import annotations

__lazy_modules__ = ("xml.etree",)

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from xml.etree import ElementTree as ET

from orchestrator.instruments.instrument import Instrument, Parsed, in_report_folder, lacks_package
from orchestrator.model import InstrumentFinding, StackRole, WatchedFrame, WatchedStack

NAME: Final = "valgrind"
OUTPUT: Final = "valgrind.xml"
ELEMENTS: Final = 200_000
"""Elements that are read; an error with three deep stacks has about 400."""
FINDINGS: Final = 20
"""Errors that are kept with their stacks; the others are counted by kind."""
STACKS: Final = 4
FRAMES: Final = 32
TEXT: Final = 500
"""Characters of a sentence or a name."""
_FREED: Final = re.compile(r"a block of size [\d,]+ free'd$")
"""Does not match valgrind's sentence on an address that is "not stack'd, malloc'd or (recently) free'd"."""
_ALLOCATED: Final = re.compile(r"(a block of size [\d,]+ alloc'd|Block was alloc'd at)$")


@dataclass
class _Report:
    """The part that has been read: each error by its number, and how often it occurred."""

    findings: dict[str, InstrumentFinding] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    more: dict[str, str] = field(default_factory=dict)
    """Errors beyond those that are kept: kind by number."""


def parse_valgrind(text: str) -> Parsed:
    """Read the errors in their order, each with its stacks."""
    if "<!" in text:
        return (), "valgrind's report holds a declaration, which valgrind never writes: it was not read"
    report = _Report()
    note = _read(text, report)
    counted = [
        item.model_copy(update={"count": max(1, report.counts.get(number, 1))})
        for number, item in report.findings.items()
    ]
    others: dict[str, int] = {}
    for number, kind in report.more.items():
        others[kind] = others.get(kind, 0) + max(1, report.counts.get(number, 1))
    counted += [
        InstrumentFinding(kind=kind, count=count, first="more of the same kind, without their stacks")
        for kind, count in others.items()
    ]
    return tuple(counted), note


def _read(text: str, report: _Report) -> str | None:
    """Read complete elements up to the limit; returns a note if the report is incomplete."""
    # As text: a parser of bytes would obey an encoding that the file declares.
    events = ET.iterparse(io.StringIO(text), ("start", "end"))  # noqa: S314 - no declaration, so no entity
    elements = 0
    try:
        for event, element in events:
            if event == "end":
                _take(element, report)
                continue
            elements += 1
            if elements > ELEMENTS:
                return f"only the first {ELEMENTS:,} elements of valgrind's report were read"
    except ET.ParseError as error:
        return f"valgrind's report is not whole ({str(error)[:TEXT]})"
    return None


def _take(element: ET.Element, report: _Report) -> None:
    """Take an element that has ended, and free its memory."""
    if element.tag == "error":
        number = _text(element, "unique")
        if len(report.findings) < FINDINGS:
            report.findings[number] = _error(element)
        else:
            report.more[number] = _kind(element)
        element.clear()
    elif element.tag == "fatal_signal":
        report.findings["fatal"] = _fatal(element)
        element.clear()
    elif element.tag == "pair":
        count = _text(element, "count")
        if count.isdecimal() and len(count) < 10:
            report.counts[_text(element, "unique")] = int(count)
        element.clear()


def _error(element: ET.Element) -> InstrumentFinding:
    stacks = tuple(_stacks(element))
    sentences = [stacks[0].title] if stacks else []
    sentences += [title for title in _titles(element) if title not in sentences]
    first = "; ".join(sentences[:2])[:TEXT]
    return InstrumentFinding(kind=_kind(element), count=1, first=first, stacks=stacks)


def _kind(element: ET.Element) -> str:
    freed = any(_role(title) is StackRole.FREED for title in _titles(element))
    return (_text(element, "kind") or "unnamed")[:80] + (" in a freed block" if freed else "")


def _titles(element: ET.Element) -> list[str]:
    """Valgrind's sentences on an error, in their order."""
    return [title for child in element if (title := _title(child)) is not None]


def _title(child: ET.Element) -> str | None:
    if child.tag in ("what", "auxwhat"):
        return (child.text or "")[:TEXT]
    return _text(child, "text") if child.tag in ("xwhat", "xauxwhat") else None


def _stacks(element: ET.Element) -> Iterator[WatchedStack]:
    """An error's stacks, each with the sentence before it as its title."""
    title, role = "", StackRole.SEEN
    found = 0
    for child in element:
        sentence = _title(child)
        if sentence is not None:
            title = sentence
        elif child.tag == "stack" and found < STACKS:
            role = _role(title) if found else StackRole.SEEN
            yield _stack(child, role, title)
            found += 1


def _role(title: str) -> StackRole:
    if _FREED.search(title):
        return StackRole.FREED
    return StackRole.ALLOCATED if _ALLOCATED.search(title) else StackRole.OTHER


def _stack(element: ET.Element, role: StackRole, title: str) -> WatchedStack:
    frames = element.findall("frame")
    return WatchedStack(
        role=role,
        title=title,
        frames=tuple(_frame(frame) for frame in frames[:FRAMES]),
        left_out=max(0, len(frames) - FRAMES),
    )


def _frame(element: ET.Element) -> WatchedFrame:
    line = _text(element, "line")
    return WatchedFrame(
        function=_text(element, "fn") or None,
        module=_text(element, "obj") or None,
        file=_text(element, "file") or None,
        line=int(line) if line.isdecimal() and len(line) < 10 else None,
    )


def _fatal(element: ET.Element) -> InstrumentFinding:
    name, event = _text(element, "signame") or "signal", _text(element, "event")
    address = _text(element, "siaddr")
    title = f"the process ended by {name}" + (f": {event} at {address}" if event and address else "")
    stacks = (_stack(stack, StackRole.SEEN, title) for stack in element.findall("stack")[:1])
    return InstrumentFinding(kind=f"fatal {name}", count=1, first=title[:TEXT], stacks=tuple(stacks))


def _text(element: ET.Element, tag: str) -> str:
    return (element.findtext(tag) or "")[:TEXT]


VALGRIND: Final = Instrument(
    name=NAME,
    packages=(NAME,),
    # The process becomes valgrind, under its own pid. With XML output valgrind looks for leaks whatever
    # --leak-check says, and CPython has thousands; a child before its execve would write to the same file.
    argv=(
        "valgrind", "-q", "--vgdb=no", "--child-silent-after-fork=yes", "--num-callers=32",
        "--show-leak-kinds=none", "--errors-for-leak-kinds=none",
        "--xml=yes", f"--xml-file={in_report_folder(OUTPUT)}",
        "--suppressions=/usr/lib/valgrind/python3.supp", "--",
    ),
    # CPython's own allocator hands out parts of large blocks, which valgrind cannot tell apart.
    environment={"PYTHONMALLOC": "malloc"},
    output=OUTPUT,
    parse=parse_valgrind,
    lacks=lambda environment, _: lacks_package(NAME, environment),
    # CPython alone took 4 s to start and end under valgrind.
    slowdown=10,
    no_core="the kernel's core is valgrind's, not the program's; its evidence has the stack",
)  # fmt: skip
