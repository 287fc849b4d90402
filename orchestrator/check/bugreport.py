"""A hit as a bug report for the package's maintainers, in Markdown."""

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from orchestrator.adapters.visible import visible
from orchestrator.check.hazard import Group, Hazard
from orchestrator.model import CellResult, CheckedHit, Crash, HazardResult, NativeFrame, PythonFrame, Thread
from orchestrator.model.recursion import Repeats, folded, native_calls, python_calls

FRAMES: Final = 40
SERVERS: Final = {
    ("uwsgi", False): "uwsgi --master --processes 2 --enable-threads --module script:application",
    ("uwsgi", True): "uwsgi --master --processes 2 --enable-threads --lazy-apps --module script:application",
    ("gunicorn", False): "gunicorn --workers 2 --preload script:application",
    ("gunicorn", True): "gunicorn --workers 2 script:application",
}
"""How an application is served, by the launcher and whether each worker loads it by itself."""
FENCE: Final = "~~~~~~~~~~~~"
"""A code fence that no line of a script or a stack begins with."""


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A crash or hang of a package in some cells, and the result of repeating it."""

    package: str
    distribution: str
    hazard: Hazard
    result: HazardResult
    """A crash, a hang, or an invalid access."""
    signature: str | None
    """The key that its cells have in common."""
    reason: str
    cells: tuple[str, ...]
    """All cells that show it; the first was repeated."""
    hazards: tuple[str, ...]
    """The hazards of these cells, that of the first cell first."""
    where: str
    """The rule for its cells, as a sentence."""
    trials: int = 0
    """The number of repetitions."""
    again: int = 0
    """The repetitions that showed it again."""
    script: str = ""
    """The smallest script that still shows it; empty if none could be run."""
    statements: tuple[int, int] = (0, 0)
    """Statements of the battery's script, and of the smallest one."""

    @property
    def crashed(self) -> bool:
        """Whether it is a crash rather than a hang."""
        return self.result is not HazardResult.HANGS

    @property
    def shown(self) -> tuple[HazardResult, str | None]:
        """What a further trial must show to confirm it."""
        return self.result, self.signature

    @property
    def stands(self) -> bool:
        """Whether it counts. A hang that no further trial shows may be due to load on this host."""
        return self.again > 0 or not self.trials or self.crashed

    def told(self, report: str | None = None) -> CheckedHit:
        """The hit as a document names it, with its bug report if that is written."""
        return CheckedHit(
            package=self.package,
            result=self.result,
            signature=self.signature,
            reason=self.reason,
            hazards=self.hazards,
            cells=self.cells,
            where=self.where,
            trials=self.trials,
            again=self.again,
            counts=self.stands,
            report=report,
        )

    @property
    def file(self) -> str:
        """The file name of its bug report, from its first cell, which no other signature has."""
        environment = self.cells[0].partition("/")[2].partition("+")[0]
        return f"{self.package}-{self.hazard.name}-{environment}.md"


def bug_report(hit: Hit, result: CellResult, crash: Crash | None) -> str:
    """The report; `result` and `crash` are of the first cell."""
    lines = [
        *_head(hit, result),
        *_script(hit, result.cell.launcher),
        *_stack(crash),
        *_environment(result),
        *_repeat(hit, result),
    ]
    return visible("\n".join(lines)) + "\n"


def _head(hit: Hit, result: CellResult) -> Iterator[str]:
    version = result.packages.get(hit.distribution, "")
    yield f"# {f'{hit.package} {version}'.rstrip()}: {_plain(hit.reason)}"
    yield ""
    yield f"Question: {hit.hazard.question} Observed: {_code(hit.reason)}"
    yield ""
    yield f"- Where: {_code(hit.where)}"
    yield f"- Cells that show it: {len(hit.cells)}, among them `{hit.cells[0]}`"
    yield f"- Hazards that show it: {', '.join(hit.hazards)}"
    yield f"- Repeated there: {hit.again} of {hit.trials} further trials show it"
    yield f"- Known from other packages: {hit.hazard.source}"
    yield ""


def _script(hit: Hit, launcher: str) -> Iterator[str]:
    if not hit.script:
        return
    yield "## Script"
    yield ""
    before, after = hit.statements
    yield f"The smallest that was found to do it ({after} of {before} statements)."
    yield ""
    yield from _fenced(hit.script.splitlines(), "python")
    end = ", and told to reload" if hit.hazard.group is Group.RELOADED else ""
    yield f"Started as `{_start(hit.hazard, launcher)}`{end}."
    yield ""


def _start(hazard: Hazard, launcher: str) -> str:
    if hazard.group in (Group.SERVED, Group.RELOADED):
        return SERVERS[launcher, hazard.lazy]
    env = [f"{name}={value}" for name, value in hazard.env.items()]
    watched = ["valgrind"] if hazard.group is Group.WATCHED else []
    return " ".join([*map(shlex.quote, env), shlex.join([*watched, "python3", *hazard.options, "script.py"])])


def _stack(crash: Crash | None) -> Iterator[str]:
    if crash is None:
        return
    yield "## Stack"
    yield ""
    meaning = f": {_plain(crash.signal.meaning)}" if crash.signal.meaning else ""
    address = f" at {crash.signal.fault_address}" if crash.signal.fault_address else ""
    fault = f"{crash.signal.name}{address}{meaning}."
    yield "It does not end. This is where it stood." if crash.hang else fault
    if crash.message:
        yield f"Last message: {_plain(crash.message)}"
    yield ""
    thread = crash.crashed_thread
    yield from _fenced(_native(thread) if thread else (), "")
    if thread and thread.python:
        yield from _fenced(_python(thread.python), "")


def _native(thread: Thread) -> Iterator[str]:
    for item in islice(folded(native_calls(thread)), FRAMES):
        yield f"... {item.words()}" if isinstance(item, Repeats) else _frame(item, thread.native[item])


def _python(frames: Sequence[PythonFrame]) -> Iterator[str]:
    for item in islice(folded(python_calls(frames)), FRAMES):
        if isinstance(item, Repeats):
            yield f"... {item.words(())}"
        else:
            yield f"{frames[item].function} ({frames[item].file}:{frames[item].line})"


def _frame(number: int, frame: NativeFrame) -> str:
    name = frame.function or (f"near {frame.nearest}" if frame.nearest else "??")
    place = f" at {frame.file}:{frame.line}" if frame.file else ""
    return f"#{number} {name} ({(frame.module or '?').rpartition('/')[2]}){place}"


def _environment(result: CellResult) -> Iterator[str]:
    versions: Mapping[str, str] = result.trials[-1].outcome.versions if result.trials else {}
    yield "## Environment"
    yield ""
    cell = result.cell
    python, glibc = versions.get("python", cell.python), versions.get("glibc", cell.glibc)
    yield f"- CPython {python}, glibc {glibc}, {cell.arch}"
    yield f"- Started by {cell.launcher}"
    yield f"- Packages: {', '.join(f'{name} {version}' for name, version in result.packages.items())}"
    if result.lock:
        yield f"- Their exact wheels: locks/{result.lock}.txt of the run"
    yield ""


def _repeat(hit: Hit, result: CellResult) -> Iterator[str]:
    yield "## Repeat"
    yield ""
    yield from _fenced([result.repeat], "sh")
    yield f"Found by crashmatrix check, hazard `{hit.hazard.name}`."


def _fenced(lines: Iterable[str], language: str) -> Sequence[str]:
    return [f"{FENCE}{language}", *(line.replace(FENCE, "") for line in lines), FENCE, ""]


def _code(text: str) -> str:
    """Text of a program as a span of code."""
    return f"`{_line(text).replace('`', chr(39))}`"


def _plain(text: str) -> str:
    """Text of a program with Markdown escaped."""
    return _line(text).replace("<", "&lt;").replace("`", "'").replace("[", "\\[")


def _line(text: str) -> str:
    """Text on one line."""
    return " ".join(text.split())
