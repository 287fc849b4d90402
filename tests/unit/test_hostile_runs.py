"""Run folders of others: damaged documents, links that lead out, huge files, and what is printed of them."""

import json
import os
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.adapters.files import open_below, real_folder, remove_below, write_below
from orchestrator.cli import main
from orchestrator.errors import EXIT_HOST, EXIT_INPUT, EXIT_OK, HostError, InputError
from orchestrator.model import CauseKind
from orchestrator.rundir import RunFolder
from tests.fuzz.folders import HUGE, FolderFuzzer, fuzz_folders
from tests.unit import run_factory as factory

INPUTS = 20
CELL = factory.cell()
RESULT = f"cells/{CELL.id}/result.json"
ESCAPES = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202e"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return factory.write_run(tmp_path / "run", factory.RunSpec(cells=(CELL, factory.cell(0))))


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder beside the run with files of the names that a report writes and removes."""
    folder = tmp_path / "outside"
    folder.mkdir()
    for name in ("index.html", "old.html", "report.css", "result.json"):
        (folder / name).write_text("precious")
    return folder


def edit(path: Path, change: Callable[[Any], object]) -> None:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def untouched(outside: Path) -> bool:
    names = {path.name: path.read_text() for path in outside.iterdir()}
    return names == dict.fromkeys(("index.html", "old.html", "report.css", "result.json"), "precious")


@pytest.mark.parametrize("first", range(0, 5 * INPUTS, INPUTS))
def test_no_folder_prints_writes_or_raises_what_it_must_not(first: int) -> None:
    outcomes = fuzz_folders(first, INPUTS)
    assert outcomes.total() == INPUTS
    assert any(name.endswith("done") for name in outcomes)
    assert any(name.endswith("refused") for name in outcomes)


def test_a_function_without_a_name_is_missing_like_any_other(run: Path) -> None:
    """The page of its crash took it for a frame (found by folder 9012 of the fuzz session)."""

    def name_none(plan: dict[str, Any]) -> None:
        for expectation in plan["cells"]["expectations"]:
            expectation["frames"] = [""]

    edit(run / "plan.json", name_none)
    assert main(["report", str(run)]) == EXIT_OK
    pages = "".join(page.read_text() for page in (run / "signatures").glob("*.html"))
    assert pages.count("expected here, not on the stack") == 1


def test_a_folder_that_goes_wrong_is_named_by_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(_self: FolderFuzzer, seed: int) -> str:
        raise IndexError(seed)

    monkeypatch.setattr(FolderFuzzer, "read", wrong)
    with pytest.raises(AssertionError, match="folder 7: IndexError"):
        fuzz_folders(7, 1)


@pytest.mark.parametrize(
    "shard", ["x/y", "0/0", "2/1", "1/99999999999", "1/" + "9" * 5000, "\x1b[2J", "1/2\n"]
)
def test_a_shard_that_no_run_has_is_refused(
    tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str], shard: str
) -> None:
    edit(run / "plan.json", lambda plan: plan.update(shard=shard))
    assert main(["merge", str(run), "--into", str(tmp_path / "merged")]) == EXIT_INPUT
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "is no shard of a run" in said
    assert not (tmp_path / "merged/plan.json").exists()


def test_of_very_many_missing_shards_a_few_are_said(
    tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(run / "plan.json", lambda plan: plan.update(shard="1/99999"))
    assert main(["merge", str(run), "--into", str(tmp_path / "merged")]) == EXIT_HOST
    out = capsys.readouterr().out
    assert "99,978 more shards are missing." in out
    assert len(out.splitlines()) < 40


@pytest.mark.parametrize(
    "value", ["Infinity", "NaN", "1e999", "-1", "1e308", '"x"', "null", "1" + "0" * 5000]
)
def test_seconds_that_no_cell_takes_are_refused(
    run: Path, capsys: pytest.CaptureFixture[str], value: str
) -> None:
    path = run / RESULT
    edit(path, lambda result: result.update(seconds="HERE"))
    path.write_text(path.read_text().replace('"HERE"', value))
    assert main(["report", str(run)]) == EXIT_INPUT
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "result.json: " in said
    assert "seconds" in said or "not a readable" in said


@pytest.mark.parametrize("value", [-1, 1 << 33, 1 << 64])
def test_trials_that_no_cell_has_are_refused(
    run: Path, capsys: pytest.CaptureFixture[str], value: int
) -> None:
    """Added to the trials that were kept, they passed the bound of the sum: a traceback of `report`."""
    edit(run / RESULT, lambda result: result.update(not_kept=value))
    assert main(["report", str(run)]) == EXIT_INPUT
    assert "not_kept" in capsys.readouterr().err


def test_control_characters_reach_neither_the_terminal_nor_junit(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(run / "plan.json", lambda plan: plan.update(created=ESCAPES, profile=ESCAPES, engine=ESCAPES))
    edit(run / RESULT, lambda result: result.update(started=ESCAPES, repeat=ESCAPES, run=ESCAPES))
    edit(run / RESULT, lambda result: result["judgement"].update(verdict="fail", reason=ESCAPES))
    assert main(["report", str(run)]) == EXIT_OK
    out = "".join(capsys.readouterr())
    texts = [out, *(path.read_text() for path in (run / "junit.xml", run / "index.html", run / "summary.md"))]
    assert not [text for text in texts if {"\x1b", "\x07", "\x9b", "\u202e"} & {*text}]
    ET.parse(run / "junit.xml")  # noqa: S314 - it is our own


def test_json_that_is_printed_has_control_characters_as_escapes(
    tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = factory.write_run(tmp_path / "other", factory.RunSpec(cells=(CELL,)))
    edit(run / "plan.json", lambda plan: plan.update(run="a\x9b31mb\x7f"))
    main(["diff", str(run), str(other), "--json"])
    out = capsys.readouterr().out
    assert not {"\x9b", "\x7f"} & {*out}
    assert json.loads(out)["baseline"] == "a\x9b31mb\x7f"


@pytest.mark.parametrize("field", ["stdout", "stderr", "core"])
@pytest.mark.parametrize("name", ["a\0b", "../outside/index.html", "/etc/passwd", "x" * 5000, "link", ""])
def test_evidence_that_is_no_file_of_the_run_is_not_read(
    run: Path, outside: Path, name: str, field: str
) -> None:
    (run / "link").symlink_to(outside / "index.html")

    def change(result: Any) -> None:  # noqa: ANN401 - JSON
        trial = result["trials"][0]
        trial["core" if field == "core" else "outcome"]["path" if field == "core" else field] = name

    edit(run / RESULT, change)
    assert main(["report", str(run)]) == EXIT_OK
    assert not [path for path in run.rglob("*.html") if "precious" in path.read_text()]


@pytest.mark.parametrize("name", ["signatures", "assets", "cells", "cells/tls-atexit", f"cells/{CELL.id}"])
def test_a_folder_that_leads_out_is_neither_written_nor_emptied(
    run: Path, outside: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    place = run / name
    if place.exists():
        place.rename(run / "moved")
    place.symlink_to(outside)
    assert main(["report", str(run)]) == EXIT_INPUT
    assert capsys.readouterr().err.count("\n") == 1
    assert untouched(outside)


def test_a_folder_that_leads_out_is_not_cleared_for_a_cell(run: Path, outside: Path) -> None:
    place = run / "cells/tls-atexit"
    place.rename(run / "moved")
    (outside / place.name).mkdir()
    (run / "cells").rmdir()
    (run / "cells").symlink_to(outside)
    inner = outside / CELL.id
    inner.mkdir(parents=True)
    (inner / "precious").write_text("x")
    with pytest.raises(InputError, match="something else here"):
        RunFolder(run).clear_cell(CELL)
    assert (inner / "precious").exists()


@pytest.mark.parametrize(
    "name", ["index.html", "junit.xml", "summary.md", "digest.json", "assets/report.css"]
)
def test_a_link_where_a_report_writes_is_replaced(run: Path, outside: Path, name: str) -> None:
    (run / "assets").mkdir()
    (run / name).symlink_to(outside / "index.html")
    assert main(["report", str(run)]) == EXIT_OK
    assert untouched(outside)
    assert not (run / name).is_symlink()


@pytest.mark.parametrize("name", ["plan.json", RESULT, "digest.json"])
def test_a_document_of_three_gigabytes_is_not_read(
    tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    with (run / name).open("wb") as stream:
        stream.truncate(HUGE)
    other = factory.write_run(tmp_path / "other", factory.RunSpec(cells=(CELL,)))
    if name == "digest.json":  # of a run that lies beside, where it is not needed
        os.utime(run / name)
        assert main(["report", str(other)]) == EXIT_OK
        return
    assert main(["diff", str(run), str(other)]) == EXIT_INPUT
    assert f"{Path(name).name} is larger than" in capsys.readouterr().err


@pytest.mark.parametrize("position", [-1, -3, -(10**6), 10**6, 1 << 63])
def test_the_cells_of_an_earlier_cause_are_those_of_its_digest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], position: int
) -> None:
    """Found by `nox -s fuzz -- folders`, seed 7120: a negative position counts from the end of a list."""
    before = factory.write_run(tmp_path / "before", factory.RunSpec(cells=(CELL,)))
    run = factory.write_run(tmp_path / "run", factory.RunSpec(cells=(CELL,)))
    assert main(["report", str(before)]) == EXIT_OK
    digest = json.loads((before / "digest.json").read_text())
    kind, title = CauseKind.CRASH, "fixed or not"
    digest["causes"] = {
        "c" * 12: {"kind": kind, "scenario": CELL.scenario, "title": title, "cells": [position]}
    }
    (before / "digest.json").write_text(json.dumps(digest))
    assert main(["report", str(run), "--baseline", str(before)]) in (EXIT_OK, EXIT_INPUT)
    assert title not in capsys.readouterr().out


def test_a_document_that_is_a_link_out_is_refused(
    tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = (run / RESULT).rename(tmp_path / "result.json")
    (run / RESULT).symlink_to(moved)
    assert main(["report", str(run)]) == EXIT_INPUT
    assert "result.json cannot be read: leads out of the folder" in capsys.readouterr().err


def test_what_is_written_below_a_folder_follows_no_link(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    elsewhere.mkdir()
    write_below(root, "a/b/file", "text")
    assert (root / "a/b/file").read_text() == "text"
    (root / "link").symlink_to(elsewhere)
    (root / "log").symlink_to(elsewhere / "log")
    for name in ("link/file", "a/../../elsewhere/file", "a/b/file/x"):
        with pytest.raises(InputError, match="something else here"):
            write_below(root, name, "text")
        with pytest.raises(InputError, match="something else here"), open_below(root, name):
            pass
    with open_below(root, "log") as stream:
        stream.write("x")
    with pytest.raises(InputError, match="something else here"):
        write_below(root, "a/b", "a file where a folder is")
    with pytest.raises(InputError, match="too long"):
        write_below(root, "x" * 300, "text")
    assert list(elsewhere.iterdir()) == []
    remove_below(root, "link", "x")
    remove_below(root, "a", "x")
    remove_below(root, "none/x", "x")
    assert sorted(path.name for path in root.iterdir()) == ["log"]


def test_a_full_disk_names_the_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object, **_named: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fdopen", full)
    with pytest.raises(HostError, match=r"run/junit\.xml: this cannot be written: No space left"):
        write_below(tmp_path / "run", "junit.xml", "text")
    assert list((tmp_path / "run").iterdir()) == []


def test_descriptors_of_folders_are_closed(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with real_folder(tmp_path, "a/b/c"):
        pass
    (tmp_path / "link").symlink_to("a")
    with pytest.raises(InputError), real_folder(tmp_path, "link/b"):
        pass
    assert len(list(Path("/proc/self/fd").iterdir())) == before
