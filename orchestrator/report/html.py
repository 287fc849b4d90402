"""The HTML report: static pages that open from a download, ask for nothing and run nothing.

Every value that a template prints is made visible (text.visible) and escaped, wherever it stands; the
content security policy in each page allows the page's own style by its digest, and nothing else.
"""

import base64
import functools
import hashlib
import importlib.resources
import posixpath
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from orchestrator.model import CoreState, Trial
from orchestrator.report import text, views, words
from orchestrator.report.data import CELLS, CellRecord, RunData, Status
from orchestrator.report.signatures import SignatureGroup, signature_slug
from orchestrator.tools.files import write_atomically

INDEX: Final = "index.html"
SIGNATURES: Final = "signatures"
TEMPLATES: Final = "templates"
UNPACKERS: Final = {".zst": "zstd -d", ".xz": "xz -dk", ".lz4": "lz4 -dm"}
"""What systemd-coredump may compress cores with, and the command that unpacks and keeps them."""
_PLAIN_PATH: Final = re.compile(r"(/[\w.+=-]+)+")
"""Paths that may stand in a gdb command; a core names its modules as it likes."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """The compiled templates and the style that all pages of a run share."""

    index: Template
    cell: Template
    signature: Template

    @classmethod
    @functools.cache
    def compile(cls) -> "Site":
        """Compile the templates, once for all pages."""
        environment = _environment()
        names = ("index", "cell", "signature")
        return cls(**{name: environment.get_template(f"{name}.html.j2") for name in names})


def write_html(data: RunData, signatures: Sequence[SignatureGroup]) -> None:
    """Write index.html and a page for each planned cell and each signature into the run's folder."""
    site = Site.compile()
    view = views.IndexView(data=data)
    _write(data, INDEX, site.index, {"view": view, "signatures": signatures})
    for record in data.records:
        _write(data, cell_page(record), site.cell, _cell_context(data, record))
    for group in signatures:
        _write(data, signature_page(group.slug), site.signature, {"group": group})
    _remove_stale(data, {group.slug for group in signatures})


def cell_page(record: CellRecord) -> str:
    """Where a cell's page is in the run's folder."""
    return f"{CELLS}/{record.cell.id}/{INDEX}"


def signature_page(slug: str) -> str:
    """Where a signature's page is in the run's folder."""
    return f"{SIGNATURES}/{slug}.html"


def link(page: str, target: str) -> str:
    """A relative URL from one page of the run's folder to another file of it."""
    return quote(posixpath.relpath(target, posixpath.dirname(page) or "."), safe="/")


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("orchestrator.report", TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_harmless,
    )
    css = (importlib.resources.files("orchestrator.report") / TEMPLATES / "report.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    environment.globals |= {
        "css": Markup(css),  # noqa: S704 - the project's own file
        "style_hash": f"sha256-{digest}",
        "statuses": tuple(Status),
        "words": words,
        "stack_rows": views.stack_rows,
        "signature_slug": signature_slug,
        "signature_page": signature_page,
        "cell_page": cell_page,
    }
    environment.filters |= {
        "duration": text.duration_words,
        "size": text.size_words,
        "when": text.time_words,
        "one_line": text.one_line,
        "basename": lambda path: PurePosixPath(path).name or path,
    }
    return environment


def _harmless(value: object) -> object:
    """What jinja2 prints for a value: text is made visible before it is escaped."""
    return text.visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _cell_context(data: RunData, record: CellRecord) -> Mapping[str, object]:
    result = record.result
    image = data.images.get(record.planned.image)
    dockerfile = f"images/{image.role}-{image.key[:16]}/Dockerfile" if image else None
    trial = words.telling_trial(result) if result else None
    return {
        "record": record,
        "trial": trial,
        "image": image,
        "dockerfile": dockerfile if dockerfile and data.inside(dockerfile) else None,
        "cautions": words.cautions(result),
        "streams": views.streams(data, record),
        "open_core": _open_core(data, trial, image.tag if image else None),
    }


def _open_core(data: RunData, trial: Trial | None, tag: str | None) -> str | None:
    """Commands that open a trial's core by hand, against the files of the image that it crashed in."""
    if trial is None or trial.core.state is not CoreState.FOUND or trial.core.path is None or tag is None:
        return None
    if not _PLAIN_PATH.fullmatch(f"/{trial.core.path}") or not data.inside(trial.core.path):
        return None
    core = shlex.quote(trial.core.path)
    suffix = PurePosixPath(trial.core.path).suffix
    unpacked = trial.core.path.removesuffix(suffix) if suffix in UNPACKERS else trial.core.path
    unpack = [f"{UNPACKERS[suffix]} {core}"] if suffix in UNPACKERS else []
    executable = trial.crash.modules[0].path if trial.crash and trial.crash.modules else ""
    program = [f"-ex 'file sysroot{executable}'"] if _PLAIN_PATH.fullmatch(executable) else []
    gdb = [
        "gdb-multiarch -nx -iex 'set auto-load off' -iex 'set debuginfod enabled off'",
        "-iex 'set sysroot sysroot' -iex 'set debug-file-directory sysroot/usr/lib/debug'",
        *program,
        f"-ex {shlex.quote(f'core-file {unpacked}')} -ex 'thread apply all backtrace'",
    ]
    lines = [
        # No path of the machine that rendered it: a report is read elsewhere as well.
        "# in the run's folder, where plan.json is",
        *unpack,
        f"image=$(docker create {shlex.quote(tag)})",
        'mkdir sysroot && docker export "$image" | tar -x -C sysroot; docker rm "$image"',
        " \\\n    ".join(gdb),
    ]
    return "\n".join(lines)


def _write(data: RunData, page: str, template: Template, context: Mapping[str, object]) -> None:
    href: Callable[[str], str] = functools.partial(link, page)
    write_atomically(
        data.folder / page, template.render(data=data, plan=data.plan, page=page, href=href, **context)
    )


def _remove_stale(data: RunData, slugs: set[str]) -> None:
    """Remove signature pages of an earlier rendering that this one has no use for."""
    for path in (data.folder / SIGNATURES).glob("*.html"):
        if path.stem not in slugs:
            path.unlink()
