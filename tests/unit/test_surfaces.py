"""A real red run (two wrong expectations, a deadlock, a probe that does not compile) through each reader."""

import subprocess
import sys

import pytest

from orchestrator.model import Cause
from orchestrator.report import annotations, cause_words, cell_words
from orchestrator.report.markdown import escape_markdown
from orchestrator.rundir import RunData, Status
from tests.unit import junit_readers as readers
from tests.unit import redruns
from tests.unit.terminal import on_terminal


@pytest.fixture(scope="module")
def red(tmp_path_factory: pytest.TempPathFactory) -> RunData:
    """The red run, with its reports."""
    return redruns.report(tmp_path_factory.mktemp("red"))


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("reader", readers.READERS)
def test_each_reader_of_junit_shows_each_cause_and_tells_its_cells_apart(
    red: RunData, reader: readers.Reader
) -> None:
    shown = reader(red.folder / "junit.xml")
    assert len({item.title for item in shown}) == len(shown)
    wrong = [record for record in red.records if record.status is not Status.PASS]
    assert len(wrong) == 15
    for record in wrong:
        (item,) = (item for item in shown if record.id in item.title)
        cause = red.cause_of[record.id]
        assert cause_words.sentence(cause) in item.text
        if item.first:
            told = (cause.title, *filter(None, [cause.signature]))
            assert any(text in item.first for text in told)


def test_the_summary_s_first_twenty_lines_have_each_cause(red: RunData) -> None:
    first = (red.folder / "summary.md").read_text(encoding="utf-8").splitlines()[:20]
    assert len(red.open_causes) == 4
    for letter, cause in zip("ABCD", red.open_causes, strict=True):
        (row,) = (line for line in first if f"**{letter}** |" in line and " of " in line)
        assert escape_markdown(cause_words.sentence(cause)) in row
    squares = [line.count(f"**{letter}**") for letter in "ABCD" for line in first if line.startswith("| py3")]
    assert sum(squares) == 15


def test_the_terminal_s_end_has_each_cause_on_one_screen(red: RunData) -> None:
    with on_terminal([sys.executable, "-m", "orchestrator", "report", str(red.folder)]) as terminal:
        lines = terminal.until_end()
        assert terminal.scrolled == 0
    assert len(lines) <= 23
    text = flat(" ".join(lines))
    for cause in red.open_causes:
        assert flat(cause_words.sentence(cause)) in text
        assert cause_words.share(cause) in text


def test_lines_of_a_log_end_with_their_words(red: RunData) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "orchestrator", "report", str(red.folder)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert cause_words.sentence(red.open_causes[0]) in ended.stdout
    assert [line for line in ended.stdout.splitlines() if line != line.rstrip()] == []


def test_a_cell_whose_image_failed_says_so(red: RunData) -> None:
    seen = {cell_words.cell_seen(record) for record in red.records if record.status is Status.ERROR}
    assert seen == {"build failed"}


def test_each_cause_is_one_annotation_at_its_rule(red: RunData) -> None:
    lines = annotations(red)
    for line, cause in zip(lines, red.open_causes, strict=True):
        assert cause_words.sentence(cause) in line
        assert ("file=scenarios/" in line) == (cause.place is not None)


def test_a_failed_build_quotes_its_error_on_every_surface(red: RunData) -> None:
    (cause,) = (cause for cause in red.open_causes if cause.image)
    assert cause.image is not None
    assert cause.image.log is not None
    texts: dict[str, str] = {
        name: (red.folder / name).read_text(encoding="utf-8") for name in ("junit.xml", "summary.md")
    }
    texts["annotations"] = "\n".join(annotations(red))
    for name, text in texts.items():
        assert "mismatched types" in text, name
        assert cause.image.log in text, name


def test_a_cause_is_worded_once(red: RunData) -> None:
    def lines(cause: Cause) -> list[str]:
        return list(cause_words.lines(cause))

    suites = (red.folder / "junit.xml").read_text(encoding="utf-8")
    for cause in red.open_causes:
        first = lines(cause)[0].replace("<", "&lt;").replace(">", "&gt;")
        assert first in suites
