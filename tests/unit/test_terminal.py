"""The terminal at 80 columns and 24 rows, on a real pseudo-terminal with an emulator behind it."""

import re
import sys

import pytest

from orchestrator.cli.progress import fitting
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
