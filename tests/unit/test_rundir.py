"""A run's folder: parsed once a command, cleared or said why not, and read right or refused."""

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator import report
from orchestrator.cli import main
from orchestrator.errors import HostError, InputError
from orchestrator.model import SCHEMA, STANDARD_AXES, CellResult, Value, Verdict
from orchestrator.pipeline.merge import MergeOptions, merge_runs
from orchestrator.pipeline.reporting import write_reports
from orchestrator.pipeline.run import exit_code
from orchestrator.rundir import RunData, RunFolder, find_run, layout
from tests.unit import run_factory as factory
from tests.unit.large_run import write_large
from tests.unit.users import NOBODY, plain_user

_recorders: list[Counter[str]] = []


def _record(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and _recorders and isinstance(arguments[0], str):
        # What was found by a descriptor is opened by that one's name.
        path = os.path.realpath(arguments[0]) if arguments[0].startswith("/proc/self/fd/") else arguments[0]
        for recorder in _recorders:
            recorder[path] += 1


sys.addaudithook(_record)


@contextmanager
def opened() -> Iterator[Counter[str]]:
    """How often each file is opened meanwhile, by its path."""
    counter: Counter[str] = Counter()
    _recorders.append(counter)
    try:
        yield counter
    finally:
        _recorders.remove(counter)


def times(counter: Counter[str], name: str) -> set[int]:
    """How often files of this name were opened."""
    return {count for path, count in counter.items() if path.endswith(f"/{name}")}


def test_a_report_opens_each_document_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = factory.write_run(tmp_path / "run")
    with opened() as counter:
        assert main(["report", str(folder)]) == 0
    assert "report:" in capsys.readouterr().out
    assert times(counter, "plan.json") == times(counter, "result.json") == {1}
    assert times(counter, "explanations.json") == times(counter, "history.json") == set()


def test_values_that_were_read_share_their_sets_of_field_names(tmp_path: Path) -> None:
    data = RunFolder(write_large(tmp_path / "run", 60)).load()
    values = [value for result in data.results for value in values_in(result)]
    assert {"CellResult", "Trial", "Thread", "NativeFrame", "Judgement"} <= {type(v).__name__ for v in values}
    sets = {id(value.__pydantic_fields_set__): value.__pydantic_fields_set__ for value in values}
    assert len(sets) == len({frozenset(names) for names in sets.values()})


def values_in(item: object) -> Iterator[Value]:
    """A value and all values in its fields, however deep."""
    if isinstance(item, Value):
        yield item
        item = tuple(vars(item).values())
    if isinstance(item, dict):
        item = tuple(item.values())
    if isinstance(item, tuple):
        for held in item:
            yield from values_in(held)


def test_a_merge_opens_each_document_once(tmp_path: Path) -> None:
    cells = factory.smoke_cells()
    parts = [
        factory.write_run(
            tmp_path / "parts" / f"part{number}", factory.RunSpec(cells=cells[number::3], run=f"part{number}")
        )
        for number in range(3)
    ]
    with opened() as counter:
        assert main(["merge", *map(str, parts), "--into", str(tmp_path / "merged" / "run")]) == 0
    results = {path for path in counter if path.endswith("/result.json")}
    assert len(results) == len(cells)
    assert times(counter, "plan.json") == times(counter, "result.json") == {1}


def test_a_comparison_opens_each_document_once(tmp_path: Path) -> None:
    before, after = (factory.write_run(tmp_path / name) for name in ("before", "after"))
    with opened() as counter:
        assert main(["diff", str(before), str(after)]) == 0
    assert times(counter, "plan.json") == times(counter, "result.json") == {1}
    assert len([path for path in counter if path.endswith("/result.json")]) == 24


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        ((Verdict.PASS, Verdict.PASS), 0),
        ((Verdict.PASS, Verdict.FAIL), 1),
        ((Verdict.PASS, Verdict.ERROR), 3),
        ((Verdict.FAIL, Verdict.ERROR), 3),
        ((Verdict.FAIL, None), 1),
        ((Verdict.PASS, None), 3),
        ((Verdict.PASS, Verdict.SKIP), 0),
    ],
)
def test_the_exit_code_of_what_cells_of_a_run_are(
    tmp_path: Path, verdicts: tuple[Verdict | None, ...], code: int
) -> None:
    cells = factory.smoke_cells()[:2]
    changes: dict[str, factory.Change] = {
        cell.id: factory.judged(verdict, "") if verdict else lambda _: None
        for cell, verdict in zip(cells, verdicts, strict=True)
    }
    data = factory.load(factory.write_run(tmp_path, factory.RunSpec(cells=cells, changes=changes)))
    assert exit_code(data) == code


@pytest.mark.parametrize(
    ("closed", "mode"),
    [(".", 0), (".", 0o444), ("cells", 0), ("cells", 0o444), ("cells/{id}", 0), ("cells/{id}", 0o555)]
    + [("cells/{id}/trial-1", mode) for mode in (0, 0o444, 0o555)],
)
def test_evidence_that_cannot_be_removed_is_an_error_with_file_and_reason(
    tmp_path: Path, closed: str, mode: int
) -> None:
    """Also below a folder that cannot be searched, where nothing says whether there is evidence."""
    folder = factory.write_run(tmp_path / "run")
    cell = factory.cell()
    shut = folder / closed.format(id=cell.id)
    for place in (tmp_path, *tmp_path.parents):
        if not place.stat().st_mode & 0o005:
            place.chmod(0o755)  # pytest's own folders are closed to other users
    if os.geteuid() == 0:
        for place in (folder, *folder.rglob("*")):
            os.chown(place, NOBODY, NOBODY)
    run, usual = RunFolder(folder), shut.stat().st_mode
    shut.chmod(mode)
    with plain_user(), pytest.raises(HostError) as caught:
        run.clear_cell(cell)
    shut.chmod(usual)
    assert caught.value.what == "evidence of an earlier attempt cannot be removed: Permission denied"
    assert str(caught.value.where).startswith(f"{folder}/cells/")
    assert caught.value.hint == "remove it by hand and run again"
    run.clear_cell(cell)
    assert not (folder / "cells" / cell.id).exists()


def test_a_cleared_cell_leaves_nothing_and_a_link_s_target_stays(tmp_path: Path) -> None:
    folder = factory.write_run(tmp_path / "run")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    cell = factory.cell()
    place = folder / "cells" / cell.id
    (place / "link").symlink_to(outside)
    run = RunFolder(folder)
    assert run.load().by_id[cell.id].result
    run.clear_cell(cell)
    run.clear_cell(cell)
    assert not place.exists()
    assert run.load().by_id[cell.id].result is None
    assert (outside / "precious").read_text() == "x"


def test_results_that_are_read_share_equal_sets_of_field_names(tmp_path: Path) -> None:
    """pydantic makes one for each value: 130 of the 330 MB that a report of 10,000 cells took."""
    results = factory.load(factory.write_run(tmp_path)).results
    crashes = [trial.crash for result in results for trial in result.trials if trial.crash]
    frames = [frame for crash in crashes for thread in crash.threads for frame in thread.native]
    for values in (results, crashes, frames):
        assert len({id(value.model_fields_set) for value in values}) < len(values)
    copy = frames[0].model_copy(update={"line": None})
    assert copy.model_fields_set is not frames[0].model_fields_set
    assert {frozenset(frame.model_fields_set) for frame in frames} == {frozenset(copy.model_fields_set)}


def test_the_plan_that_is_written_is_not_read_again(tmp_path: Path) -> None:
    plan = RunFolder(factory.write_run(tmp_path / "run")).plan
    run = RunFolder(tmp_path / "new")
    run.write_plan(plan)
    with opened() as counter:
        assert run.plan == plan
    assert times(counter, "plan.json") == set()
    assert RunFolder(tmp_path / "new").plan == plan


def test_a_result_may_be_written_before_any_is_read(tmp_path: Path) -> None:
    """As a run does; it is a text of lines, which people read."""
    data = factory.load(factory.write_run(tmp_path))
    result = data.results[0]
    run = RunFolder(tmp_path)
    run.write_result(result)
    assert run.load().results == data.results
    assert '\n "run":' in (tmp_path / "cells" / result.cell.id / "result.json").read_text()


def test_what_was_written_with_the_reports_is_what_is_loaded(tmp_path: Path) -> None:
    baseline = factory.write_run(tmp_path / "baseline")
    written = write_reports(factory.write_run(tmp_path / "run"), baseline)
    loaded = factory.load(tmp_path / "run")
    assert loaded.explanations
    assert loaded.comparison
    assert loaded.history
    assert loaded == written
    assert '\n "run":' in (tmp_path / "run" / "history.json").read_text()


def test_errors_of_a_folder_say_where_and_what_next(tmp_path: Path) -> None:
    folder = factory.write_run(tmp_path / "run")
    one, two = (folder / "cells" / factory.cell(pair).id / "result.json" for pair in range(2))
    one.write_bytes(two.read_bytes())
    with pytest.raises(InputError) as caught:
        factory.load(folder)
    assert str(caught.value) == (
        f"{one}: this is the result of another cell, {factory.cell(1).id}; delete it and resume the run"
    )
    plan = json.loads((folder / "plan.json").read_bytes())
    plan["excluded"][0]["axes"]["launcher"] = ["../x"]
    (folder / "plan.json").write_text(json.dumps(plan))
    with pytest.raises(InputError) as caught:
        factory.load(folder)
    assert str(caught.value) == (
        f"{folder / 'plan.json'}: a cell has 'launcher' = '../x', which no matrix can hold; "
        "run the matrix again, or report on another folder"
    )


@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_a_document_that_is_no_file_is_not_there_and_not_waited_for(tmp_path: Path, kind: str) -> None:
    cell = factory.cell()
    folder = factory.write_run(tmp_path, factory.RunSpec(cells=(cell,)))
    for name in (f"cells/{cell.id}/result.json", "plan.json"):
        path = folder / name
        path.unlink()
        if kind == "pipe":
            os.mkfifo(path)
        else:
            path.mkdir()
        if name != "plan.json":
            assert factory.load(folder).records[0].result is None
    with pytest.raises(InputError, match=r"there is no plan\.json in this folder"):
        factory.load(folder)


def test_a_cell_whose_name_is_too_long_for_a_file_is_an_error(tmp_path: Path) -> None:
    folder = factory.write_run(tmp_path, factory.RunSpec(cells=(factory.cell(),)))
    plan = json.loads((folder / "plan.json").read_bytes())
    for number in range(5):
        plan["cells"]["grids"][0][f"axis{number}"] = ["v" * 64]
    plan["cells"]["rows"] = [[*row[:-1], 0, 0, 0, 0, 0, row[-1]] for row in plan["cells"]["rows"]]
    (folder / "plan.json").write_text(json.dumps(plan))
    (cell,) = (item.cell for item in RunFolder(folder).plan.cells)
    with pytest.raises(InputError) as caught:
        factory.load(folder)
    assert str(caught.value) == (
        f"{folder / 'cells' / cell.id / 'result.json'}: result.json cannot be read: File name too long; "
        "run the matrix again, or report on another folder"
    )


@pytest.mark.parametrize(
    ("stated", "said"), [({"schema_version": 99}, "schema version 99"), ({}, "no schema version")]
)
def test_what_version_a_document_has_and_what_to_do_is_said(
    tmp_path: Path, stated: dict[str, int], said: str
) -> None:
    folder = factory.write_run(tmp_path)
    path = folder / "cells" / factory.cell().id / "result.json"
    document = json.loads(path.read_bytes())
    del document["schema_version"]
    path.write_text(json.dumps(document | stated))
    with pytest.raises(InputError) as caught:
        factory.load(folder)
    assert str(caught.value) == (
        f"{path}: result.json has {said}, this program reads {SCHEMA}; "
        "report with the version of crashmatrix that made the run"
    )


def test_a_damaged_value_is_named_by_its_place(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        edited(tmp_path, {"trials.0.outcome.seconds": "long"})
    assert str(caught.value) == (
        f"{tmp_path / 'cells' / factory.cell().id / 'result.json'}: not a readable result.json: "
        "trials.0.outcome.seconds: Input should be a valid number, unable to parse string as a number; "
        "run the matrix again, or report on another folder"
    )


@pytest.mark.parametrize(
    ("axis", "value", "said"),
    [
        ("python", "pypy", "'python' = 'pypy'"),
        ("launcher", "/" * 99, f"'launcher' = '{'/' * 80}'"),
        ("x" * 99, "y", f"'{'x' * 40}' = 'y'"),
    ],
)
def test_a_value_that_no_matrix_holds_is_named_as_far_as_a_line_bears(
    tmp_path: Path, axis: str, value: str, said: str
) -> None:
    folder = factory.write_run(tmp_path)
    plan = json.loads((folder / "plan.json").read_bytes())
    plan["excluded"][0]["axes"][axis] = [value]
    (folder / "plan.json").write_text(json.dumps(plan))
    with pytest.raises(InputError) as caught:
        factory.load(folder)
    assert caught.value.what == f"a cell has {said}, which no matrix can hold"


def test_the_recipe_of_an_image_is_where_it_was_rendered(tmp_path: Path) -> None:
    data = factory.load(factory.write_run(tmp_path))
    (image,) = data.plan.images
    assert data.inside(layout.dockerfile(image)) == tmp_path / f"images/cell-{image.key[:16]}/Dockerfile"


@pytest.mark.parametrize(("values", "refused"), [(10, False), (11, True)])
def test_as_many_cells_may_be_excluded_as_ten_matrices_have(
    tmp_path: Path, values: int, refused: bool
) -> None:
    group = factory.smoke_excluded()[0].model_copy(
        update={
            "axes": {axis: ("3.9",) if axis in ("python", "glibc") else ("x86_64",) for axis in STANDARD_AXES}
            | {f"axis{number}": tuple(f"v{value}" for value in range(10)) for number in range(6)}
            | {"axis6": tuple(f"v{value}" for value in range(values))}
        }
    )
    folder = factory.write_run(tmp_path, factory.RunSpec(excluded=(group,)))
    if not refused:
        assert RunFolder(folder).plan.excluded_count == 10_000_000
        return
    with pytest.raises(InputError) as caught:
        factory.load(folder)
    assert str(caught.value) == (
        f"{folder / 'plan.json'}: 11,000,000 cells are excluded, more than any matrix has; "
        "run the matrix again, or report on another folder"
    )


def test_a_result_that_is_written_is_what_is_read_next(tmp_path: Path) -> None:
    run = RunFolder(factory.write_run(tmp_path))
    result = run.load().records[0].result
    assert result
    changed = factory.judged(Verdict.FAIL, "another")(result)
    assert changed
    run.write_result(changed)
    assert run.load().records[0].result == changed


@given(
    st.sampled_from(["plan.json", "result.json", "explanations.json", "comparison.json", "history.json"]),
    st.sampled_from(["flip", "cut", "insert", "double"]),
    st.integers(0, 1 << 20),
    st.binary(min_size=1, max_size=8),
)
@settings(max_examples=150, deadline=None)
def test_a_damaged_document_is_refused_or_read_right(
    tmp_path_factory: pytest.TempPathFactory, name: str, damage: str, place: int, more: bytes
) -> None:
    # In a folder of its own: a report also reads the runs beside it, which are those of all examples before.
    folder = tmp_path_factory.mktemp("runs") / "run"
    cell = factory.cell()
    factory.write_run(folder, factory.RunSpec(cells=(cell,)))
    write_reports(folder, factory.write_run(folder / "baseline", factory.RunSpec(cells=(cell,))))
    path = folder / "cells" / cell.id / name if name == "result.json" else folder / name
    text = path.read_bytes()
    at = place % len(text)
    path.write_bytes(
        {
            "flip": text[:at] + more + text[at + len(more) :],
            "cut": text[:at],
            "insert": text[:at] + more + text[at:],
            "double": text[:at] + text,
        }[damage]
    )
    try:
        data = factory.load(folder)
    except InputError as error:
        refused = error
    else:
        assert all(record.result is None or record.result.cell == record.cell for record in data.records)
        report.write(data)
        return
    assert str(path) in str(refused)


def edited(folder: Path, edit: dict[str, object]) -> RunData:
    """A run whose one result has other values, by their paths; rendered."""
    cell = factory.cell()
    factory.write_run(folder, factory.RunSpec(cells=(cell,)))
    path = folder / "cells" / cell.id / "result.json"
    document = json.loads(path.read_bytes())
    for place, value in edit.items():
        *parents, last = place.split(".")
        part = document
        for key in parents:
            part = part[int(key)] if isinstance(part, list) else part[key]
        part[last] = value
    path.write_text(json.dumps(document), encoding="utf-8")
    return factory.render(folder)


@pytest.mark.parametrize("number", [float("inf"), float("nan"), float("-inf")])
@pytest.mark.parametrize("place", ["seconds", "trials.0.outcome.seconds"])
def test_a_time_that_is_no_number_is_refused(tmp_path: Path, place: str, number: float) -> None:
    with pytest.raises(InputError, match=r"not a readable result\.json"):
        edited(tmp_path, {place: number})


@pytest.mark.parametrize(
    "name", ["a\0b", "x" * 5000, "a/" * 40_000 + "b", "a/" * 1500 + "b", "y" * 300, "", ".", "..", "a//b"]
)
def test_names_that_no_file_can_have_are_not_in_the_folder(tmp_path: Path, name: str) -> None:
    data = edited(tmp_path, {"trials.0.outcome.stdout": name, "trials.0.core.path": name})
    assert data.inside(name) is None
    assert not data.has(name)


def test_a_link_inside_of_the_folder_is_followed_and_one_out_of_it_is_not(tmp_path: Path) -> None:
    folder = factory.write_run(tmp_path / "run")
    (tmp_path / "secret").write_text("x")
    (folder / "a").mkdir()
    (folder / "a" / "file").write_text("x")
    (folder / "b").symlink_to("a")
    (folder / "c").symlink_to(tmp_path)
    (folder / "d").symlink_to("a/file")
    data = factory.load(folder)
    for name in ("a/file", "b/file", "d", "a/../a/file"):
        assert data.inside(name) == folder / "a" / "file"
        assert data.has(name)
    for name in ("c/secret", "../secret", "a/../../secret", str(tmp_path / "secret"), "a", "nothing"):
        assert data.inside(name) is None
        assert not data.has(name)


@pytest.mark.parametrize("shard", ["x", "1/x", "2/1", "0/3", "1/99999999999", "1/2/3"])
def test_a_shard_that_no_run_has_is_refused_by_merge(tmp_path: Path, shard: str) -> None:
    folder = factory.write_run(tmp_path / "part")
    plan = json.loads((folder / "plan.json").read_bytes())
    (folder / "plan.json").write_text(json.dumps(plan | {"shard": shard}))
    with pytest.raises(InputError, match="shard"):
        merge_runs([folder], MergeOptions(into=tmp_path / "merged"), lambda _: None)


def test_merged_files_of_this_user_are_linked_and_pages_of_the_parts_left(tmp_path: Path) -> None:
    part = factory.write_run(tmp_path / "part")
    factory.render(part)
    merge_runs([part], MergeOptions(into=tmp_path / "merged"), lambda _: None)
    name = f"cells/{factory.cell().id}"
    assert (part / name / "result.json").samefile(tmp_path / "merged" / name / "result.json")
    assert not (part / name / "index.html").samefile(tmp_path / "merged" / name / "index.html")


def test_runs_are_found_by_path_by_name_and_the_last_one(tmp_path: Path) -> None:
    first, second = (factory.write_run(tmp_path / name) for name in ("20261101-a", "20261102-b"))
    assert find_run(tmp_path, "20261101-a") == find_run(Path("nowhere"), str(first)) == first
    os.utime(first / "plan.json", (2_000_000_000, 2_000_000_000))
    assert find_run(tmp_path, "latest") == first
    os.utime(second / "plan.json", (2_000_000_001, 2_000_000_001))
    assert find_run(tmp_path, "latest") == second
    with pytest.raises(InputError) as caught:
        find_run(tmp_path, "20261101")
    assert str(caught.value) == f"{tmp_path}: there is no run '20261101'; did you mean '20261101-a'?"
    with pytest.raises(InputError) as caught:
        find_run(tmp_path / "none", "latest")
    assert str(caught.value) == f"{tmp_path / 'none'}: there is no earlier run; start one"


def test_a_format_of_reports_is_one_entry(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """docs/design.md, "To add": a module with a function, and its entry in `report.FORMATS`."""

    def cells_csv(data: RunData) -> str:
        return "".join(f"{record.cell.id},{record.status}\n" for record in data.records)

    folder = factory.write_run(tmp_path / "run")
    report.FORMATS.append(report.Format(name="CSV", file="cells.csv", text=cells_csv))
    try:
        assert main(["report", str(folder)]) == 0
    finally:
        report.FORMATS.pop()
    assert "cells.csv)" in capsys.readouterr().out.splitlines()[-1]
    lines = (folder / "cells.csv").read_text().splitlines()
    assert lines[0] == f"{factory.smoke_cells()[0].id},pass"
    assert len(lines) == 12


def test_results_are_values_of_the_model(tmp_path: Path) -> None:
    data = factory.load(factory.write_run(tmp_path))
    assert {type(result) for result in data.results} == {CellResult}
