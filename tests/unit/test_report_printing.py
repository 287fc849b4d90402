"""How templates print: only this program's own markup stays as it is, and a misspelt name is an error."""

import pytest
from jinja2 import StrictUndefined, UndefinedError
from markupsafe import Markup

from orchestrator.report import printing
from orchestrator.report.printing import LONGEST_KEPT, PrintingEnvironment
from orchestrator.rundir import Status

HOSTILE = "<b>\"'&\x1b[31m\u202e\0"
SHOWN = "&lt;b&gt;&#34;&#39;&amp;⟨U+202E⟩␀"


def rendered(template: str, **context: object) -> str:
    """A template's text, in the environment of the report's pages."""
    environment = PrintingEnvironment(undefined=StrictUndefined, autoescape=True)
    return environment.from_string(template).render(context)


class Text(str):
    """A subclass, as an enum's member is."""

    __slots__ = ()


@pytest.mark.parametrize("value", [HOSTILE, Text(HOSTILE)])
@pytest.mark.parametrize(
    "template",
    [
        "{{ value }}",
        "{% autoescape false %}{{ value }}{% endautoescape %}",
        "{% macro show(value) %}{{ value }}{% endmacro %}{{ show(value) }}",
        "{% set text = value %}{{ text }}",
        "{% for item in [value] %}{{ item }}{% endfor %}",
    ],
)
def test_every_text_is_made_visible_and_escaped_once(template: str, value: str) -> None:
    assert rendered(template, value=value) == SHOWN


@pytest.mark.parametrize("length", [LONGEST_KEPT, LONGEST_KEPT + 1])
def test_long_texts_are_printed_as_short_ones_are(length: int) -> None:
    assert rendered("{{ value }}", value="<" * length) == "&lt;" * length


def test_other_values_are_printed_as_python_does_and_markup_stays() -> None:
    assert rendered("{{ a }} {{ b }} {{ c }} {{ d }}", a=1.5, b=Status.NOT_RUN, c=["<"], d=Markup("<i>")) == (
        "1.5 not run [&#39;&lt;&#39;] <i>"
    )


@pytest.mark.parametrize("template", ["{{ missing }}", "{{ missing.name }}", "{{ missing() }}"])
def test_a_name_that_is_not_given_is_an_error(template: str) -> None:
    with pytest.raises(UndefinedError):
        rendered(template)


def test_an_attribute_that_a_value_has_not_is_an_error() -> None:
    with pytest.raises(AttributeError):
        rendered("{{ value.missing }}", value=Status.PASS)


def test_calls_take_positional_and_named_arguments() -> None:
    assert rendered("{{ f(1, sep='<') }}", f=lambda number, sep: f"{number}{sep}") == "1&lt;"


def test_a_call_block_is_refused() -> None:
    with pytest.raises(TypeError, match="call blocks"):
        rendered("{% macro m() %}{{ caller() }}{% endmacro %}{% call m() %}x{% endcall %}")


def test_markup_that_reads_as_a_text_printed_before_is_not_taken_for_it() -> None:
    assert rendered("{{ a }} {{ b }} {{ a }}", a="<i>", b=Markup("<i>")) == "&lt;i&gt; <i> &lt;i&gt;"


@pytest.mark.parametrize(
    ("call", "shown"),
    [
        ("show('<', '>')", "&lt;&gt;"),
        ("show('<')", "&lt;-"),
        ("show('<', right='>')", "&lt;&gt;"),
        ("show(show('<'))", "&lt;--"),
    ],
)
def test_a_macro_takes_its_arguments_as_those_of_jinja_do(call: str, shown: str) -> None:
    macro = "{% macro show(left, right='-') %}{{ left }}{{ right }}{% endmacro %}"
    assert rendered(f"{macro}{{{{ {call} }}}}") == shown


@pytest.mark.parametrize("arguments", ["", "1, 2, 3", "1, other=2"])
def test_wrong_arguments_of_a_macro_are_an_error(arguments: str) -> None:
    macro = "{% macro show(left, right) %}{{ left }}{% endmacro %}"
    with pytest.raises((UndefinedError, TypeError)):
        rendered(f"{macro}{{{{ show({arguments}) }}}}")


def test_no_more_texts_are_kept_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printing, "KEPT", len(PrintingEnvironment.texts) + 3)
    for number in range(8):
        assert rendered("{{ value }}", value=f"<{number} of eight") == f"&lt;{number} of eight"
    assert len(PrintingEnvironment.texts) <= printing.KEPT
