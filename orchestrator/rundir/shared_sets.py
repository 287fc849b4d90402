"""Shares equal sets of field names between values: three fifths of the memory of a run's results otherwise.

pydantic keeps with each value a set of the names of the fields that were given, of 200 to 2,000 bytes. Values
of one class were mostly given the same fields.
"""

from typing import Final

from orchestrator.model import Value

_NAME: Final = "__pydantic_fields_set__"
_known: dict[frozenset[str], set[str]] = {}


def share_field_sets(value: Value) -> None:
    """Have a value, and all values in its fields and tuples, use one set for equal names.

    A frozen value never changes its set, and a copy of the value gets a set of its own.
    """
    left: list[object] = [value]
    while left:
        item = left.pop()
        if isinstance(item, Value):
            given = item.__pydantic_fields_set__
            object.__setattr__(item, _NAME, _known.setdefault(frozenset(given), given))
            left += [held for held in vars(item).values() if isinstance(held, Value | tuple)]
        elif isinstance(item, tuple):
            left += item
