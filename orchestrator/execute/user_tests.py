"""The log of the pytest plugin, fetched from the container and parsed. All of it is untrusted."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationError

from orchestrator.adapters.engine import Engine
from orchestrator.execute.supervisor_report import ProcessExit
from orchestrator.model import CaseOutcome, OutcomeKind, UserCase, UserTests, Value
from orchestrator.model.base import Integer, Moment, Seconds
from orchestrator.supervisor.paths import REPORT_FOLDER, WORK

LIMIT: Final = 32 << 20
"""Bytes of a log that are read; a test that passes takes about 400."""
KEPT: Final = 1000
"""Tests that a result holds; the log has all."""
PROBLEMS: Final = 50
NAME: Final = "tests.jsonl"
_HEAD: Final = 1 << 16
"""Bytes of stderr in which a refused option is looked for."""
_MESSAGE: Final = 400
USAGE_ERROR: Final = 4
"""pytest.ExitCode.USAGE_ERROR."""
_PASSED: Final = (CaseOutcome.PASSED, CaseOutcome.SKIPPED, CaseOutcome.XFAILED)


class _Event(Value):
    """A line of the log; which fields it has depends on its event."""

    event: Literal[
        "process", "collecting", "collected", "selected", "start", "end", "lost", "internal error", "finish"
    ]
    pid: Annotated[int, Field(ge=1, le=1 << 22)]
    time: Moment
    worker: Annotated[str, Field(max_length=100)] | None = None
    node: Annotated[str, Field(max_length=4000)] = ""
    outcome: CaseOutcome = CaseOutcome.UNKNOWN
    seconds: Seconds = 0.0
    message: Annotated[str, Field(max_length=1000)] | None = None
    detail: Annotated[str, Field(max_length=8000)] | None = None
    count: Annotated[int, Field(ge=0, le=1 << 32)] = 0
    status: Integer = 0
    of: Annotated[str, Field(max_length=100)] | None = None


@dataclass
class _Reader:
    """Puts the tests together from the log's events."""

    cases: dict[str, UserCase] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    selected: int = 0

    def take(self, event: _Event) -> None:
        """Take one event; of a test that started twice the later start counts."""
        case = self.cases.get(event.node)
        if event.event == "start":
            self.cases[event.node] = UserCase(
                node=event.node, outcome=CaseOutcome.UNKNOWN, worker=event.worker, pid=event.pid,
                started=event.time,
            )  # fmt: skip
        elif event.event == "end" and case:
            told = {name: getattr(event, name) for name in ("outcome", "seconds", "message", "detail")}
            self.cases[event.node] = case.model_copy(update={**told, "ended": event.time})
        elif event.event == "lost" and case:
            crashed = {"outcome": CaseOutcome.CRASHED, "message": event.message}
            self.cases[event.node] = case.model_copy(update=crashed)
        elif event.event == "collected" and event.message:
            self.problem(f"{event.node or 'the tests'} cannot be collected: {event.message}")
        elif event.event == "internal error" and event.message:
            self.problem(f"internal error of pytest: {event.message}")
        elif event.event == "selected":
            self.selected = max(self.selected, event.count)

    def problem(self, words: str) -> None:
        """Keep a problem once; each worker of pytest-xdist has its own of the same."""
        if words not in self.problems and len(self.problems) < PROBLEMS:
            self.problems.append(words)

    def end(self, pid: int | None, kind: OutcomeKind, how: str) -> None:
        """Set how the process of an unfinished test ended."""
        for node, case in self.cases.items():
            if pid is not None and case.pid == pid and case.ended is None:
                hung = kind is OutcomeKind.HANG
                outcome = CaseOutcome.HUNG if hung else CaseOutcome.CRASHED
                self.cases[node] = case.model_copy(update={"outcome": outcome, "message": how})


def fetch_tests(
    engine: Engine, container: str, item: ProcessExit, *, folder: Path, root: Path, stderr: Path
) -> UserTests | None:
    """Keep the log of a trial in its `folder`, and parse it; None for a trial without the user's tests.

    The path in the result is relative to `root`, the run's folder. Raises EngineError.
    """
    if item.tests is None:
        return None
    try:
        files = engine.fetch(container, f"{WORK}/{REPORT_FOLDER}/{item.tests}", limit=LIMIT)
        content = next((file.read() for _, file in files), b"")
    except FileNotFoundError:
        content = b""
    except OSError:
        return UserTests(problems=(f"the log of the tests is over {LIMIT >> 20} MiB",))
    path = folder / NAME
    path.write_bytes(content)
    tests = parse_tests(content, item)
    if item.status == USAGE_ERROR and not tests.problems:
        tests = tests.model_copy(update={"problems": tuple(_refused(stderr))})
    return tests.model_copy(update={"path": str(path.relative_to(root))})


def parse_tests(log: bytes, item: ProcessExit) -> UserTests:
    """Parse a log, given how the processes of the trial ended; other lines than the plugin's are left out."""
    reader = _Reader()
    for event in _events(log):
        reader.take(event)
    for process in (item, *item.others):
        reader.end(process.pid, process.kind, _how(process.kind, process.signal, process.status))
    cases = list(reader.cases.values())
    kept = _kept(cases)
    return UserTests(
        counts=dict(Counter(case.outcome for case in cases)),
        cases=tuple(kept),
        left_out=len(cases) - len(kept),
        not_run=max(0, reader.selected - len(cases)),
        problems=tuple(reader.problems),
    )


def _events(log: bytes) -> Iterator[_Event]:
    for line in log.split(b"\n"):
        try:
            # Text that pytest took from file names may hold lone surrogates, which no report can.
            known = json.loads(line.decode(errors="replace"))
            yield _Event.model_validate_json(json.dumps(known, ensure_ascii=False).encode(errors="replace"))
        except (ValueError, ValidationError, RecursionError):
            continue


def _how(kind: OutcomeKind, signal: str | None, status: int | None) -> str:
    if kind is OutcomeKind.HANG:
        return "it did not end within the time limit"
    if kind is OutcomeKind.OOM:
        return "its process was out of memory"
    return f"its process died of {signal}" if signal else f"it ended its process with exit status {status}"


def _kept(cases: Sequence[UserCase]) -> list[UserCase]:
    """The cases that a result holds: those that failed first, in their order."""
    if len(cases) <= KEPT:
        return list(cases)
    ranked = sorted(range(len(cases)), key=lambda at: (cases[at].outcome in _PASSED, at))
    return [cases[at] for at in sorted(ranked[:KEPT])]


def _refused(stderr: Path) -> Iterator[str]:
    """pytest's message about a command line or configuration that it refuses."""
    with stderr.open("rb") as file:
        lines = file.read(_HEAD).decode(errors="replace").splitlines()
    said = [line for line in lines if "error: " in line.lower() and "usage:" not in line]
    cause = [line for line in lines if line.startswith("E  ")]
    for line in (cause or said)[-1:]:
        yield line.removeprefix("E").strip()[:_MESSAGE]
