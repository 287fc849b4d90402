"""The terminal: untrusted text, such as a build's log or a reason, cannot control it."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.live import Live
from rich.table import Table

from orchestrator.adapters.visible import visible, visible_json
from orchestrator.cli import console, output, progress

HOSTILE = "Step 1\x1b[2J\x1b]0;owned\x07 \x9b31m\u202e\x00\r\x08end"
CONTROL = frozenset(chr(code) for code in (*range(10), *range(11, 32), *range(0x7F, 0xA0))) | {"\u202e"}


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What a terminal would be sent, by the console that commands open."""
    written = io.StringIO()

    def opened(**_named: object) -> Console:
        return Console(file=written, force_terminal=True, color_system=None, width=200, highlight=False)

    monkeypatch.setattr(console, "Console", opened)
    return written


def test_a_build_s_log_reaches_no_terminal_raw(terminal: io.StringIO) -> None:
    lines = progress.Lines(console.open_console())
    lines.image_ended("cell-x", 1.0, f"could not be built: {HOSTILE}")
    lines.say(HOSTILE)
    table = Table("cell")
    table.add_row(HOSTILE)
    console.open_console().print(table)
    console.open_console().print(HOSTILE, markup=False)
    shown = terminal.getvalue()
    assert "Step 1" in shown
    assert "end" in shown
    assert not CONTROL & {*shown}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\x0b", "\x85", "\u2028"])
def test_what_a_program_says_begins_no_line_of_a_log(
    terminal: io.StringIO, capsys: pytest.CaptureFixture[str], end: str
) -> None:
    """There a CI service would take it for a command."""
    said = f"first{end}::error::forged{end}  ::stop-commands::x"
    lines = progress.Lines(console.open_console())
    lines.image_ended("cell-x", 1.0, said)
    lines.say(said)
    console.complain(said)
    written = terminal.getvalue() + capsys.readouterr().err
    assert written.count("::error::forged") == 3
    assert not [line for line in written.splitlines() if line.lstrip().startswith("::")]


def test_errors_are_visible(capsys: pytest.CaptureFixture[str]) -> None:
    console.complain(HOSTILE)
    output.write_lines([HOSTILE + "\n"])
    output.write_json([json.dumps(HOSTILE, ensure_ascii=False)])
    out, err = capsys.readouterr()
    assert not CONTROL & {*out, *err}


def test_a_live_bar_still_moves_the_cursor(terminal: io.StringIO) -> None:
    shown = console.open_console()
    with Live("bar", console=shown, refresh_per_second=1):
        shown.print(f"above {HOSTILE}")
    assert "\x1b[" in terminal.getvalue()
    assert "\x1b[2J" not in terminal.getvalue()
    assert "\x07" not in terminal.getvalue()


@given(st.text())
def test_json_stays_the_same_values(text: str) -> None:
    shown = visible_json(json.dumps({"x": text}, ensure_ascii=False))
    assert json.loads(shown) == {"x": text}
    assert not CONTROL & {*shown}
    assert not (CONTROL - {"\t"}) & {*visible(text)}
