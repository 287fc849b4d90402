"""Progress of a run: a live block on a terminal, plain lines elsewhere (CI logs, pipes)."""

__lazy_modules__ = ("orchestrator.report",)

import threading
import time
from collections import Counter
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Final

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from orchestrator.adapters.visible import on_one_line
from orchestrator.images import INHERITED
from orchestrator.model import CellResult, Verdict
from orchestrator.pipeline.progress import Progress as ProgressProtocol
from orchestrator.report import words

STYLES: Final = {
    Verdict.PASS: "green",
    Verdict.FAIL: "bold red",
    Verdict.ERROR: "bold magenta",
    Verdict.SKIP: "dim",
}
WRONG: Final = frozenset({Verdict.FAIL, Verdict.ERROR})


class Lines:
    """One line for each event, with the seconds since the start, for logs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._start = time.monotonic()
        self._lock = threading.Lock()
        self._cells = 0
        self._done = 0

    def begin(self, images: int, cells: int) -> None:
        """Print the size of the run, or of the next step of a bisection."""
        self._cells, self._done = cells, 0
        self._line(f"{words.cells(cells)} on {_images(images)} (bases included)")

    def image_started(self, role: str) -> None:
        """Print that an image is being built."""
        self._line(f"building {role}")

    def image_ended(self, role: str, seconds: float, error: str | None) -> None:
        """Print how a build ended."""
        self._line(
            f"[bold red]FAILED {role}: {escape(on_one_line(error))}[/]"
            if error
            else f"built {role} in {seconds:.1f} s"
        )

    def cell_started(self, cell: str) -> None:
        """Print nothing: the line at the cell's end is enough."""

    def cell_ended(self, result: CellResult) -> None:
        """Print a cell's verdict and its reason."""
        self._done += 1
        verdict = result.judgement.verdict
        self._line(
            f"[{STYLES[verdict]}]{verdict.upper():5}[/] {self._done}/{self._cells} {escape(result.cell.id)}  "
            f"{escape(_short(result))}  [dim]{result.seconds:.1f} s[/]"
        )

    def say(self, text: str) -> None:
        """Print any other message."""
        self._line(escape(on_one_line(text)))

    def _line(self, text: str) -> None:
        with self._lock:
            self._console.print(f"[dim]{time.monotonic() - self._start:6.1f}[/] {text}", soft_wrap=True)


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count:,} images"


def _short(result: CellResult) -> str:
    """The reason of a verdict. The error of a failed image has its own line: a cell only names the image."""
    failed = result.unobserved.image if result.unobserved else None
    return on_one_line(f"image {failed.role} could not be built" if failed else result.judgement.reason)


class Live(Lines):
    """A live block of a bar, counts and what is current, below a line for each cell that is wrong.

    Cells that pass are only counted: the run's end lists them by scenario.
    """

    def __init__(self, console: Console, bars: Progress, current: "Current") -> None:
        super().__init__(console)
        self._bars = bars
        self._current = current
        self._bar = bars.add_task("images", total=None, done="")
        self._said: set[str] = set()

    def begin(self, images: int, cells: int) -> None:  # noqa: ARG002 - most images are there: only builds count
        """Show how many cells there are."""
        if cells:
            self._cells, self._done = cells, 0
            self._bars.update(self._bar, description="cells", total=cells, completed=0, done=f"0/{cells}")

    def image_started(self, role: str) -> None:
        """Name the image that is being built."""
        self._current.building.append(role)

    def image_ended(self, role: str, seconds: float, error: str | None) -> None:
        """Count the image; a line only where it failed."""
        if error:
            super().image_ended(role, seconds, error)
        self._current.image_ended(role, failed=error is not None)

    def cell_started(self, cell: str) -> None:
        """Name the cell that runs."""
        self._current.running.append(cell)

    def cell_ended(self, result: CellResult) -> None:
        """Count the cell; a line only where it is not as expected."""
        verdict = result.judgement.verdict
        if verdict in WRONG:
            self._wrong(result)
        self._done += 1
        self._current.cell_ended(result.cell.id, verdict)
        self._bars.update(self._bar, advance=1, done=f"{self._done}/{self._cells}")

    def _line(self, text: str) -> None:
        """A line that is folded between words; Lines leaves folding to whoever shows the log."""
        with self._lock:
            self._console.print(f"[dim]{time.monotonic() - self._start:6.1f}[/] {text}")

    def _wrong(self, result: CellResult) -> None:
        """A cell's id, which is never cut, and below it the reason where no earlier cell had the same."""
        verdict, reason = result.judgement.verdict, result.judgement.reason
        cause = reason.rpartition(INHERITED)[2]
        with self._lock:
            self._console.print(f"[{STYLES[verdict]}]{verdict.upper():5}[/] {escape(result.cell.id)}")
            if cause not in self._said:
                self._said.add(cause)
                said = Text(f"{'':6}{on_one_line(cause)}", style="dim")
                self._console.print(said, no_wrap=True, overflow="ellipsis")


class Current:
    """Counts of verdicts, then what is being built and what runs: as many whole names as a line holds."""

    def __init__(self) -> None:
        self.building: list[str] = []
        self.running: list[str] = []
        self._images: Counter[bool] = Counter()
        """Images that were built, by whether that failed."""
        self._counts: Counter[Verdict] = Counter()

    def image_ended(self, role: str, *, failed: bool) -> None:
        """Count an image."""
        self.building.remove(role)
        self._images[failed] += 1

    def cell_ended(self, cell: str, verdict: Verdict) -> None:
        """Count a cell."""
        self.running.remove(cell)
        self._counts[verdict] += 1

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        counts = [
            f"[{STYLES[item]}]{self._counts[item]:,} {item}[/]" for item in STYLES if self._counts[item]
        ]
        for failed, what in ((False, "built"), (True, "failed")):
            if number := self._images[failed]:
                counts.append(f"{number:,} image{'' if number == 1 else 's'} {what}")
        if counts:
            yield Text.from_markup("  " + ", ".join(counts))
        for label, names in (("building", tuple(self.building)), ("running", tuple(self.running))):
            if names:
                yield Text(f"  {fitting(label, names, options.max_width - 2)}", style="dim", no_wrap=True)


def fitting(label: str, names: Sequence[str], width: int) -> str:
    """A line of at most `width` columns: as many names as fit, each whole, and the number of the rest."""
    for count in range(len(names), 0, -1):
        rest = len(names) - count
        line = f"{label}: {', '.join(names[:count])}{f' and {rest} more' if rest else ''}"
        if len(line) <= width:
            return line
    return f"{len(names)} {label}"


class _LiveProgress(Progress):
    """Bars with the current work below them."""

    def __init__(self, current: Current, *columns: ProgressColumn, console: Console) -> None:
        self._current = current
        super().__init__(*columns, console=console, transient=True)

    def get_renderables(self) -> Iterable[RenderableType]:
        """The bars, then the lines of the current work."""
        yield self.make_tasks_table(self.tasks)
        yield self._current


@contextmanager
def progress_for(console: Console) -> Generator[ProgressProtocol]:
    """The progress that fits where the output goes."""
    if not console.is_terminal:
        yield Lines(console)
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=max(4, min(24, console.width - 40))),
        TextColumn("{task.fields[done]}"),
        TimeElapsedColumn(),
    )
    current = Current()
    with _LiveProgress(current, *columns, console=console) as bars:
        yield Live(console, bars, current)
