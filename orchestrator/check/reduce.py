"""Reduces a script while it keeps its behaviour, by delta debugging over its statements.

The unit is a statement at any depth, or an element of a list that a name is given. Chunks of them are left
out, large ones first (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", 2002).
"""

import ast
from collections.abc import Callable, Iterator, Sequence
from typing import Final

Still = Callable[[Sequence[str]], int | None]
"""The position of the first of these scripts that still shows the behaviour; None if none does."""

BATCH: Final = 12
"""Scripts that one container runs; the first that still shows the behaviour ends it."""
MADE: Final = "made: "
_MAKES: Final = "made.append(value())"
"""The line of battery/use.py that makes an object of a class."""
_BODIES: Final = ("body", "orelse", "finalbody")


def reduced(text: str, still: Still, most: int) -> str:
    """The smallest script found in at most `most` batches; the text where nothing can be left out."""
    size = max(1, len(_units(ast.parse(text))) // 2)
    while most > 0:
        smaller, batches = _smaller(text, size, still, most)
        most -= batches
        if smaller is not None:
            text = smaller
            size = min(size, max(1, len(_units(ast.parse(text))) // 2))
        elif size == 1:
            break
        else:
            size //= 2
    return text


def statements(text: str) -> int:
    """How many statements a script has."""
    return sum(isinstance(node, ast.stmt) for node in ast.walk(ast.parse(text)))


def tracing(text: str) -> str:
    """The script, changed to print the classes that it makes objects of; for `made`."""
    return text.replace(
        _MAKES, f'print("{MADE}" + module.__name__, key, flush=True)\n                {_MAKES}'
    )


def made(output: str) -> tuple[tuple[str, str], ...]:
    """The classes of which such a script made objects, each with its module, in their order."""
    lines = (line.removeprefix(MADE) for line in output.splitlines() if line.startswith(MADE))
    pairs = [(module, key) for module, _, key in (line.partition(" ") for line in lines)]
    known = (pair for pair in pairs if all(part.isidentifier() for part in (*pair[0].split("."), pair[1])))
    return tuple(dict.fromkeys(known))


def naming(text: str, classes: Sequence[tuple[str, str]]) -> str:
    """The script with these classes named in place of a search for all, so that each is a unit."""
    tree = ast.parse(text)
    calls = ", ".join(f"sys.modules[{module!r}].{key}()" for module, key in classes)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == "use":
            node.body = [*ast.parse(f"made = [{calls}]").body, ast.Return(ast.Name("made", ast.Load()))]
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


def _smaller(text: str, size: int, still: Still, most: int) -> tuple[str | None, int]:
    """A script without some chunk of `size` units that still does it, and how many batches were tried."""
    count = len(_units(ast.parse(text)))
    chunks = [set(range(start, min(start + size, count))) for start in range(0, count, size)]
    # From the end: a use must be left out before what it uses.
    texts = [one for chunk in reversed(chunks) if (one := _without(text, chunk)) != text]
    for number, start in enumerate(range(0, len(texts), BATCH)):
        if number == most:
            return None, number
        batch = texts[start : start + BATCH]
        found = still(batch)
        if found is not None:
            return batch[found], number + 1
    return None, -(-len(texts) // BATCH)


def _units(tree: ast.Module) -> list[tuple[list[ast.stmt] | list[ast.expr], int]]:
    """Every unit as its list and its place in that, in the order of the script."""
    return list(_each(tree))


def _each(node: ast.AST) -> Iterator[tuple[list[ast.stmt] | list[ast.expr], int]]:
    for name in _BODIES:
        body = getattr(node, name, None)
        if isinstance(body, list):
            for place, statement in enumerate(body):
                yield body, place
                yield from _each(statement)
    for handler in getattr(node, "handlers", ()):
        yield from _each(handler)
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.List):
        for place in range(len(node.value.elts)):
            yield node.value.elts, place


def _without(text: str, numbers: set[int]) -> str:
    """The script without the units of these numbers; a body that has become empty is `pass`."""
    tree = ast.parse(text)
    gone = [unit for number, unit in enumerate(_units(tree)) if number in numbers]
    for members, place in sorted(gone, key=lambda unit: -unit[1]):
        del members[place]
    for node in list(ast.walk(tree)):
        body = getattr(node, "body", None)
        if isinstance(body, list) and not body and not isinstance(node, ast.Module):
            body.append(ast.Pass())
        if isinstance(node, ast.Try) and not node.handlers and not node.finalbody:
            node.finalbody.append(ast.Pass())
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"
