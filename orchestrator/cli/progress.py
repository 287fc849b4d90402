"""Live progress: a bar and a status line on a terminal, plain lines elsewhere (CI logs, pipes)."""

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from orchestrator.model import CellResult, Verdict
from orchestrator.pipeline.progress import Progress as ProgressProtocol

STYLES: Final = {
    Verdict.PASS: "green",
    Verdict.FAIL: "bold red",
    Verdict.ERROR: "bold magenta",
    Verdict.SKIP: "dim",
}


class Lines:
    """One line for each event, with the seconds since the start: readable in a log, never rewritten."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._start = time.monotonic()
        self._lock = threading.Lock()
        self._cells = 0
        self._done = 0

    def begin(self, images: int, cells: int) -> None:
        """Say the size of the run."""
        self._cells = cells
        self._line(f"{cells} cells on {images} images (with all that those are built from)")

    def image_started(self, role: str) -> None:
        """Say that an image is being built."""
        self._line(f"building {role}")

    def image_ended(self, role: str, seconds: float, error: str | None) -> None:
        """Say how a build ended."""
        self._line(
            f"[bold red]FAILED {role}: {escape(error)}[/]" if error else f"built {role} in {seconds:.1f} s"
        )

    def cell_started(self, cell: str) -> None:
        """Nothing: a cell's end is near, and one line a cell is enough."""

    def cell_ended(self, result: CellResult) -> None:
        """Say a cell's verdict and why."""
        self._done += 1
        verdict = result.judgement.verdict
        self._line(
            f"[{STYLES[verdict]}]{verdict.upper():5}[/] {self._done}/{self._cells} {escape(result.cell.id)}  "
            f"{escape(result.judgement.reason)}  [dim]{result.seconds:.1f} s[/]"
        )

    def say(self, text: str) -> None:
        """Say anything else."""
        self._line(escape(text))

    def _line(self, text: str) -> None:
        with self._lock:
            self._console.print(f"[dim]{time.monotonic() - self._start:6.1f}[/] {text}", soft_wrap=True)


class Bars(Lines):
    """Lines above a live bar that counts images and cells and names what runs now."""

    def __init__(self, console: Console, bars: Progress) -> None:
        super().__init__(console)
        self._bars = bars
        self._images = bars.add_task("images", total=None, now="", visible=False)
        self._run = bars.add_task("cells", total=None, now="", visible=False)
        self._building: list[str] = []
        self._running: list[str] = []

    def begin(self, images: int, cells: int) -> None:
        """Show the bar of the cells."""
        super().begin(images, cells)
        self._bars.update(self._run, total=cells, visible=True)

    def image_started(self, role: str) -> None:
        """Name the image that is being built, without a line of its own."""
        self._building.append(role)
        self._bars.update(self._images, visible=True, now=", ".join(self._building))

    def image_ended(self, role: str, seconds: float, error: str | None) -> None:
        """Count the image."""
        super().image_ended(role, seconds, error)
        if role in self._building:
            self._building.remove(role)
        self._bars.update(
            self._images, advance=1, now=", ".join(self._building), visible=bool(self._building)
        )

    def cell_started(self, cell: str) -> None:
        """Name the cell that runs."""
        self._running.append(cell)
        self._bars.update(self._run, now=", ".join(self._running))

    def cell_ended(self, result: CellResult) -> None:
        """Count the cell."""
        super().cell_ended(result)
        if result.cell.id in self._running:
            self._running.remove(result.cell.id)
        self._bars.update(self._run, advance=1, now=", ".join(self._running))


@contextmanager
def progress_for(console: Console) -> Generator[ProgressProtocol]:
    """The progress that fits where the output goes."""
    if not console.is_terminal:
        yield Lines(console)
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[now]}"),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        yield Bars(console, bars)
