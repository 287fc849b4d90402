"""AddressSanitizer: is compiled into a program and reports its memory errors with their stacks.

Its output is the text that its runtime writes (compiler-rt's asan_report.cpp); it has no machine-readable
form. The program under test can write to the file as well, so it is untrusted: what is kept of it is
bounded, and unknown lines are skipped.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from orchestrator.instruments.instrument import Instrument, Parsed
from orchestrator.model import (
    Arch,
    CellEnvironment,
    InstrumentFinding,
    ProbeSource,
    StackRole,
    Toolchain,
    WatchedFrame,
    WatchedStack,
)
from orchestrator.supervisor.paths import WORK

NAME: Final = "asan"
FINDINGS: Final = 20
"""Errors that are kept; its runtime stops at the first, unless the program was compiled to continue."""
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
"""The runtime itself failed, so nothing is known of the program."""
_FRAME: Final = re.compile(r" +#\d+ 0x[0-9a-f]+ +(?P<where>\S.*)")
_PLACE: Final = re.compile(
    r"(?:in (?P<function>.+?) +)?"
    r"(?:\((?P<module>[^()]+)\+0x[0-9a-f]+\)|(?P<file>[^\s()]+?):(?P<line>\d{1,9})(?::\d+)?)"
    r"(?: +\(BuildId: [0-9a-f]+\))?"
)
_INTERCEPTED: Final = re.compile(r"^_{2,3}interceptor_(?=\w)")
"""Some releases give the runtime's own realloc, which replaces libc's, this prefix."""
_PREFIX: Final = re.compile(r"==\d+==(ERROR: AddressSanitizer: )?")
_REGISTERS: Final = re.compile(r"( at| \() ?pc 0x.*")
"""The end of an error's sentence: registers, whose values are in the core as well."""
_LOCATED: Final = re.compile(r"0x[0-9a-f]+ is located ")
_ROLES: Final = (
    (re.compile(r"freed by thread T\d+"), StackRole.FREED),
    (re.compile(r"(previously )?allocated by thread T\d+"), StackRole.ALLOCATED),
)


def parse_asan(text: str) -> Parsed:
    """Read the errors in their order, each with its stacks."""
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
    """An error's stacks, each with the sentence before it as its title; the first has the error's own."""
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
        # Of several sentences above the error's own stack the first names the access.
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


def _lacks(environment: CellEnvironment, probe: ProbeSource | None) -> str | None:
    compiled_in = f"instrument {NAME} is compiled into a program"
    if probe is None:
        return f"{compiled_in}, and the scenario has no probe that is one"
    if not probe.language.is_program:
        return f"{compiled_in}, and Python, which loads a {probe.language} probe, is compiled without it"
    if environment.arch is not Arch.X86_64:
        return f"instrument {NAME} is known to work on x86_64 only"
    if probe.toolchain_for(environment.python.kind, compiled_in=True) is not Toolchain.NATIVE:
        return f"{compiled_in} by the base's own compiler, and what embeds a copied CPython by gcc 4.8.5"
    if not environment.base.compiler_beside(environment.python):
        return f"{compiled_in} by the base's own compiler, and {environment.base.name} brings none"
    return None


_OPTIONS: Final = {
    # SIGABRT and a core, where it would end the process with status 1. Its shadow memory is not in the core.
    "abort_on_error": "1",
    "disable_coredump": "0",
    # Libraries have no frame pointers, by which it unwinds otherwise.
    "fast_unwind_on_malloc": "0",
    "detect_leaks": "0",
    # Statistics at the end of a program without an error: otherwise silence would prove nothing.
    "atexit": "1",
}
_LOG: Final = "asan"

ASAN: Final = Instrument(
    name=NAME,
    # -static-libasan: an image needs no library of its own then. -no-pie: older releases keep their heap
    # where kernels that randomise widely (vm.mmap_rnd_bits=32) load a position-independent program.
    compiler_options=("-fsanitize=address", "-static-libasan", "-no-pie"),
    environment={
        # CPython's own allocator hands out parts of large blocks, which AddressSanitizer cannot tell apart.
        "PYTHONMALLOC": "malloc",
        "ASAN_OPTIONS": ":".join(f"{name}={value}" for name, value in _OPTIONS.items()),
    },
    file_environment={"ASAN_OPTIONS": f":log_path={WORK}/{_LOG}"},
    # Its runtime appends the pid.
    written=lambda pid: f"{_LOG}.{pid}",
    output="asan.txt",
    parse=parse_asan,
    lacks=_lacks,
    # Its authors measured twice the time; unwinding at each allocation adds to that.
    slowdown=3,
)
