"""How templates print values: text is made visible, then escaped; short texts are kept in that form."""

import functools
import operator
from typing import Any, ClassVar, Final

from jinja2 import Environment, nodes
from jinja2.compiler import CodeGenerator, Frame
from markupsafe import Markup, escape

from orchestrator.adapters.visible import visible

KEPT: Final = 1 << 14
"""Texts whose printed form is kept: names of functions, modules and axes stand on the pages of most cells."""
LONGEST_KEPT: Final = 200
"""Characters of a text that is kept."""


def printed(value: object) -> str:
    """A value as a page shows it; only markup of this program stays unescaped."""
    if type(value) is str and len(value) <= LONGEST_KEPT:
        return _printed_text(value)
    if isinstance(value, Markup):
        return value
    return escape(visible(value) if isinstance(value, str) else value)


@functools.lru_cache(maxsize=KEPT)
def _printed_text(text: str) -> str:
    return escape(visible(text))


class _PrintingGenerator(CodeGenerator):
    """Compiles `{{ value }}` to one call of `printed`, and names and calls as Python has them.

    jinja2 itself calls `finalize`, `escape` and `Markup` for each value, looks for items where there is no
    attribute, and for functions that ask for the context, all in Python: two thirds of the time of a page.
    No template here needs it: values have attributes, and no function asks for the context.
    """

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:  # noqa: ANN401, ARG002
        self.write("environment.printed(")

    def _output_child_post(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:  # noqa: ANN401, ARG002
        self.write(")")

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
                    self.write("environment.printed(")
                    self.visit(child, frame)
                    self.write(")")
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


class PrintingEnvironment(Environment):
    """An environment whose templates print by `printed`, not by `finalize`."""

    code_generator_class = _PrintingGenerator
    printed = staticmethod(printed)
    called: ClassVar[Any] = staticmethod(operator.call)
