"""The HTML report: static pages that open from a download and make no request."""

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Final

from orchestrator.adapters.files import is_absent, names_below, remove_below, write_below
from orchestrator.model import CoreFile, CoreState, Crash, Subject
from orchestrator.report import cautions, cell_view, cell_words, changes, checked, grid, views
from orchestrator.report.issue import issue_of
from orchestrator.report.packing import (
    INDEX,
    PACKS,
    SHARED_PAGE,
    Places,
    own_page,
    pack_file,
    pack_script,
    packed,
)
from orchestrator.report.remedies import remedies
from orchestrator.report.signatures import SIGNATURES, SignatureGroup, group_signatures, signature_page
from orchestrator.report.site import Site
from orchestrator.rundir import CellRecord, RunData, layout

TABLE: Final = "cells.html"
UNPACKERS: Final = {".zst": "zstd -d", ".xz": "xz -dk", ".lz4": "lz4 -dm"}
"""The compressions that systemd-coredump uses, each with the command that unpacks and keeps the file."""
_PLAIN_PATH: Final = re.compile(r"(/[\w.+=-]+)+")
"""Paths that are safe in a gdb command; the names of a core's modules are untrusted."""

__all__ = ["INDEX", "write_html"]


def write_html(data: RunData) -> None:
    """Write the overview, the plain table, and the pages of all cells and signatures."""
    signatures = group_signatures(data)
    site = Site(data=data, places=Places.of(data))
    site.write_assets()
    view = views.IndexView(data=data)
    _write_index(site, view, signatures)
    site.write(TABLE, "cells.html.j2", view=view)
    packs = _write_cells(site)
    for group in signatures:
        _write_signature(site, group)
    _remove_stale(site, {group.slug for group in signatures}, packs)


def write_overview(data: RunData) -> None:
    """Write the overview alone again, of a run whose other pages are written."""
    _write_index(Site(data=data, places=Places.of(data)), views.IndexView(data=data), group_signatures(data))


def _write_index(site: Site, view: views.IndexView, signatures: Sequence[SignatureGroup]) -> None:
    data = site.data
    changed = changes.changes_of(data)
    site.write(
        INDEX,
        "index.html.j2",
        view=view,
        changes=changed,
        signatures=signatures,
        remedies=remedies(data),
        table=TABLE,
        packages=checked.package_views(data.checked),
        grid=grid.grid_data(data, site.places, signatures, changed),
    )


def _write_signature(site: Site, group: SignatureGroup) -> None:
    about = [
        item
        for item in site.data.explanations
        if item.subject is Subject.SIGNATURE and item.name == group.signature
    ]
    site.write(
        signature_page(group.slug),
        "signature.html.j2",
        group=group,
        expected=_expected(group),
        issue=issue_of(group.shown_by, group.crash),
        explanations=about,
        first_seen=changes.signature_history(site.data, group.signature),
    )


def _expected(group: SignatureGroup) -> tuple[str, ...]:
    """The frames that the cell expects whose crash is shown."""
    expectation = group.shown_by.planned.expectation
    return expectation.frames if expectation.wants_core else ()


def _write_cells(site: Site) -> set[str]:
    """Write the page of each cell; returns the packs that hold those without a page of their own."""
    for record in site.data.records:
        if record.id in site.places.own:
            page = own_page(record)
            site.write(page, "cell.html.j2", **_cell_context(site, record))
    if not site.places.packs:
        return set()
    written: set[str] = set()
    site.write(SHARED_PAGE, "shared.html.j2", packs=site.places.packs, folder=PACKS)
    for number, records in packed(site.places, site.data.records).items():
        contents = {
            record.id: site.render(SHARED_PAGE, "cell_body.html.j2", **_cell_context(site, record))
            for record in records
        }
        write_below(site.data.folder, pack_file(number), pack_script(contents))
        written.add(pack_file(number))
    return written


def _cell_context(site: Site, record: CellRecord) -> Mapping[str, object]:
    data, result = site.data, record.result
    image = data.images.get(record.planned.image)
    dockerfile = layout.dockerfile(image) if image else None
    trial = cell_words.telling_trial(result) if result else None
    core, crash = trial.telling_core if trial else (None, None)
    whole = record.id in site.places.copied
    return {
        "record": record,
        "trial": trial,
        "whose": cell_words.telling_process(trial) if trial and not trial.crash else "",
        "image": image,
        "dockerfile": dockerfile if dockerfile and data.has(dockerfile) else None,
        "cautions": cautions.cautions(result),
        "cause": data.cause_of.get(record.id),
        "issue": issue_of(record, crash) if whole and crash else None,
        "streams": cell_view.streams(data, record, site.places.excerpt_limit(record)),
        "plot": cell_view.trial_plot(result) if result else (),
        "open_core": _open_core(data, core, crash, image.tag if image else None),
        "marks": changes.spark(data, record.id),
        "first_seen": changes.signature_history(data, crash.signature) if crash else None,
        "result_file": layout.result_of(record.id),
    }


def _open_core(data: RunData, core: CoreFile | None, crash: Crash | None, tag: str | None) -> str | None:
    """Commands that open a trial's core by hand, against the files of the image that it crashed in."""
    if core is None or core.state is not CoreState.FOUND or core.path is None or tag is None:
        return None
    if not _PLAIN_PATH.fullmatch(f"/{core.path}") or not data.has(core.path):
        return None
    suffix = PurePosixPath(core.path).suffix
    unpacked = core.path.removesuffix(suffix) if suffix in UNPACKERS else core.path
    unpack = [f"{UNPACKERS[suffix]} {shlex.quote(core.path)}"] if suffix in UNPACKERS else []
    executable = crash.modules[0].path if crash and crash.modules else ""
    program = [f"-ex 'file sysroot{executable}'"] if _PLAIN_PATH.fullmatch(executable) else []
    gdb = [
        "gdb-multiarch -nx -iex 'set auto-load off' -iex 'set debuginfod enabled off'",
        "-iex 'set sysroot sysroot' -iex 'set debug-file-directory sysroot/usr/lib/debug'",
        *program,
        f"-ex {shlex.quote(f'core-file {unpacked}')} -ex 'thread apply all backtrace'",
    ]
    lines = [
        # No path of the machine that rendered it: a report is also read elsewhere.
        "# in the run's folder, where plan.json is",
        *unpack,
        f"image=$(docker create {shlex.quote(tag)})",
        'mkdir sysroot && docker export "$image" | tar -x -C sysroot; docker rm "$image"',
        " \\\n    ".join(gdb),
    ]
    return "\n".join(lines)


def _remove_stale(site: Site, slugs: set[str], used: set[str]) -> None:
    """Remove pages of an earlier rendering that this one does not have."""
    folder = site.data.folder
    pages = (name for name in names_below(folder, SIGNATURES) if name.endswith(".html"))
    stale = [f"{SIGNATURES}/{name}" for name in pages if name.removesuffix(".html") not in slugs]
    packs = (f"{PACKS}/{name}" for name in names_below(folder, PACKS) if name.endswith(".js"))
    stale += [name for name in packs if name not in used]
    if not used:
        stale.append(SHARED_PAGE)
    stale += [own_page(record) for record in site.data.records if record.id not in site.places.own]
    for name in (name for name in stale if not is_absent(folder, name)):
        remove_below(folder, name, "a page of an earlier report")
