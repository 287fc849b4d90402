"""A run's events on the terminal of this process, for test_terminal.py: it sets the title after each step."""

import sys

from orchestrator.cli.console import open_console
from orchestrator.cli.progress import Live, progress_for
from orchestrator.model import PlannedCell, Verdict
from tests.unit import run_factory as factory

CELLS = [
    factory.cell(pair, launcher, probe, reader="getenv", locale=locale)
    for locale in ("de_DE", "fr_FR")
    for pair in range(3)
    for launcher in ("plain", "uwsgi")
    for probe in ("cpp", "rust")
]
"""24 cells whose ids are alike up to their ends, and nearly as long as a line of the terminal."""


def step(shown: Live, title: str) -> None:
    """Show the current screen, and wait for Enter."""
    shown._bars.refresh()
    terminal = sys.__stdout__  # rich has put itself in the place of sys.stdout
    assert terminal is not None
    terminal.write(f"\x1b]2;{title}\x07")
    terminal.flush()
    sys.stdin.readline()


def main() -> None:
    """24 cells: 16 at once, of which every third fails."""
    with progress_for(open_console()) as shown:
        assert isinstance(shown, Live)
        shown.begin(36, len(CELLS))
        for role in ("python-3.13", "probe-tls-atexit-rust"):
            shown.image_started(role)
        step(shown, "building")
        shown.image_ended("python-3.13", 3.2, None)
        shown.image_ended("probe-tls-atexit-rust", 1.0, "image probe-tls-atexit-rust could not be built")
        for cell in CELLS[:16]:
            shown.cell_started(cell.id)
        step(shown, "running")
        for number, cell in enumerate(CELLS[:16]):
            verdict = Verdict.FAIL if number % 3 == 0 else Verdict.PASS
            planned = PlannedCell(
                cell=cell, expectation=factory.SURVIVES, trials=3, timeout=60, image=factory.KEY
            )
            ended = factory.judged(verdict, "saw a hang; expected exit 0")(factory.result_of(planned))
            assert ended is not None
            shown.cell_ended(ended)
        step(shown, "ended")


if __name__ == "__main__":
    main()
