"""Untrusted text: visible, harmless, legal in XML, and cut without reading the whole."""

import sys
import unicodedata
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.adapters.visible import visible
from orchestrator.report import text


def excerpt_of(path: Path, limit: int = text.LIMIT) -> text.Excerpt:
    """What a page shows of a file."""
    with path.open("rb") as stream:
        return text.read_excerpt(stream, limit)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("a\r\nb\rc", "a\nb␍c"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07x\x1b]8;;http://a\x1b\\link\x1b]8;;\x1b\\", "xlink"),
        ("\x1bPq#0\x1b\\x\x1b(B", "x"),
        ("cut \x1b[", "cut ␛["),
        ("nul\0 bell\x07 del\x7f", "nul␀ bell␇ del␡"),
        ("\x9b31m c1", "⟨U+009B⟩31m c1"),
        ("\u202eevil\u202c \u2066x", "⟨U+202E⟩evil⟨U+202C⟩ ⟨U+2066⟩x"),
        ("\ufeffbom \u200bzero\u2028line", "⟨U+FEFF⟩bom ⟨U+200B⟩zero⟨U+2028⟩line"),
        ("\ud800 \ufffe", "⟨U+D800⟩ ⟨U+FFFE⟩"),
        ("שלום ☃ 👍🏽", "שלום ☃ 👍🏽"),
    ],
)
def test_what_a_terminal_or_browser_would_act_on_is_shown(raw: str, shown: str) -> None:
    assert visible(raw) == shown


def test_no_control_format_or_surrogate_character_stays_invisible() -> None:
    category = unicodedata.category
    # Format characters that have a glyph of their own (Arabic number signs and the like) may stay.
    glyphs = {
        code
        for start, stop in [
            (0x600, 0x606),
            (0x6DD, 0x6DE),
            (0x70F, 0x710),
            (0x890, 0x892),
            (0x8E2, 0x8E3),
            (0x110BD, 0x110BE),
            (0x110CD, 0x110CE),
            (0x13430, 0x13440),
            (0x1BCA0, 0x1BCA4),
            (0x1D173, 0x1D17B),
        ]
        for code in range(start, stop)
    }
    hidden = [
        hex(code)
        for code in range(sys.maxunicode + 1)
        if category(chr(code)) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
        and chr(code) not in "\n\t"
        and code not in glyphs
        and visible(chr(code)) == chr(code)
    ]
    assert hidden == []


@given(st.text(st.characters(codec=None)))
def test_visible_text_is_legal_xml_and_stays_as_it_is(raw: str) -> None:
    shown = visible(raw)
    element = ET.Element("x", {"a": shown})
    element.text = shown
    assert ET.fromstring(ET.tostring(element)).text == (shown or None)  # noqa: S314 - our own document
    assert visible(shown) == shown


def test_long_output_is_cut_in_the_middle(tmp_path: Path) -> None:
    path = tmp_path / "stdout"
    with path.open("wb") as stream:
        stream.write(b"BEGIN")
        stream.seek(50 * 1024 * 1024)
        stream.write(b"END")
    excerpt = excerpt_of(path, 1024)
    assert excerpt.head.startswith("BEGIN␀")
    assert excerpt.tail.endswith("␀END")
    assert excerpt.left_out == excerpt.size - 1024
    shown = text.excerpt_text(excerpt, "cells/x/stdout")
    assert "[50.0 MiB left out here; the whole is in cells/x/stdout]" in shown


@pytest.mark.parametrize("shift", range(4))
def test_a_cut_never_splits_a_character(tmp_path: Path, shift: int) -> None:
    path = tmp_path / "stdout"
    path.write_bytes(b"x" * shift + "👍".encode() * 1000)
    excerpt = excerpt_of(path, 254)
    assert set(excerpt.head) <= {"x", "👍"}
    assert set(excerpt.tail) == {"👍"}


def test_invalid_utf8_is_shown_byte_by_byte(tmp_path: Path) -> None:
    path = tmp_path / "stderr"
    path.write_bytes(b"caf\xe9 \xff\xfe ok")
    assert excerpt_of(path).head == "caf\\xe9 \\xff\\xfe ok"


def test_one_line_is_one_and_cut() -> None:
    assert text.one_line("a\n b\r\n\tc") == "a b c"
    assert text.one_line("x" * 500, 10) == "xxxxxxxxx…"
    assert "\n" not in text.one_line("\n" * 10 + "a" * 3000)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.0004, "0 ms"), (0.85, "850 ms"), (1.21, "1.2 s"), (59.96, "1 min 0 s"), (200, "3 min 20 s")],
)
def test_durations(seconds: float, said: str) -> None:
    assert text.duration_words(seconds) == said


@pytest.mark.parametrize(
    ("size", "said"), [(0, "0 bytes"), (1, "1 byte"), (2048, "2.0 KiB"), (52428800, "50.0 MiB")]
)
def test_sizes(size: int, said: str) -> None:
    assert text.size_words(size) == said
