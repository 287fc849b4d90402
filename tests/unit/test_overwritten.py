"""Text in place of an address, as registers and memory show it; real cores are in tests/integration."""

import pytest

from orchestrator.crash.fault.overwritten import as_text


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b": true\n}", r'": true\n}"'),
        (b"rue\n}\0\0\0", r'"rue\n}"'),
        (b"ab12\0\0\0\0", None),
        (b"AAAA\0AAA", None),
        ((0x7F12_3456_7890).to_bytes(8, "little"), None),
        (b"\x80abcdefg", None),
    ],
)
def test_a_word_is_text_only_where_all_of_it_is(raw: bytes, text: str | None) -> None:
    assert as_text(raw) == text
