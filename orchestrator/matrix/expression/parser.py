"""Reads the text of an expression, and words its errors with their columns.

The language is a subset of Python's expression grammar: names of axes, quoted values, comparisons and boolean
operators. Python's parser therefore reads it and gives the columns of errors. Nothing is evaluated as Python:
the syntax tree is turned into the values of `tree`, and any other node in it is refused.
"""

import ast
import operator
import warnings
from collections.abc import Callable, Mapping
from typing import Final, NoReturn

from packaging.version import Version

from orchestrator.adapters.suggest import nearest
from orchestrator.errors import ErrorList, InputError, Location
from orchestrator.matrix.expression.tree import (
    ARCH,
    WORDS,
    All,
    Any,
    Constant,
    Expression,
    Not,
    OneOf,
    Ordered,
)
from orchestrator.matrix.expression.versions import known_value, parse_version
from orchestrator.model import VERSION_AXES, Arch, is_version, orders_as_version, version_key

MAX_LENGTH: Final = 2000
EXAMPLE: Final = 'write for example glibc < "2.41" and launcher == "uwsgi"'

Vocabulary = Mapping[str, tuple[str, ...]]
"""All axes with their values; an expression may name nothing else."""
Aliases = Mapping[str, Mapping[str, str]]
"""By axis: other names of its values, in small letters, for the hints of errors."""
ARCH_ALIASES: Final[Aliases] = {ARCH: Arch.aliases()}

_ORDER: Final[dict[type[ast.cmpop], Callable[[Version, Version], bool]]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_MIRROR: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.Gt,
    ast.LtE: ast.GtE,
    ast.Gt: ast.Lt,
    ast.GtE: ast.LtE,
    ast.Eq: ast.Eq,
    ast.NotEq: ast.NotEq,
}


def parse(text: str, vocabulary: Vocabulary, where: Location, aliases: Aliases = ARCH_ALIASES) -> Expression:
    """Parse an expression; raises MultipleInputError with the places inside the expression.

    `where` is where the expression's text begins; an unknown axis or value offers the nearest name.
    """
    return _Parser(text, vocabulary, where, aliases).parse()


class _Parser:
    def __init__(self, text: str, vocabulary: Vocabulary, where: Location, aliases: Aliases) -> None:
        self._text = text
        self._vocabulary = vocabulary
        self._where = where
        self._aliases = aliases
        self._errors = ErrorList()

    def parse(self) -> Expression:
        if len(self._text) > MAX_LENGTH:
            self._refuse(f"the expression is longer than {MAX_LENGTH} characters", None, "split it")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SyntaxWarning)
                tree = ast.parse(self._text.strip(), mode="eval")
            parsed = self._part(tree.body)
        except SyntaxError as error:
            said = f"the expression does not parse: {error.msg}"
            # Python gives offset 0 where the text ends too early.
            offset = error.offset - 1 if error.offset else len(self._text.strip())
            raise InputError(said, where=self._place(offset), hint=EXAMPLE) from error
        except (ValueError, RecursionError, MemoryError) as error:
            raise InputError(
                "the expression does not parse: too deep, or not text", where=self._where, hint=EXAMPLE
            ) from error
        self._errors.raise_all()
        return parsed

    def _part(self, node: ast.expr) -> Expression:
        """A part of the expression; a mistake in it is collected, and the other parts are still read."""
        with self._errors.collect():
            return self._node(node)
        return Constant(False)

    def _node(self, node: ast.expr) -> Expression:
        match node:
            case ast.BoolOp(op=ast.And(), values=values):
                return All(tuple(self._part(value) for value in values))
            case ast.BoolOp(values=values):
                return Any(tuple(self._part(value) for value in values))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return Not(self._part(operand))
            case ast.Name(id=word) if word in WORDS:
                return WORDS[word]
            case ast.Constant(value=True | False as value):
                return Constant(value)
            case ast.Compare():
                return self._chain(node)
        self._refuse(f"{self._source(node)!r} is not a comparison", node, EXAMPLE)

    def _chain(self, node: ast.Compare) -> Expression:
        """`"2.31" <= glibc < "2.41"` is two comparisons joined by `and`, as in Python."""
        sides = [node.left, *node.comparators]
        pairs = zip(sides, node.ops, sides[1:], strict=False)
        parts = tuple(self._compare(left, type(op), right) for left, op, right in pairs)
        return parts[0] if len(parts) == 1 else All(parts)

    def _compare(self, left: ast.expr, op: type[ast.cmpop], right: ast.expr) -> Expression:
        if not isinstance(left, ast.Name) and isinstance(right, ast.Name) and op in _MIRROR:
            left, op, right = right, _MIRROR[op], left
        axis = self._axis(left)
        if op in (ast.In, ast.NotIn):
            if not isinstance(right, ast.Tuple | ast.List | ast.Set):
                self._refuse(f"{axis} in needs several values", right, f'write {axis} in ("a", "b")')
            found: Expression = OneOf(axis, frozenset(self._value(axis, item) for item in right.elts))
            return found if op is ast.In else Not(found)
        if op in (ast.Eq, ast.NotEq):
            found = OneOf(axis, frozenset({self._value(axis, right)}))
            return found if op is ast.Eq else Not(found)
        if op not in _ORDER:
            self._refuse("`is` is not known here", right, "use == or !=")
        bound = self._version(axis, right)
        return Ordered(axis, _ORDER[op], version_key(axis, bound), bound, self._place(left.col_offset))

    def _axis(self, node: ast.expr) -> str:
        if not isinstance(node, ast.Name):
            self._refuse(f"{self._source(node)!r} is not the name of an axis", node, EXAMPLE)
        if node.id not in self._vocabulary:
            self._refuse(f"unknown axis {node.id!r}", node, nearest(node.id, self._vocabulary))
        return node.id

    def _string(self, node: ast.expr) -> str:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return node.value
        source = self._source(node)
        self._refuse(f"{source} is not a quoted value", node, f'write "{source}" in quotes')

    def _value(self, axis: str, node: ast.expr) -> str:
        value, known = self._string(node), self._vocabulary[axis]
        if (found := known_value(axis, value, known)) is not None:
            return found
        hint = nearest(value, known, self._aliases.get(axis))
        self._refuse(f"{axis} has no value {value!r}", node, hint)

    def _version(self, axis: str, node: ast.expr) -> str:
        value = self._string(node)
        if not orders_as_version(axis, self._vocabulary[axis]):
            self._refuse(f"{axis} has no order, its values are names", node, "use ==, != or in")
        if not (is_version(axis, value) if axis in VERSION_AXES else parse_version(value)):
            self._refuse(f"{value!r} is not a version", node, 'write a version such as "2.41"')
        return value

    def _source(self, node: ast.expr) -> str:
        return (ast.get_source_segment(self._text.strip(), node) or "?")[:60]

    def _place(self, offset: int) -> Location:
        """The place of an offset in the text; lines of a folded YAML scalar cannot be told apart."""
        indent = len(self._text) - len(self._text.lstrip())
        column = (self._where.column or 1) + indent + offset
        return Location(file=self._where.file, line=self._where.line, column=column)

    def _refuse(self, what: str, node: ast.expr | None, hint: str) -> NoReturn:
        raise InputError(what, where=self._place(node.col_offset if node else 0), hint=hint)
