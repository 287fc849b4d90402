"""Documents of a run's folder, read and checked.

A folder may have come from elsewhere (a shard of CI, a download), so nothing in it is trusted: axis values
that become file names must be ones that a matrix can hold.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Final, TypeVar

from pydantic import ValidationError

from orchestrator.adapters.inside import find_inside
from orchestrator.errors import InputError, Location
from orchestrator.model import (
    AXIS_NAME,
    AXIS_VALUE,
    MAX_CELLS,
    VERSION_AXES,
    Causes,
    CellResult,
    Checked,
    Comparison,
    Explanations,
    History,
    PackageLock,
    Plan,
    RunDigest,
    is_version,
)
from orchestrator.rundir.shared_sets import share_field_sets

MAX_MERGED: Final = 10 * MAX_CELLS
"""Excluded cells of a merged run: each of its runs may exclude other cells, for other reasons."""
MAX_DOCUMENT: Final = 128 << 20
"""Bytes of a plan or a derived document: a plan of a million cells has 30 MB (bench)."""
MAX_RESULT: Final = 32 << 20
"""Bytes of a cell's result; crashes of some hundred threads have 2 MB."""
MAX_LOCK: Final = 4 << 20
RERUN_HINT: Final = "run the matrix again, or report on another folder"

Document = TypeVar(
    "Document", Plan, CellResult, Causes, Checked, Explanations, Comparison, History, RunDigest
)


def read_document(root: Path, name: str, kind: type[Document]) -> Document | None:
    """Read a document of the run's folder `root` by its name there; None where there is no regular file.

    Raises InputError where it cannot be read, is too large, lies outside of `root`, is damaged, has another
    schema version, or is a plan with names or numbers of cells that no matrix has.
    """
    text = _content(root, name, MAX_RESULT if kind is CellResult else MAX_DOCUMENT)
    if text is None:
        return None
    document = _parse(root / name, text, kind)
    if isinstance(document, Plan):
        _check_plan(document, root / name)
    else:
        share_field_sets(document)
    return document


def parse_result(place: str, content: bytes) -> CellResult:
    """A cell's result that came from another machine; raises InputError as `read_document` does."""
    if len(content) > MAX_RESULT:
        what = f"a result is larger than {MAX_RESULT >> 20} MiB"
        raise InputError(what, where=Location(file=place), hint=RERUN_HINT)
    result = _parse(Path(place), content, CellResult)
    share_field_sets(result)
    return result


def read_lock(root: Path, name: str, digest: str | None) -> PackageLock:
    """Read the packages of a digest, or of a file; raises InputError where they are missing or damaged.

    What builds source distributions has locks of its own beside it.
    """
    text = _content(root, name, MAX_LOCK) or b""

    def tools(digest: str) -> PackageLock:
        beside = str(PurePosixPath(name).with_name(f"{digest}.txt"))
        return PackageLock.parse((_content(root, beside, MAX_LOCK) or b"").decode())

    try:
        lock = PackageLock.parse(text.decode(), tools)
    except ValueError:
        lock = None
    if lock is None or digest not in (None, lock.digest):
        raise InputError(
            f"{PurePosixPath(name).name} is missing, or is no lock that a run wrote",
            where=Location(file=str(root / name)),
            hint=RERUN_HINT,
        )
    return lock


def _content(root: Path, name: str, limit: int) -> bytes | None:
    """The content of a file of the run's folder; None where there is no regular file."""
    try:
        stream = find_inside(root, name)
        if stream is None:
            return None
        with stream:
            size = os.fstat(stream.fileno()).st_size
            # A file over the limit is not read at all; one that grows meanwhile is read up to the limit.
            content = stream.read(size + 1) if size <= limit else b""
            if len(content) > size:
                content += stream.read(limit - size)
    except OSError as error:
        what = f"{PurePosixPath(name).name} cannot be read: {error.strerror}"
        raise InputError(what, where=Location(file=str(root / name)), hint=RERUN_HINT) from error
    if max(size, len(content)) > limit:
        what = f"{PurePosixPath(name).name} is larger than {limit >> 20} MiB"
        raise InputError(what, where=Location(file=str(root / name)), hint=RERUN_HINT)
    return content


def _parse(path: Path, text: bytes, kind: type[Document]) -> Document:
    known = kind.model_fields["schema_version"].default
    try:
        document = kind.model_validate_json(text)
    except ValidationError as error:
        _check_version(path, _stated_version(text, known), known)
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"not a readable {path.name}: {place}: {first['msg']}",
            where=Location(file=str(path)),
            hint=RERUN_HINT,
        ) from error
    stated = document.schema_version if "schema_version" in document.model_fields_set else None
    _check_version(path, stated, known)
    return document


def _stated_version(text: bytes, known: int) -> object:
    """The schema version of a document that does not validate; the known one where it has none to read."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return known
    return document.get("schema_version") if isinstance(document, dict) else known


def _check_version(path: Path, stated: object, known: int) -> None:
    if stated != known:
        said = "no schema version" if stated is None else f"schema version {stated}"
        raise InputError(
            f"{path.name} has {said}, this program reads {known}",
            where=Location(file=str(path)),
            hint="report with the version of crashmatrix that made the run",
        )


def _check_plan(plan: Plan, where: Path) -> None:
    """Refuse cells that no matrix can hold, and more excluded cells than a matrix can have."""
    for axes in (*plan.cells.grids, *(group.axes for group in plan.excluded)):
        _check_names(((axis, value) for axis, values in axes.items() for value in values), where)
    if plan.excluded_count > MAX_MERGED:
        raise InputError(
            f"{plan.excluded_count:,} cells are excluded, more than any matrix has",
            where=Location(file=str(where)),
            hint=RERUN_HINT,
        )


def _check_names(values: Iterable[tuple[str, str]], where: Path) -> None:
    """Refuse axis names and values that no matrix can hold: they become paths and ids."""
    for axis, value in values:
        allowed = is_version(axis, value) if axis in VERSION_AXES else AXIS_VALUE.fullmatch(value)
        if not AXIS_NAME.fullmatch(axis) or not allowed:
            raise InputError(
                f"a cell has {axis[:40]!r} = {value[:80]!r}, which no matrix can hold",
                where=Location(file=str(where)),
                hint=RERUN_HINT,
            )
