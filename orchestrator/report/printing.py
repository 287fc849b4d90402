"""How templates print values: text is made visible, then escaped; short texts are kept in that form."""

import operator
from typing import Any, ClassVar, Final

from jinja2 import Environment, nodes
from jinja2.compiler import CodeGenerator, Frame, MacroRef
from jinja2.runtime import Macro
from jinja2.utils import missing
from markupsafe import Markup, escape

from orchestrator.adapters.visible import visible

KEPT: Final = 1 << 14
"""Texts whose printed form is kept: names of functions, modules and axes stand on the pages of most cells."""
LONGEST_KEPT: Final = 200
"""Characters of a text that is kept."""


def printed(value: object) -> str:
    """A value as a page shows it; only markup of this program stays unescaped."""
    if isinstance(value, Markup):
        return value
    return escape(visible(value) if isinstance(value, str) else value)


class _Texts(dict[str, str]):
    """Texts in their printed form. Only a plain `str` may be looked up: markup is equal to its own text."""

    def __missing__(self, text: str) -> str:
        """Print a text, and keep it if it is short."""
        form = printed(text)
        if len(text) <= LONGEST_KEPT:
            if len(self) >= KEPT:
                self.clear()
            self[text] = form
        return form


class _QuickMacro(Macro):
    """A macro that passes its arguments on: jinja2's own looks at each call for what none here has."""

    def __call__(self, *arguments: Any, **named: Any) -> Markup:  # noqa: ANN401
        """The markup of a macro."""
        lacking = self._argument_count - len(arguments)
        if named or lacking < 0 or self.caller or self.catch_kwargs or self.catch_varargs:
            text = super().__call__(*arguments, **named)
        else:
            text = self._func(*arguments, *(missing,) * lacking)
        return str.__new__(Markup, text)  # `Markup(text)` asks first whether the text has markup


_BEFORE: Final = "(environment.texts[value] if type(value := "
_BEHIND: Final = ") is str else environment.printed(value))"
"""What stands around an expression that is printed: most are texts that were printed before."""


class _PrintingGenerator(CodeGenerator):
    """Compiles `{{ value }}` to a look-up or a call of `printed`, and names and calls as Python has them.

    jinja2 itself calls `finalize`, `escape` and `Markup` for each value, looks for items where there is no
    attribute, and for functions that ask for the context, all in Python: two thirds of the time of a page.
    No template here needs it: values have attributes, and no function asks for the context.
    """

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:  # noqa: ANN401, ARG002
        self.write(_BEFORE)

    def _output_child_post(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:  # noqa: ANN401, ARG002
        self.write(_BEHIND)

    def visit_Output(self, node: nodes.Output, frame: Frame) -> None:  # noqa: N802
        """Write what stands between two tags as one text: each part that is yielded passes all callers."""
        if frame.buffer is not None or len(node.nodes) == 1:
            super().visit_Output(node, frame)
        elif not (frame.require_output_check and self.has_known_extends):
            self.writeline("yield concat((", node)
            for child in node.nodes:
                self.newline(child)
                if isinstance(child, nodes.TemplateData):
                    self.write(repr(child.data))
                else:
                    self.write(_BEFORE)
                    self.visit(child, frame)
                    self.write(_BEHIND)
                self.write(",")
            self.writeline("))")

    def visit_Getattr(self, node: nodes.Getattr, frame: Frame) -> None:  # noqa: N802
        """Write `value.name`."""
        self.visit(node.node, frame)
        self.write(f".{node.attr}")

    def visit_Call(self, node: nodes.Call, frame: Frame, forward_caller: bool = False) -> None:  # noqa: N802
        """Write a call; raises TypeError for a `{% call %}` block."""
        if forward_caller:
            raise TypeError("templates with call blocks are not compiled here")
        self.write("environment.called(")
        self.visit(node.node, frame)
        self.signature(node, frame)
        self.write(")")

    def macro_def(self, macro_ref: MacroRef, frame: Frame) -> None:
        """Write a macro as one of the environment's; jinja2 writes `Macro(...)`."""
        self.write("environment.")
        super().macro_def(macro_ref, frame)


class PrintingEnvironment(Environment):
    """An environment whose templates print by `printed`, not by `finalize`."""

    code_generator_class = _PrintingGenerator
    Macro = _QuickMacro
    printed = staticmethod(printed)
    texts: ClassVar[_Texts] = _Texts()
    called: ClassVar[Any] = staticmethod(operator.call)
