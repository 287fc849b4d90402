"""Run folders that are damaged on purpose, given to the commands that read those of others.

Each input is the folder of a small run with one to four changes: hostile values in its documents, and links,
pipes, folders and huge files in place of its files. Whatever a command does with it: it ends soon, with one
line of error or none, prints nothing that a terminal acts on, leaves junit.xml well-formed, and changes
nothing outside of the folder.
"""

import contextlib
import io
import json
import os
import random
import re
import shutil
import tempfile
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from orchestrator.cli import main
from orchestrator.errors import EXIT_HOST, EXIT_INPUT
from orchestrator.model import Verdict
from orchestrator.pipeline import reporting
from tests.fuzz.alarm import alarm
from tests.unit import run_factory as factory

ROOT: Final = Path(__file__).parents[2]
MEMORY: Final = Path("/dev/shm")
"""Where folders lie: a disk takes six times as long for the files of each as the commands do for reading."""
NO_ENGINE: Final = "unix:///nonexistent/engine.sock"
SECONDS: Final = 60
"""Of processor time, for one command on a run of four cells, which takes a tenth of a second.

A list that is repeated 500 times takes up to 8 s, and 17 s beside 60 other processes (seeds 2513 and 7733).
"""
HUGE: Final = 3 << 30
"""Bytes of a file that takes no room: it is sparse."""
SECRET: Final = "what another folder holds"
NUMBERS: Final[tuple[object, ...]] = (
    *(None, True, 0, -1, 1, 2**31, 2**63, -(2**63), 10**30, 10**5000),
    *(0.5, -0.5, 1e308, 1e-320, 1e999, float("nan")),
)
LONG: Final = 10**4000
"""A number above it has more digits than json.dumps writes."""
SHARDS: Final = ("x/y", "0/0", "1/0", "2/1", "1/99999", "1/99999999999", "9" * 5000)
TEXTS: Final = (
    *("", "x", "a\0b", "\x1b[2J\x1b]0;x\x07", "a\nb", "\ud800", "\u202e", "\x85", "a" * 300, "é" * 5000),
    *("{{x}}", "]]>", "<script>", "2026-13-99", "none", "SIGSEGV", "exit"),
    *("../../outside", "/etc/passwd", "cells/../../outside/secret", "cells/link"),
)
VALUES: Final = (
    *(*NUMBERS, *SHARDS, *TEXTS),
    *([], {}, [[]], ["x"] * 3, {"a": "b"}, [None], [0] * 1000),
)
_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")

Change = Callable[[random.Random, Path], None]


class FolderFuzzer:
    """Damages copies of one run and reads them; `outside` must stay as it is."""

    def __init__(self, root: Path) -> None:
        self._root = root
        cells = (factory.cell(0), factory.cell(1), factory.cell(1, "plain"), factory.cell(1, probe="rust"))
        changes = {cells[2].id: factory.judged(Verdict.FAIL, "saw exit 1; expected exit 0")}
        spec = factory.RunSpec(cells=cells, changes=changes, excluded=factory.smoke_excluded()[:1])
        self._whole = factory.write_run(root / "whole", spec)
        self._before = factory.write_run(root / "before", factory.RunSpec(cells=cells))
        plan = json.loads((self._whole / "plan.json").read_text())
        (self._whole / "plan.json").write_text(json.dumps(plan | {"shard": "1/2"}))
        reporting.write_reports(self._whole, self._before)
        self._outside = root / "outside"
        self._outside.mkdir()
        for name in ("secret", "x.html", "x.js"):
            (self._outside / name).write_text(SECRET)
        self._seen = self._state()

    def read(self, seed: int) -> str:
        """Give the folder of a seed to a command; returns what came of it. Raises where anything is wrong."""
        rng = random.Random(seed)  # noqa: S311 - it must be repeatable, not secret

        def change(folder: Path) -> None:
            for _ in range(rng.choice((1, 1, 2, 4))):
                rng.choice(CHANGES)(rng, folder)

        return self.read_changed(change, lambda: rng.choice(COMMANDS))

    def read_changed(self, change: Callable[[Path], None], command: Callable[[], tuple[str, ...]]) -> str:
        """Give a copy of the folder that was changed to a command; returns and raises as `read`."""
        runs = self._root / "runs"
        shutil.rmtree(runs, ignore_errors=True)
        folder = runs / "hostile"
        shutil.copytree(self._whole, folder)
        shutil.copytree(self._before, runs / "before")
        change(folder)
        chosen = command()
        arguments = [text.format(runs=runs, folder=folder) for text in chosen]
        with alarm(SECONDS):
            status, said = _call(arguments)
        self._check(arguments, status, said, folder)
        refused = status in (EXIT_INPUT, EXIT_HOST) and "crashmatrix:" in said
        return f"{chosen[0]} {'refused' if refused else 'done'}"

    def _check(self, arguments: list[str], status: int, said: str, folder: Path) -> None:
        """Raise AssertionError for each effect that a hostile folder must not have."""
        assert status in range(4), f"exit code {status}"
        if control := _CONTROL.search(said):
            raise AssertionError(f"{control[0]!r} is printed: {said[max(0, control.start() - 60) :][:200]!r}")
        errors = [line for line in said.splitlines() if line.startswith("crashmatrix:")]
        assert len(errors) <= 1, errors
        assert self._state() == self._seen, "another folder was changed"
        assert SECRET not in said
        if errors or arguments[0] in ("diff", "run"):
            return
        written = folder.parent / "merged" if arguments[0] == "merge" else Path(arguments[1])
        ET.parse(written / "junit.xml")  # noqa: S314 - it is our own
        for page in written.rglob("*.html"):
            if _is_plain(page):
                assert SECRET not in page.read_text(errors="replace"), page

    def _state(self) -> dict[str, bytes]:
        kept = (*self._outside.rglob("*"), *self._before.rglob("*"))
        return {str(path): path.read_bytes() for path in kept if path.is_file()}


COMMANDS: Final = (
    ("report", "{folder}"),
    ("report", "{runs}/before", "--baseline", "{folder}"),
    ("diff", "{runs}/before", "{folder}"),
    ("diff", "{folder}", "{runs}/before", "--json"),
    ("merge", "{folder}", "--into", "{runs}/merged"),
    ("merge", "{folder}", "{runs}/before", "--into", "{runs}/merged"),
    ("run", "--resume", "{folder}"),
    ("run", "--rerun", "failed", "--reports", "{runs}"),
)
"""The last two end where they ask for an engine, of which there is none here."""


def _call(arguments: list[str]) -> tuple[int, str]:
    out, err = io.StringIO(), io.StringIO()
    own = () if arguments[0] == "merge" or "--reports" in arguments else ("--reports", "none")
    known, os.environ["DOCKER_HOST"] = os.environ.get("DOCKER_HOST"), NO_ENGINE
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main(["--project", str(ROOT), *arguments, *own])
    finally:
        del os.environ["DOCKER_HOST"]
        if known is not None:
            os.environ["DOCKER_HOST"] = known
    return status, err.getvalue() + out.getvalue()


def _document(rng: random.Random, folder: Path) -> Path | None:
    """A document of the folder that can still be read: no link to a device, and not huge."""
    documents = [path for path in sorted(folder.rglob("*.json")) if _is_plain(path)]
    plan = folder / "plan.json"
    if not documents:
        return None
    return plan if plan in documents and rng.random() < 0.4 else rng.choice(documents)


def _is_plain(path: Path) -> bool:
    return path.is_file() and not path.is_symlink() and path.stat().st_size < HUGE


def _value(rng: random.Random, folder: Path) -> None:
    """A hostile value, or a duplicate, in place of one that a document has."""
    path = _document(rng, folder)
    if path is None:
        return
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        return
    holders = list(_holders(data))
    if not holders:
        return
    holder = rng.choice(holders)
    key = rng.choice(sorted(holder, key=str)) if isinstance(holder, dict) else rng.randrange(len(holder))
    kind = rng.random()
    if kind < 0.8:
        holder[key] = rng.choice(VALUES)
    elif kind < 0.9 and isinstance(holder, dict):
        holder[rng.choice(("x", "\0", "../x"))] = holder.pop(key)
    elif isinstance(holder, list):
        holder[:] = holder * rng.choice((0, 2, 500))
    path.write_text(_dumped(data))


def _holders(data: Any) -> Iterator[Any]:  # noqa: ANN401 - JSON
    """All objects and lists of a document that hold something."""
    if isinstance(data, (dict, list)) and data:
        yield data
        for item in data.values() if isinstance(data, dict) else data:
            yield from _holders(item)


def _dumped(data: object) -> str:
    """As JSON, with numbers of any length."""
    marked = json.dumps(data, default=str) if not _has_long(data) else json.dumps(_shortened(data))
    return marked.replace('"LONG"', "1" + "0" * 5000)


def _has_long(data: object) -> bool:
    if isinstance(data, (dict, list)):
        return any(map(_has_long, data.values() if isinstance(data, dict) else data))
    return isinstance(data, int) and data > LONG


def _shortened(data: object) -> object:
    if isinstance(data, dict):
        return {key: _shortened(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_shortened(value) for value in data]
    return "LONG" if _has_long(data) else data


def _damage(rng: random.Random, folder: Path) -> None:
    """A document that is cut, has other bytes, or is nested without end."""
    path = _document(rng, folder)
    if path is None:
        return
    data = bytearray(path.read_bytes())
    kind = rng.randrange(4)
    if kind == 0:
        del data[rng.randrange(len(data) + 1) :]
    elif kind == 1 and data:
        data[rng.randrange(len(data))] = rng.randrange(256)
    else:
        data = bytearray(
            rng.choice((b"[" * 100_000, b'{"a":' * 100_000, b"", b"null", b"\xff\xfe", b"\0" * 4096))
        )
    path.write_bytes(data)


def _replace(rng: random.Random, folder: Path) -> None:
    """A link, a pipe, a folder or a huge file in place of anything."""
    names = sorted(path for path in folder.rglob("*") if not path.is_symlink())
    path = rng.choice(names)
    kind = rng.choice(("out", "out", "inside", "loop", "pipe", "folder", "huge", "gone", "device"))
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    if kind == "out":
        path.symlink_to(folder.parent.parent / rng.choice(("outside", "outside/secret", "before", "none")))
    elif kind == "inside":
        path.symlink_to(os.path.relpath(rng.choice(names), path.parent))
    elif kind == "loop":
        path.symlink_to(path.name)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "huge":
        with path.open("wb") as stream:
            stream.truncate(HUGE)


def _add(rng: random.Random, folder: Path) -> None:
    """A link where a report writes."""
    name = rng.choice(
        (
            "signatures",
            "assets",
            "packs",
            "index.html",
            "junit.xml",
            "summary.md",
            "cells.html",
            "cell.html",
            "digest.json",
        )
    )
    path = folder / name
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.symlink_to(folder.parent.parent / rng.choice(("outside", "outside/secret", "outside/new")))


CHANGES: Final[tuple[Change, ...]] = (_value, _value, _value, _value, _damage, _replace, _replace, _add)


def fuzz_folders(first: int, count: int) -> Counter[str]:
    """Read `count` folders from seed `first` on; raises AssertionError with the seed that went wrong."""
    place = MEMORY if MEMORY.is_dir() else None
    root = Path(tempfile.mkdtemp(prefix="crashmatrix-fuzz-", dir=place))
    outcomes: Counter[str] = Counter()
    try:
        fuzzer = FolderFuzzer(root)
        for seed in range(first, first + count):
            try:
                outcomes[fuzzer.read(seed)] += 1
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
                raise AssertionError(f"folder {seed}: {type(error).__name__}: {str(error)[:500]}") from error
    finally:
        shutil.rmtree(root)
    return outcomes
