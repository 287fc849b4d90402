"""A terminal's colours as classes: all text kept, all else of an escape gone, never any markup."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import escape

from orchestrator.adapters.visible import visible
from orchestrator.report.ansi import coloured

PIECES = st.sampled_from(
    [
        "\x1b[31m",
        "\x1b[0m",
        "\x1b[",
        "\x1b[38;5;",
        "208m",
        "\x1b[1;4",
        "m",
        "<script>",
        "&amp;",
        '"',
        "\x1b]0;t\x07",
    ]
)


class Text(HTMLParser):
    """What a browser would show, and the tags that it would see."""

    def __init__(self) -> None:
        super().__init__()
        self.said = ""
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert [name for name, _ in attrs] == ["class"]

    def handle_data(self, data: str) -> None:
        self.said += data


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain <b>", "plain &lt;b&gt;"),
        ("\x1b[31mred\x1b[0m", '<span class="t-i1">red</span>'),
        ("\x1b[31mred\x1b[mplain", '<span class="t-i1">red</span>plain'),
        ("\x1b[1;92mok\x1b[22;39m.", '<span class="t-bold t-i10">ok</span>.'),
        ("\x1b[7;33mback\x1b[27mfront", '<span class="t-p3">back</span><span class="t-i3">front</span>'),
        ("\x1b[7mturned", '<span class="t-inverse">turned</span>'),
        ("\x1b[38;5;9mbright", '<span class="t-i9">bright</span>'),
        ("\x1b[38;2;250;10;10mnearly", '<span class="t-i9">nearly</span>'),
        ("\x1b[48:5:232mdark", '<span class="t-p0">dark</span>'),
        ("\x1b[38;5mcut \x1b[999999999999mbig", "cut big"),
        ("\x1b[2Jgone\x1b]0;title\x07 \x1b(B", "gone "),
        ("\x1b[31m\x1b[0m", ""),
        ("\x1b[31munended\u202e", '<span class="t-i1">unended⟨U+202E⟩</span>'),
    ],
)
def test_escapes_become_classes(raw: str, shown: str) -> None:
    assert coloured(raw) == shown


@given(st.lists(PIECES | st.text(max_size=5)).map("".join))
def test_the_text_is_the_visible_text_and_nothing_else_is_markup(raw: str) -> None:
    html = coloured(raw)
    page = Text()
    page.feed(html)
    page.close()
    assert page.tags <= {"span"}
    assert "\x1b" not in html
    if "\x1b" not in raw:
        assert html == escape(visible(raw))
