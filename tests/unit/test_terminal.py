"""The terminal at 80 columns and 24 rows, on a real pseudo-terminal with an emulator behind it."""

import re
import sys
from pathlib import Path

import pytest

from orchestrator.cli.progress import fitting
from orchestrator.model import FailedImage, Obstacle, Unobserved, Verdict
from tests.unit import run_factory as factory
from tests.unit.live_run import CELLS
from tests.unit.terminal import on_terminal

IDS = [cell.id for cell in CELLS]


def assert_names_are_whole(lines: list[str]) -> None:
    """Each thing on the screen that begins as a cell's id is one, unfolded: the screen has no cut id."""
    text = re.sub(r"\n", "", "\n".join(line.ljust(80) for line in lines))
    for found in re.findall(r"tls-atexit/\S+", text):
        assert found.rstrip(",") in IDS


def test_while_cells_run_counts_bar_and_clock_stay_and_no_id_is_cut() -> None:
    with on_terminal([sys.executable, "-m", "tests.unit.live_run"]) as terminal:
        building = terminal.until("building")
        assert building[-1] == "  building: python-3.13, probe-tls-atexit-rust"
        terminal.enter()
        running = terminal.until("running")
        assert re.search(r"cells ━+ +0/24 +0:00:\d\d", "\n".join(running))
        assert running[-2:] == ["  1 image built, 1 image failed", "  16 running"]
        assert_names_are_whole(running)
        assert "image probe-tls-atexit-rust could not be built" in " ".join(running)
        terminal.enter()
        ended = terminal.until("ended")
        text = "\n".join(ended)
        assert re.search(r"cells ━+.* +16/24 +0:00:\d\d", text)
        assert "10 pass, 6 fail, 1 image built, 1 image failed" in text
        assert len(re.findall(r"^FAIL\b", text, re.MULTILINE)) == 6
        assert "PASS" not in text
        assert text.count("saw a hang; expected exit 0") == 1
        assert_names_are_whole(ended)
        terminal.enter()
        assert not any("━" in line for line in terminal.until_end())


@pytest.mark.parametrize("width", [30, 60, 78, 200, 2000])
def test_a_line_names_whole_cells_and_counts_the_rest(width: int) -> None:
    line = fitting("running", IDS, width)
    assert len(line) <= width
    named = [name for name in IDS if name in line]
    rest = re.search(r"and (\d+) more$", line)
    assert len(named) + (int(rest[1]) if rest else 0) == len(IDS) or line == f"{len(IDS)} running"


def red_run(folder: Path, causes: int) -> Path:
    """A run of 24 cells: two are wrong for each of so many causes, the last of which is an image."""
    changes: dict[str, factory.Change] = {}
    for number in range(causes - 1):
        reason = f"saw exit {number}: {'abcdefghijkl'[number]} is not there; expected exit 0"
        pair = CELLS[2 * number : 2 * number + 2]
        changes |= {cell.id: factory.judged(Verdict.FAIL, reason, trials=()) for cell in pair}
    log = ("error[E0308]: mismatched types", " --> probe.rs:3:5", "  |", "3 |     x", "  |     ^")
    image = FailedImage(
        role="probe-x", step="Step 4/8", error=log[0], lines=log, log="images/probe-x/build.log"
    )
    broken = factory.judged(
        Verdict.ERROR, "image probe-x", trials=(), unobserved=Unobserved(obstacle=Obstacle.IMAGE, image=image)
    )
    changes |= {cell.id: broken for cell in CELLS[-2:]}
    return factory.write_run(
        folder / "reports" / factory.RUN, factory.RunSpec(cells=tuple(CELLS), changes=changes)
    )


@pytest.mark.parametrize(("causes", "columns"), [(2, 80), (4, 120), (12, 80)])
def test_a_broken_run_of_24_cells_fits_one_screen_above_the_prompt(
    tmp_path: Path, causes: int, columns: int
) -> None:
    folder = red_run(tmp_path, causes)
    with on_terminal([sys.executable, "-m", "orchestrator", "report", str(folder)], columns) as terminal:
        lines = terminal.until_end()
        assert terminal.scrolled == 0
        assert len(lines) <= 23
    text = "\n".join(lines)
    if causes < 12:
        assert lines[0].startswith(f"PASS  tls-atexit: {24 - 2 * causes} of 24 cells")
    shown = len(re.findall(r"^(?:FAIL|ERROR) ", text, re.MULTILINE))
    assert shown == causes
    named = [line.strip() for line in lines if "tls-atexit/" in line]
    assert set(named) <= set(IDS)
    assert named or causes > 2
    assert any(line.startswith("report: ") for line in lines[-4:])


def test_a_run_in_which_nothing_is_wrong_says_so_in_few_lines(tmp_path: Path) -> None:
    folder = factory.write_run(tmp_path / "reports" / factory.RUN)
    with on_terminal([sys.executable, "-m", "orchestrator", "report", str(folder)]) as terminal:
        lines = terminal.until_end()
    assert lines[0] == "PASS  tls-atexit: 12 of 12 cells, 3 crash as expected"
    assert "All 12 cells are as expected; 24 are excluded, with reasons." in lines
    assert len(lines) < 12
