"""Dockerfiles from Jinja2 templates; every value that is put into one must be harmless."""

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError, TemplateSyntaxError

from orchestrator.errors import InputError, Location

HARMLESS: Final = re.compile(r"[A-Za-z0-9/][A-Za-z0-9 _.,:/=+@-]{0,1023}")
"""No newline, quote, backslash, dollar sign or shell operator gets into a Dockerfile from a value."""


def fill(folders: tuple[Path, ...], name: str, values: Mapping[str, str | None]) -> str:
    """The text of a template in the first of `folders` that has it.

    Raises InputError for a broken template or a value that could do harm.
    """
    try:
        return _environment(folders).get_template(name).render(values)
    except TemplateSyntaxError as error:
        place = Location(file=error.filename or str(folders[0] / name), line=error.lineno)
        raise InputError(
            f"not a template: {error.message}", where=place, hint="correct the syntax"
        ) from error
    except TemplateError as error:
        raise InputError(
            f"the template cannot be filled: {error.message}",
            where=Location(file=str(folders[0] / name)),
            hint="compare it with the one that travels with crashmatrix",
        ) from error


@lru_cache(maxsize=8)
def _environment(folders: tuple[Path, ...]) -> Environment:
    # Not HTML: autoescape would change the text, and `_harmless` refuses values that need quoting.
    return Environment(  # noqa: S701
        loader=FileSystemLoader(folders),
        undefined=StrictUndefined,
        finalize=_harmless,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


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
