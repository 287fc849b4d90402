"""The common parts of all pages: templates, links, and a security policy that holds if escaping fails.

Every value that a template prints is made visible (text.visible) and escaped. The content security policy of
each page allows only the report's own style and script, by a nonce; no request leaves a page. Each rendering
draws a new nonce, so no program output can contain it. 'self' is not enough: for pages opened from files it
also covers program output.
"""

import functools
import importlib.resources
import posixpath
import re
import secrets
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from jinja2 import PackageLoader, StrictUndefined, Template
from jinja2.runtime import Macro
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup, escape

from orchestrator.adapters.files import write_below
from orchestrator.invocation import command
from orchestrator.model.memory import memory_words
from orchestrator.model.rate import percent
from orchestrator.report import (
    ansi,
    cause_words,
    cell_view,
    cell_words,
    crash_words,
    hangs,
    links,
    stacks,
    text,
    thread_groups,
    views,
    words,
)
from orchestrator.report.compiled import CompiledTemplates
from orchestrator.report.packing import Places
from orchestrator.report.printing import PrintingEnvironment
from orchestrator.report.signatures import SIGNATURES, signature_page, signature_slug
from orchestrator.rundir import CellRecord, RunData, Status

ASSETS: Final = "assets"
STYLE: Final = "report.css"
SCRIPTS: Final = ("page.js", "grid.js", "cell.js")
TEMPLATES: Final = "templates"
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_.~/-]+")
"""What `urllib.parse.quote` escapes, which looks at each character in Python."""
REMEMBERED: Final = 4096
"""Fragments of pages that are kept to be shown again: a few kilobytes each."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """One rendering of a run's pages."""

    data: RunData
    places: Places
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(18))
    _fragments: dict[Hashable, Markup] = field(default_factory=dict, init=False, repr=False)

    def write(self, page: str, template: str, **context: object) -> None:
        """Render a template as a page of the run's folder."""
        write_below(self.data.folder, page, self.render(page, template, **context))

    def render(self, page: str, template: str, **context: object) -> str:
        """A rendered template; links are relative to the page."""
        common = {
            "data": self.data,
            "plan": self.data.plan,
            "page": page,
            "nonce": self.nonce,
            "href": functools.partial(link, page),
            "cell_href": functools.partial(self._cell_link, page),
            "remember": self.remember,
        }
        made = _template(template)
        # Template.render copies the globals by way of a ChainMap, at each call.
        shared = made.new_context({**_environment().globals, **common, **context}, shared=True)
        return "".join(made.root_render_func(shared))

    def remember(self, macro: Macro, *arguments: Hashable) -> Markup:
        """The text of a macro for these arguments, rendered once; it may depend on nothing else."""
        key = (macro.name, arguments)
        fragment = self._fragments.get(key)
        if fragment is None:
            if len(self._fragments) >= REMEMBERED:
                self._fragments.clear()
            fragment = self._fragments[key] = escape(macro(*arguments))
        return fragment

    def write_assets(self) -> None:
        """Write the stylesheet and the scripts, which all pages share."""
        for name in (STYLE, *SCRIPTS):
            write_below(self.data.folder, f"{ASSETS}/{name}", _template_file(name))

    def _cell_link(self, page: str, record: CellRecord) -> str:
        return link(page, *self.places.url(record))


@functools.lru_cache(maxsize=4096)
def link(page: str, target: str, fragment: str = "") -> str:
    """A relative URL from one page of the run's folder to another file of it, and a place there."""
    path = _path(page.rpartition("/")[0], target)
    return f"{path}#{_quoted(fragment).replace('%3D', '=')}" if fragment else path


@functools.lru_cache(maxsize=1024)
def _path(start: str, target: str) -> str:
    """The URL of a file from a folder; a page links the same files several times."""
    return _quoted(posixpath.relpath(target, start) if start else target)


def _quoted(path: str) -> str:
    folder, slash, name = path.rpartition("/")
    return f"{_quoted_folder(folder)}{slash}{_UNSAFE.sub(_escape, name)}"


@functools.lru_cache(maxsize=1024)
def _quoted_folder(path: str) -> str:
    """A page links several files of one folder, whose name has most of the characters that are quoted."""
    return _UNSAFE.sub(_escape, path)


def _escape(match: re.Match[str]) -> str:
    return _escaped(match.group())


@functools.lru_cache(maxsize=1024)
def _escaped(text: str) -> str:
    """The few characters that names have: quoting one anew takes ten times as long."""
    return quote(text, safe="")


@functools.cache
def _environment() -> PrintingEnvironment:
    environment = PrintingEnvironment(
        loader=PackageLoader("orchestrator.report", TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        bytecode_cache=CompiledTemplates(),
    )
    environment.globals |= {
        "assets": ASSETS,
        "style": STYLE,
        "signatures_folder": SIGNATURES,
        "statuses": tuple(Status),
        "words": words,
        "cell_words": cell_words,
        "crash_words": crash_words,
        "cell_view": cell_view,
        "views": views,
        "stacks": stacks,
        "thread_groups": thread_groups,
        "hangs": hangs,
        "links": links,
        "cause_words": cause_words,
        "command": command,
        "signature_slug": signature_slug,
        "signature_page": signature_page,
    }
    environment.filters |= {
        "duration": text.duration_words,
        "memory": memory_words,
        "size": text.size_words,
        "when": text.time_words,
        "one_line": text.one_line,
        "explained": views.explained,
        "prose": views.prose,
        "percent": percent,
        "coloured": ansi.coloured,
        "as_data": htmlsafe_json_dumps,
        "basename": lambda path: path.rstrip("/").rpartition("/")[2] or path,
    }
    # A module that is a global is made once; an import statement checks it on every page.
    environment.globals["m"] = environment.get_template("macros.html.j2").module
    environment.globals["c"] = environment.get_template("crash.html.j2").module
    return environment


@functools.cache
def _template(name: str) -> Template:
    """A compiled template: the environment's own cache asks its loader each time."""
    return _environment().get_template(name)


def _template_file(name: str) -> str:
    return (importlib.resources.files("orchestrator.report") / TEMPLATES / name).read_text("utf-8")
