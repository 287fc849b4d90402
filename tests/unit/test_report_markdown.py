"""report.markdown: text of others is text, raw and rendered, wherever it stands."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from orchestrator.report.markdown import code_markdown, escape_markdown, prose_markdown, table
from orchestrator.report.text import one_line

LINKED = re.compile(r"://|www\.|@|#\d", re.IGNORECASE)
"""What GitHub links in plain text, and not in code spans."""
HOSTILE = st.text(alphabet="ab_*`|\\<>[]()!#&;:@~$ -+=.1\"'/{}é\n", max_size=40)


def page_text(markdown: str) -> str:
    """All text of a rendered page, as a reader sees it."""
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(markdown)
    return "\n".join("".join(child.content for child in token.children or ()) for token in tokens)


def shown(markdown: str) -> str:
    """What a page shows, where nothing but code spans is markup; else an assertion fails."""
    parser = MarkdownIt("gfm-like", {"linkify": False})
    tokens = parser.parse(markdown)
    children = [child for token in tokens for child in token.children or ()]
    assert {child.type for child in children} <= {"text", "code_inline"}, markdown
    assert {token.type.removesuffix("_open").removesuffix("_close") for token in tokens} <= {
        "paragraph", "inline", "bullet_list", "list_item", "table", "thead", "tbody", "tr", "th", "td",
    }, markdown  # fmt: skip
    plain = [child.content for child in children if child.type == "text"]
    assert not LINKED.search(" ".join(plain)), markdown
    return "".join(child.content for child in children)


@given(HOSTILE | st.text(max_size=40))
def test_text_is_shown_as_it_is(text: str) -> None:
    said = one_line(text)
    assert shown(escape_markdown(text)) == said
    assert shown(f"- {escape_markdown(text)} end") == f"{said} end".lstrip() if said else True
    assert shown(code_markdown(text)) == said


@given(HOSTILE | st.text(max_size=40))
def test_prose_shows_the_same_but_for_its_backticks(text: str) -> None:
    assert shown(prose_markdown(text)).replace("`", "").strip() == one_line(text).replace("`", "").strip()


@given(HOSTILE)
def test_in_a_table_it_stays_in_its_field(text: str) -> None:
    lines = list(table(("a", "b"), [(escape_markdown(text), code_markdown(text))]))
    said = one_line(text).replace("\\|", "\\ |")
    assert shown("\n".join(lines)) == f"ab{said}{said}"


@pytest.mark.parametrize(
    ("text", "raw"),
    [
        (
            "saw SIGSEGV in atexit_handler; expected exit 30",
            "saw SIGSEGV in atexit_handler; expected exit 30",
        ),
        ("docker 20.10.24+dfsg1 (API 1.41, x86_64)", "docker 20.10.24+dfsg1 (API 1.41, x86_64)"),
        ('exactly where glibc < "2.41" and x', 'exactly where glibc < "2.41" and x'),
        ("in (anonymous namespace)::run of __GI_getenv", "in (anonymous namespace)::run of `__GI_getenv`"),
        ("a|b c*d @team https://e.org", "`a|b c*d @team https://e.org`"),
        ("hang in _call_function_pointer. Also", "hang in `_call_function_pointer`. Also"),
        ("error[E0308]: mismatched types", "`error[E0308]`: mismatched types"),
        ("1. no list", "`1.` no list"),
        ("# no head", "`#` no head"),
        (":tada: it", "`:tada:` it"),
        ("see www.e.org", "see `www.e.org`"),
    ],
)
def test_raw_text_is_readable(text: str, raw: str) -> None:
    assert escape_markdown(text) == raw


def test_a_command_within_a_sentence_is_code() -> None:
    said = "One cell would tell: `crashmatrix run --cell a/b+c=d`."
    assert prose_markdown(said) == said
    assert escape_markdown(said) != said
