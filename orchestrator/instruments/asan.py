"""AddressSanitizer's report, parsed: the text that its runtime writes (compiler-rt's asan_report.cpp).

There is no form of it for programs. The program under question can write to the file as well, so it is
untrusted: what is kept of it is bounded, and a line that is not understood is passed over.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from orchestrator.model import InstrumentFinding, StackRole, WatchedFrame, WatchedStack

FINDINGS: Final = 20
"""Errors that are kept; its runtime stops at the first, unless the program was compiled to go on."""
STACKS: Final = 4
FRAMES: Final = 32
TEXT: Final = 500
"""Characters of a sentence or a name."""
_ERROR: Final = re.compile(r"==\d+==ERROR: AddressSanitizer: (?:attempting )?(?P<kind>[\w-]{1,80})")
_SUMMARY: Final = re.compile(r"SUMMARY: AddressSanitizer: (?P<kind>[\w-]{1,80})")
"""Its own name of the error, where the sentence above has several words: `bad-free`."""
_FAILED: Final = re.compile(
    r"AddressSanitizer:? CHECK failed|Shadow memory range interleaves|failed to allocate"
)
"""It gave up by itself, so that nothing is known of the program."""
_FRAME: Final = re.compile(r" +#\d+ 0x[0-9a-f]+ +(?P<where>\S.*)")
_PLACE: Final = re.compile(
    r"(?:in (?P<function>.+?) +)?"
    r"(?:\((?P<module>[^()]+)\+0x[0-9a-f]+\)|(?P<file>[^\s()]+?):(?P<line>\d{1,9})(?::\d+)?)"
    r"(?: +\(BuildId: [0-9a-f]+\))?"
)
_INTERCEPTED: Final = re.compile(r"^_{2,3}interceptor_(?=\w)")
"""The runtime's own realloc stands for libc's, under this name in some releases."""
_PREFIX: Final = re.compile(r"==\d+==(ERROR: AddressSanitizer: )?")
_REGISTERS: Final = re.compile(r"( at| \() ?pc 0x.*")
"""The end of an error's sentence: registers, whose values the core has too."""
_LOCATED: Final = re.compile(r"0x[0-9a-f]+ is located ")
_ROLES: Final = (
    (re.compile(r"freed by thread T\d+"), StackRole.FREED),
    (re.compile(r"(previously )?allocated by thread T\d+"), StackRole.ALLOCATED),
)


def parse_asan(text: str) -> tuple[tuple[InstrumentFinding, ...], str | None]:
    """The errors in their order with their stacks, and what is not whole about the report."""
    lines = text.splitlines()
    failed = next((line for line in lines if _FAILED.search(line)), None)
    if failed:
        return (), f"AddressSanitizer itself failed: {failed.strip()[:TEXT]}"
    starts = [index for index, line in enumerate(lines) if _ERROR.match(line)]
    reports = [lines[start:end] for start, end in pairwise([*starts, len(lines)])]
    note = None
    if any(not any(_SUMMARY.match(line) for line in report) for report in reports):
        note = "AddressSanitizer's report is not whole"
    elif len(reports) > FINDINGS:
        note = f"only the first {FINDINGS} of {len(reports)} errors were read"
    return tuple(_error(report) for report in reports[:FINDINGS]), note


def _error(lines: Sequence[str]) -> InstrumentFinding:
    named = next((found for line in lines if (found := _SUMMARY.match(line))), None) or _ERROR.match(lines[0])
    stacks = tuple(_stacks(lines))
    sentences = [_sentence(lines[0]), *(stack.title for stack in stacks[:1])]
    sentences += [line for line in lines if _LOCATED.match(line)][:1]
    return InstrumentFinding(
        kind=named["kind"] if named else "unnamed",
        count=1,
        first="; ".join(dict.fromkeys(sentences))[:TEXT],
        stacks=stacks,
    )


def _stacks(lines: Sequence[str]) -> Iterator[WatchedStack]:
    """An error's stacks, each under the sentence before it; the first under the error's own."""
    title, frames, found = "", list[str](), 0
    for line in [*lines[1:], ""]:
        if frame := _FRAME.fullmatch(line):
            frames.append(frame["where"])
            continue
        if frames and found < STACKS:
            yield _stack(title or _sentence(lines[0]), frames, is_first=not found)
            found += 1
        if frames:
            title, frames = "", []
        # Of several sentences above the error's own stack the first says what was done.
        if line.strip() and (found or not title):
            title = _sentence(line)


def _sentence(line: str) -> str:
    return _REGISTERS.sub("", _PREFIX.sub("", line)).strip()


def _stack(title: str, frames: Sequence[str], *, is_first: bool) -> WatchedStack:
    role = next((role for pattern, role in _ROLES if pattern.match(title)), StackRole.OTHER)
    return WatchedStack(
        role=StackRole.SEEN if is_first else role,
        title=title[:TEXT],
        frames=tuple(_frame(frame) for frame in frames[:FRAMES]),
        left_out=max(0, len(frames) - FRAMES),
    )


def _frame(where: str) -> WatchedFrame:
    place = _PLACE.fullmatch(where[: 2 * TEXT])
    if place is None:
        return WatchedFrame(function=_function(where.removeprefix("in ")))
    return WatchedFrame(
        function=_function(place["function"]) if place["function"] else None,
        module=place["module"] and place["module"][:TEXT],
        file=place["file"] and place["file"][:TEXT],
        line=int(place["line"]) if place["line"] else None,
    )


def _function(name: str) -> str:
    return _INTERCEPTED.sub("", name)[:TEXT]
