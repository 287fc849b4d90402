"""Merging runs: whole or said to be not, and each cell from one run only."""

import shlex
import shutil
from pathlib import Path

import pytest

from orchestrator.errors import InputError
from orchestrator.model import Arch, Budget, Cell, ExcludedCells, Plan, Turn, Turns, Verdict
from orchestrator.pipeline.merge import MergeOptions, merge_runs
from orchestrator.pipeline.run import exit_code
from tests.unit import run_factory as factory

SHARDS = 3


def shard(
    folder: Path, number: int, *, day: int = 20, changes: dict[str, factory.Change] | None = None
) -> Path:
    cells = factory.smoke_cells()[number - 1 :: SHARDS]
    factory.write_run(folder, factory.RunSpec(cells=cells, changes=changes or {}, run=folder.name))
    path = folder / "plan.json"
    plan = Plan.model_validate_json(path.read_text())
    chosen = ("--profile", "smoke", "-k", 'probe == "cpp"', "--shard", f"{number}/{SHARDS}")
    named = {
        "shard": f"{number}/{SHARDS}",
        "created": f"2026-11-{day}T06:00:00+00:00",
        "chosen": chosen,
        "command": f"./nox -s matrix -- {shlex.join(chosen)}",
    }
    path.write_text(plan.model_copy(update=named).model_dump_json())
    return folder


def test_all_shards_are_one_whole_run(tmp_path: Path) -> None:
    said: list[str] = []
    parts = [shard(tmp_path / f"part{number}", number) for number in range(1, SHARDS + 1)]
    data = merge_runs(parts, MergeOptions(into=tmp_path / "merged"), said.append)
    assert len(data.results) == 12
    assert said == []
    assert exit_code(data) == 0
    assert 'launcher == "uwsgi" and probe == "cpp"' in data.explanations[0].sentence
    assert data.plan.command == "./nox -s matrix -- --profile smoke -k 'probe == \"cpp\"'"


def test_runs_of_several_selections_have_no_one_command(tmp_path: Path) -> None:
    one, two = shard(tmp_path / "one", 1), shard(tmp_path / "two", 2)
    plan = Plan.model_validate_json((two / "plan.json").read_text())
    other = plan.model_copy(
        update={"chosen": ("--profile", "full"), "command": "crashmatrix run --profile full"}
    )
    (two / "plan.json").write_text(other.model_dump_json())
    merged = merge_runs([one, two], MergeOptions(into=tmp_path / "merged"), print).plan
    assert (merged.chosen, merged.command) == ((), "")


def test_a_missing_shard_is_said_everywhere_and_is_no_success(tmp_path: Path) -> None:
    said: list[str] = []
    data = merge_runs(
        [shard(tmp_path / "one", 1), shard(tmp_path / "three", 3)],
        MergeOptions(into=tmp_path / "merged"),
        said.append,
    )
    assert said == ["Shard 2/3 is missing: its cells are not counted in this report."]
    assert data.plan.missing_shards == ("2/3",)
    assert exit_code(data) == 3
    assert "shard 2/3" in (tmp_path / "merged" / "summary.md").read_text().replace("&#47;", "/")
    assert 'name="missing_shards" value="2/3"' in (tmp_path / "merged" / "junit.xml").read_text()


def test_a_missing_shard_names_its_selection_where_there_are_several(tmp_path: Path) -> None:
    parts = [shard(tmp_path / f"part{number}", number) for number in (1, 2, 3)]
    other = shard(tmp_path / "other", 2)
    plan = Plan.model_validate_json((other / "plan.json").read_text())
    named = plan.model_copy(update={"selection": "--profile smoke --arch arm64"})
    (other / "plan.json").write_text(named.model_dump_json())
    data = merge_runs([*parts, other], MergeOptions(into=tmp_path / "merged"), lambda _: None)
    assert data.plan.missing_shards == tuple(f"{n}/3 of --profile smoke --arch arm64" for n in (1, 3))


@pytest.mark.parametrize("reverse", [False, True])
def test_of_a_shard_that_ran_twice_the_later_counts_whole(tmp_path: Path, reverse: bool) -> None:
    cell = factory.smoke_cells()[0]
    first = shard(tmp_path / "first", 1, changes={cell.id: factory.judged(Verdict.FAIL, "x")})
    (first / "cells" / cell.id / "trial-9").mkdir()
    parts = [first, shard(tmp_path / "again", 1, day=21), shard(tmp_path / "b", 2), shard(tmp_path / "c", 3)]
    said: list[str] = []
    data = merge_runs(parts[::-1] if reverse else parts, MergeOptions(into=tmp_path / "merged"), said.append)
    assert data.plan.replaced == 4
    assert said[0].startswith("4 cells stand in several runs")
    assert {result.judgement.verdict for result in data.results} == {Verdict.PASS}
    assert not (tmp_path / "merged" / "cells" / cell.id / "trial-9").exists()


def test_a_link_in_a_shard_brings_nothing_in(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a secret of this host")
    part = shard(tmp_path / "part", 1)
    cell = factory.smoke_cells()[0]
    stdout = part / "cells" / cell.id / "trial-1" / "stdout.txt"
    stdout.unlink()
    stdout.symlink_to(secret)
    merge_runs([part], MergeOptions(into=tmp_path / "merged"), lambda _: None)
    assert factory.load(tmp_path / "merged").inside(f"cells/{cell.id}/trial-1/stdout.txt") is None
    pages = [path for path in (tmp_path / "merged").rglob("*") if path.is_file() and not path.is_symlink()]
    assert not [path for path in pages if b"a secret of this host" in path.read_bytes()]


def test_a_link_to_a_folder_leads_nowhere(tmp_path: Path) -> None:
    """Neither is what lies behind it copied, nor is anything written or removed there."""
    home = tmp_path / "home"
    (home / "x").mkdir(parents=True)
    (home / "x" / "result.json").write_text("precious")
    one, two = shard(tmp_path / "one", 1), shard(tmp_path / "two", 2, day=21)
    (one / "cells" / "evil").symlink_to(home)
    for part in (one, two):
        shutil.rmtree(part / "images")
    (one / "images").symlink_to(home)
    for name in ("x/result.json", ".ssh/authorized_keys"):
        (two / "cells" / "evil" / name).parent.mkdir(parents=True)
        (two / "cells" / "evil" / name).write_text("evil")
    merge_runs([one, two], MergeOptions(into=tmp_path / "merged"), lambda _: None)
    assert [path.relative_to(home).as_posix() for path in home.rglob("*")] == ["x", "x/result.json"]
    assert (home / "x" / "result.json").read_text() == "precious"
    assert not (tmp_path / "merged" / "images").exists()


def test_a_cell_that_the_later_run_did_not_end_keeps_no_verdict_of_the_earlier(tmp_path: Path) -> None:
    cell = factory.smoke_cells()[0]
    again = shard(tmp_path / "again", 1, day=21)
    (again / "cells" / cell.id / "result.json").unlink()
    data = merge_runs(
        [shard(tmp_path / "first", 1), again], MergeOptions(into=tmp_path / "merged"), lambda _: None
    )
    assert data.by_id[cell.id].result is None


def test_cells_that_several_runs_left_out_count_once(tmp_path: Path) -> None:
    """As products that are cut otherwise, and overlap: what two profiles leave out for one reason."""
    (group, *_) = factory.smoke_excluded()
    launchers = (("plain",), ("uwsgi", "plain"), ("uwsgi",))
    folders = []
    for number, values in enumerate(launchers):
        part = group.model_copy(update={"axes": {**group.axes, "launcher": values}})
        other = part.model_copy(update={"reason": "another"})
        spec = factory.RunSpec(cells=factory.smoke_cells()[number : number + 1], excluded=(part, other))
        folders.append(factory.write_run(tmp_path / f"run{number}", spec))
    plan = merge_runs(folders, MergeOptions(into=tmp_path / "merged"), lambda _: None).plan
    left_out = [(item.cell.id, item.reason) for item in plan.each_excluded()]
    assert len(left_out) == len(set(left_out)) == plan.excluded_count == 2 * group.count == 16


def due(folder: Path, cells: tuple[Cell, ...], excluded: tuple[ExcludedCells, ...] = ()) -> Path:
    """The plan of the whole, in a file as `plan --json` prints it."""
    factory.write_run(folder, factory.RunSpec(cells=cells, run=folder.name, excluded=excluded))
    return Path(shutil.move(folder / "plan.json", folder.with_suffix(".json")))


def of_arm64(cells: tuple[Cell, ...]) -> tuple[Cell, ...]:
    return tuple(cell.model_copy(update={"arch": Arch.ARM64}) for cell in cells)


def test_one_whole_architecture_without_the_other_that_was_due_is_not_whole(tmp_path: Path) -> None:
    cells = factory.smoke_cells()
    whole = due(tmp_path / "due", cells + of_arm64(cells))
    parts = [shard(tmp_path / f"part{number}", number) for number in range(1, SHARDS + 1)]
    options = MergeOptions(into=tmp_path / "merged", due=(whole,))
    said: list[str] = []
    data = merge_runs(parts, options, said.append)
    (lacking,) = data.plan.missing
    (line,) = said
    assert line.startswith(f"Missing: all 12 cells of arm64 in {lacking.selection} (in no run), for example ")
    assert (lacking.arch, lacking.count, lacking.of, lacking.reason) == ("arm64", 12, 12, "in no run")
    assert exit_code(data) == 3
    assert exit_code(merge_runs(parts, MergeOptions(into=tmp_path / "alone"), lambda _: None)) == 0
    assert "Missing: all 12 cells of arm64 in" in (tmp_path / "merged" / "summary.md").read_text()
    assert 'name="missing_cells" value="12"' in (tmp_path / "merged" / "junit.xml").read_text()


def test_a_missing_cell_says_why_and_outweighs_a_failure(tmp_path: Path) -> None:
    """Excluded where it was to run, planned and not run, in no run: each with its count."""
    cells = factory.smoke_cells()
    left_out, stopped, failed = of_arm64(cells)[0], cells[1], cells[2]
    whole = due(tmp_path / "due", (*cells, left_out, *of_arm64(cells)[4:6]))
    spec = factory.RunSpec(
        cells=cells,
        excluded=(ExcludedCells.one(left_out, "no portable CPython here"),),
        changes={stopped.id: lambda _: None, failed.id: factory.judged(Verdict.FAIL, "x")},
    )
    data = merge_runs(
        [factory.write_run(tmp_path / "run", spec)],
        MergeOptions(into=tmp_path / "merged", due=(whole,)),
        lambda _: None,
    )
    found = {(item.arch, item.reason): (item.count, item.of, item.example) for item in data.plan.missing}
    assert found == {
        ("x86_64", "planned, not run"): (1, 12, stopped.id),
        ("arm64", "excluded where it was to run: no portable CPython here"): (1, 3, left_out.id),
        ("arm64", "in no run"): (2, 3, of_arm64(cells)[4].id),
    }
    assert exit_code(data) == 3
    assert data.plan.excluded == ()


def test_all_that_was_due_is_green_and_what_was_not_is_said(tmp_path: Path) -> None:
    cells = factory.smoke_cells()
    said: list[str] = []
    runs = [factory.write_run(tmp_path / "run", factory.RunSpec(cells=cells))]
    options = MergeOptions(into=tmp_path / "merged", due=(due(tmp_path / "due", cells[1:]),))
    data = merge_runs(runs, options, said.append)
    assert data.plan.missing == ()
    assert exit_code(data) == 0
    assert said == [f"1 cells were not due, for example {cells[0].id}: they count all the same."]


def test_what_budgets_left_out_of_the_due_plans_is_in_plan_and_summary(tmp_path: Path) -> None:
    cells = factory.smoke_cells()
    runs = [factory.write_run(tmp_path / "run", factory.RunSpec(cells=cells))]
    budgets = [
        Budget(limit=limit, turns=(Turns(turn=Turn.NEW, cells=12, left_out=1234),)) for limit in (1800, 3600)
    ]
    files = []
    for number, (budget, its) in enumerate(zip(budgets, (cells, of_arm64(cells)), strict=True)):
        file = due(tmp_path / str(number), its)
        plan = Plan.model_validate_json(file.read_text())
        file.write_text(plan.model_copy(update={"budgets": (budget,)}).model_dump_json())
        files.append(file)
    options = MergeOptions(into=tmp_path / "merged", due=tuple(files))
    assert merge_runs(runs, options, lambda _: None).plan.budgets == tuple(budgets)
    text = (tmp_path / "merged" / "summary.md").read_text()
    for minutes in (30, 60):
        assert f"Budget of {minutes} min: 12 cells fit, 1,234 are left out" in text


def test_a_shard_s_plan_is_not_what_was_due(tmp_path: Path) -> None:
    part = shard(tmp_path / "part", 1)
    with pytest.raises(InputError, match="shard 1/3 alone"):
        merge_runs([part], MergeOptions(into=tmp_path / "merged", due=(part / "plan.json",)), lambda _: None)
    with pytest.raises(InputError, match="no such file"):
        merge_runs([part], MergeOptions(into=tmp_path / "merged", due=(tmp_path / "x",)), lambda _: None)


def test_a_merged_run_is_named_by_its_date_and_profile(tmp_path: Path) -> None:
    parts = [shard(tmp_path / "one", 1, day=22), shard(tmp_path / "two", 2, day=21)]
    first, second = (merge_runs(parts, MergeOptions(reports=tmp_path), lambda _: None) for _ in range(2))
    assert [first.plan.run, second.plan.run] == ["20261121-060000-smoke", "20261121-060000-smoke-2"]
    assert first.folder == tmp_path / first.plan.run


def test_a_cell_that_two_plans_have_is_missing_once(tmp_path: Path) -> None:
    """An x86_64 machine plans all cells of arm64, an arm64 machine those that it runs natively."""
    cells = factory.smoke_cells()
    whole = due(tmp_path / "all", cells + of_arm64(cells)[:3])
    native = due(tmp_path / "native", of_arm64(cells)[2:4])
    runs = [factory.write_run(tmp_path / "run", factory.RunSpec(cells=cells))]
    options = MergeOptions(into=tmp_path / "merged", due=(whole, native))
    data = merge_runs(runs, options, lambda _: None)
    found = [(item.arch, item.count, item.of) for item in data.plan.missing]
    assert found == [("arm64", 3, 3), ("arm64", 1, 1)]
    assert len(data.results) == 12
