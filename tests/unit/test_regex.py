"""The regular expressions of scenarios: linear time, and what RE2 cannot take is an error with its place."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.adapters.regex import LONGEST, check_pattern, is_in
from orchestrator.errors import InputError
from orchestrator.matrix import load_matrix
from tests.unit.conftest import SCENARIO

FROM_16_MB = 16 << 20


def test_a_pattern_that_backtracks_without_end_elsewhere_takes_the_time_of_its_text() -> None:
    text = "a" * FROM_16_MB + "b"
    assert not is_in("^(a+)+$", text)
    assert is_in("^(a|aa)+b$", text)


def test_lines_begin_and_end_and_text_may_be_of_any_language() -> None:
    assert is_in("^b$", "a\nb\nc")
    assert not is_in("a.b", "a\nb")
    assert is_in(r"a[\s\S]b", "a\nb")
    assert is_in("größe \\d+", "die größe 7")
    assert is_in("^$", "x\n")
    assert not is_in("x", "\ud800")


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("a{99999999999}", "a count of more than 1,000"),
        ("a{2,99999999999}", "a count of more than 1,000"),
        ("a{1001}", "invalid repetition"),
        ("((a{100}){100}){100}", "invalid repetition"),
        ("(" * 10_000, f"more than {LONGEST:,} characters"),
        ("(" * 4_000, r"missing \)"),
        ("[", r"missing \]"),
        ("*", "repetition"),
        ("(?=a)", "no lookaround"),
        (r"(a)\1", "no backreferences"),
        ("\ud800", "no Unicode text"),
    ],
)
def test_what_cannot_be_taken_is_an_error(pattern: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_pattern(pattern)


@pytest.mark.parametrize("pattern", [r"\{12345\}", "{x}", "x{1,1000}", "a" * LONGEST])
def test_what_is_no_large_count_is_taken(pattern: str) -> None:
    assert check_pattern(pattern) == pattern


@given(st.text(), st.text())
def test_any_text_is_a_pattern_or_an_error(pattern: str, text: str) -> None:
    try:
        check_pattern(pattern)
    except ValueError:
        return
    assert is_in(pattern, text) in (True, False)


@pytest.mark.parametrize("pattern", ["a{99999999999}", "(" * 10_000, "(?<!x)y", "("])
def test_a_pattern_that_is_none_is_named_by_line_and_column(project: Path, pattern: str) -> None:
    file = project / "scenarios/tls-atexit/scenario.yaml"
    file.write_text(SCENARIO.replace("because: it crashes", f"because: it crashes\n    message: '{pattern}'"))
    with pytest.raises(InputError, match=r"scenario\.yaml:15:14: expect\.0\.message: .*") as caught:
        load_matrix(project / "matrix.yaml", project / "scenarios")
    assert "\n" not in str(caught.value)
