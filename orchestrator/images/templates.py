"""Dockerfiles from Jinja2 templates; every value that is put into one must be harmless.

A project's templates are untrusted: Jinja2's sandbox keeps them from Python's objects, and the language is
reduced so that each template ends soon. There is no arithmetic and no assignment, loops go over the words of
a value, and calls, words and included files are counted.
"""

import os
import re
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from jinja2 import BaseLoader, Environment, StrictUndefined, TemplateError, TemplateNotFound, nodes
from jinja2 import TemplateSyntaxError as SyntaxProblem
from jinja2.loaders import split_template_path
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment

from orchestrator.adapters.inside import read_inside
from orchestrator.errors import InputError, Location

HARMLESS: Final = re.compile(r"[A-Za-z0-9/][A-Za-z0-9 _.,:/=+@-]{0,1023}")
"""No newline, quote, backslash, dollar sign or shell operator gets into a Dockerfile from a value."""
MAX_BYTES: Final = 64 * 1024
"""Of a template; the longest of this program's has 4 KiB."""
MOST_STEPS: Final = 5_000
"""Calls, words of loops and included files of one Dockerfile; this program's take 30 at most."""
LONGEST_ARGUMENT: Final = 1024
"""Of a macro, in characters: without a limit each call could double a text."""
_ALLOWED: Final = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Keyword),
    *(nodes.If, nodes.CondExpr, nodes.Not, nodes.And, nodes.Or, nodes.Compare, nodes.Operand, nodes.Concat),
    *(nodes.Macro, nodes.Call, nodes.Include, nodes.Import, nodes.FromImport),
)
_HINT: Final = "compare it with the one that travels with crashmatrix"
_steps: ContextVar[int] = ContextVar("_steps")


def fill(
    folders: tuple[Path, ...], name: str, values: Mapping[str, str | None], project: Path | None = None
) -> str:
    """The text of a template in the first of `folders` that has it; those below `project` are a user's.

    Raises InputError for a broken template, one that exceeds the limits, or a harmful value.
    """
    place = Location(file=str(folders[0] / name))
    _steps.set(0)
    try:
        return _environment(folders, project).get_template(name).render(values)
    except InputError as error:
        raise InputError(error.what, where=error.where or place, hint=error.hint) from error
    except SyntaxProblem as error:
        where = Location(file=error.filename or str(folders[0] / name), line=error.lineno)
        raise InputError(
            f"not a template: {error.message}", where=where, hint="correct the syntax"
        ) from error
    except TemplateError as error:
        raise InputError(
            f"the template cannot be filled: {error.message}", where=place, hint=_HINT
        ) from error
    except (RecursionError, MemoryError, SyntaxError) as error:
        what = "the template is nested too deeply, or includes itself"
        raise InputError(what, where=place, hint=_HINT) from error


@lru_cache(maxsize=8)
def _environment(folders: tuple[Path, ...], project: Path | None) -> Environment:
    # Not HTML: autoescape would change the text, and `_harmless` refuses values that need quoting.
    return _Bounded(
        loader=_Loader(folders, project),
        undefined=StrictUndefined,
        finalize=_harmless,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,  # a plan sees one state of the templates
    )


class _Loader(BaseLoader):
    """Reads templates from the first folder that has one."""

    def __init__(self, folders: tuple[Path, ...], project: Path | None) -> None:
        self._folders = folders
        self._project = project

    def get_source(self, _environment: Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        """A template's text, its path, and whether it is unchanged."""
        parts = split_template_path(template)
        path = next(
            (file for folder in self._folders if os.path.lexists(file := folder.joinpath(*parts))), None
        )
        if path is None:
            raise TemplateNotFound(template)
        own = self._project is not None and path.is_relative_to(self._project)
        # This program's files may be links of its installer.
        real, root = (path, self._project) if own and self._project else (path.resolve(), Path("/"))
        content, seen = read_inside(real, root, MAX_BYTES, Location(file=str(path))), _written(path)
        return content.decode("utf-8", "replace"), str(path), lambda: _written(path) == seen


def _written(path: Path) -> int | None:
    """When a file was last written, as a Unix time in nanoseconds; None where it is gone."""
    return path.stat().st_mtime_ns if path.exists() else None


class _Bounded(SandboxedEnvironment):
    """The sandbox, with a limit of steps and a reduced language."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - as Jinja2 has them
        super().__init__(**options)
        self._templates: dict[str, Any] = {}

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        for node in tree.find_all(nodes.Node):
            if not _is_allowed(node):
                what = f"a Dockerfile's template cannot use this ({type(node).__name__.lower()})"
                raise SyntaxProblem(what, node.lineno, name, filename)
        return tree

    def get_template(self, name: Any, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - as Jinja2 has it
        """A template; each `include` and `import` asks for one. They do not change while a plan is made."""
        _spend(1)
        if name not in self._templates:
            self._templates[name] = super().get_template(name, *arguments, **named)
        return self._templates[name]

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - likewise
        """Call a macro, or `split` of a text."""
        if any(len(str(value)) > LONGEST_ARGUMENT for value in (*args, *kwargs.values())):
            raise TemplateError(f"an argument has more than {LONGEST_ARGUMENT} characters")
        result = super().call(context, obj, *args, **kwargs)
        _spend(1 + (len(result) if isinstance(result, list) else 0))
        return result


def _spend(steps: int) -> None:
    _steps.set(_steps.get(0) + steps)
    if _steps.get() > MOST_STEPS:
        raise TemplateError(f"it takes more than {MOST_STEPS:,} steps")


def _is_allowed(node: nodes.Node) -> bool:
    if isinstance(node, nodes.For):
        words = node.iter
        return not node.recursive and isinstance(words, nodes.Call) and isinstance(words.node, nodes.Getattr)
    if isinstance(node, nodes.Getattr):
        return node.attr == "split"
    return isinstance(node, _ALLOWED)


def _harmless(value: object) -> object:
    """The check of every value before it becomes text, wherever it came from."""
    if isinstance(value, StrictUndefined):
        return value
    text = str(value)
    if not HARMLESS.fullmatch(text):
        raise InputError(
            f"{text[:80]!r} must not stand in a Dockerfile",
            hint="use letters, digits and ._- in names and versions",
        )
    return text
