"""Shards by time and budgets of time: by earlier runs, else by a model."""

from collections.abc import Hashable, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import compare
from orchestrator.cli import main
from orchestrator.errors import InputError
from orchestrator.matrix import Request
from orchestrator.model import Plan, RunDigest, Turn
from orchestrator.pipeline import budget, shards, times
from orchestrator.pipeline.budget import Timed
from orchestrator.pipeline.planning import PlannedRun, make_plan
from orchestrator.pipeline.projects import Project
from orchestrator.pipeline.shards import Piece
from orchestrator.rundir import RunFolder
from tests.unit import run_factory as factory

ROOT = Path(__file__).parents[2]
AXES = {"scenario": ("tls-atexit", "getenv-race"), "arch": ("x86_64",)}
IMAGES = ("base a", "base b", "python", "cell 1", "cell 2", "cell 3")
COSTS = dict(zip(IMAGES, (60.0, 90.0, 600.0, 3.0, 2.0, 1.0), strict=True))

SECONDS = st.integers(1, 100_000).map(lambda tenths: tenths / 10)
ROUNDING = 1e-6
BUILDS = st.lists(st.sampled_from(IMAGES), unique=True).map(
    lambda names: [(name, COSTS[name]) for name in names]
)
VERDICTS = st.none() | st.tuples(st.sampled_from("pfe"), st.sampled_from(["2026-11-01", "2026-11-02"]))
TIMED = st.builds(Timed, seconds=SECONDS, builds=BUILDS, verdict=VERDICTS)


def cost(cells: Sequence[Timed]) -> float:
    built: dict[Hashable, float] = {image: time for cell in cells for image, time in cell.builds}
    return (sum(cell.seconds for cell in cells) + sum(built.values())) / times.AT_ONCE


@given(cells=st.lists(TIMED, max_size=30), cover=st.sets(st.integers(0, 29)), limit=SECONDS)
def test_a_budget_is_never_exceeded_and_keeps_the_order(
    cells: list[Timed], cover: set[int], limit: float
) -> None:
    chosen = budget.fitting(cells, cover, limit)
    assert cost([cells[number] for number in chosen]) <= limit + ROUNDING
    assert chosen == budget.fitting(list(cells), set(cover), limit), "not deterministic"
    order = list(Turn)
    turns = budget.turns(cells, cover)
    for number in set(range(len(cells))) - chosen:
        # It did not fit when its turn came: what is chosen of it and of those before leaves no room.
        before = [other for other in chosen if order.index(turns[other]) <= order.index(turns[number])]
        assert cost([cells[other] for other in [*before, number]]) > limit - ROUNDING


def test_what_failed_comes_first_then_what_is_new_then_a_cover_then_the_oldest() -> None:
    verdicts = [
        ("p", "2026-11-03"),
        ("p", "2026-11-01"),
        ("p", "2026-11-02"),
        None,
        ("f", "2026-11-02"),
        ("e", "x"),
    ]
    cells = [Timed(seconds=2, builds=(), verdict=verdict) for verdict in verdicts]
    cover = {0}
    taken = [budget.fitting(cells, cover, limit) for limit in range(7)]
    order = [min(after - before) for before, after in pairwise(taken)]
    assert order == [4, 5, 3, 0, 1, 2]
    assert budget.turns(cells, cover) == [
        Turn.COVER, Turn.OLD, Turn.OLD, Turn.NEW, Turn.FAILED, Turn.FAILED,
    ]  # fmt: skip


PIECES = st.lists(st.builds(Piece, seconds=SECONDS, builds=BUILDS), min_size=4, max_size=60)


@given(pieces=PIECES, count=st.integers(1, 4))
def test_shards_are_whole_and_none_is_empty(pieces: list[Piece], count: int) -> None:
    cuts = shards.cut(pieces, count)
    assert (cuts[0], cuts[-1], len(cuts)) == (0, len(pieces), count + 1)
    assert all(start < end for start, end in pairwise(cuts))
    assert cuts == shards.cut(list(pieces), count), "not deterministic"


def test_a_long_build_makes_its_shard_smaller() -> None:
    pieces = [Piece(seconds=10, builds=[("python", 300)] if number < 10 else ()) for number in range(100)]
    cuts = shards.cut(pieces, 2)
    left, right = (shards.seconds(pieces[start:end]) for start, end in pairwise(cuts))
    assert abs(left - right) <= 10
    assert cuts[1] < 50


def planned(past: Path | None = None, **more: object) -> PlannedRun:
    request = Request(profile="full", axes=AXES, offline=True, past=past)
    return make_plan(Project.load(ROOT), Request(**{**vars(request), **more}), listing=True)


def digest(cells: dict[str, str], created: str, **more: object) -> str:
    return RunDigest.model_validate(
        {"run": created[:10], "created": created, "profile": "full", "selection": "", "cells": cells,
         "signatures": {}, "causes": {}, **more}
    ).model_dump_json()  # fmt: skip


def store(reports: Path, plan: Plan, text: str) -> None:
    """A run of this plan beside others, as a night leaves an older one."""
    run = RunFolder(reports / str(len(list(reports.glob("*")))))
    run.path.mkdir(parents=True)
    run.write_plan(plan)
    (run.path / "digest.json").write_text(text)


def test_shards_are_balanced_by_the_times_of_the_last_run(tmp_path: Path) -> None:
    whole = planned().plan
    ids = [item.cell.id for item in whole.cells]
    slow = [item.cell.id for item in whole.cells if item.cell.glibc == "2.36"]
    measured = {cell: 30.0 + number % 7 if cell in slow else 1.0 for number, cell in enumerate(ids)}
    store(
        tmp_path, whole, digest(dict.fromkeys(ids, "p"), "2026-11-01T00:00:00", seconds=measured, builds={})
    )
    by_model = [planned(shard=(number, 4)).plan for number in range(1, 5)]
    by_times = [planned(tmp_path, shard=(number, 4)).plan for number in range(1, 5)]
    assert sorted(item.cell.id for plan in by_times for item in plan.cells) == sorted(ids)

    def took(plan: Plan) -> float:
        return sum(measured[item.cell.id] for item in plan.cells) / 2 + (
            plan.estimate.builds if plan.estimate else 0
        )

    def farthest(plans: list[Plan]) -> float:
        every = [took(plan) for plan in plans]
        return max(abs(time - fmean(every)) for time in every) / fmean(every)

    assert farthest(by_times) < 0.1 < farthest(by_model)
    estimates = [plan.estimate for plan in by_times if plan.estimate]
    assert sum(estimate.measured for estimate in estimates) == len(ids)
    (told,) = {estimate.shards for estimate in estimates}
    assert told == pytest.approx(list(map(took, by_times)))


def test_a_budget_of_a_project_tells_what_it_left_out(tmp_path: Path) -> None:
    whole = planned().plan
    ids = [item.cell.id for item in whole.cells]
    verdicts = dict.fromkeys(ids[20:], "p") | dict.fromkeys(ids[-3:], "f")
    store(tmp_path, whole, digest(verdicts, "2026-11-01T00:00:00", seconds=dict.fromkeys(ids, 2.0), builds={
        f"{kind} x86_64": 0 for kind in ("base", "builder", "environment", "uwsgi", "probe", "cell", "python")
    }))  # fmt: skip
    plan = planned(tmp_path, budget=60.0).plan
    (told,) = plan.budgets
    chosen = [item.cell.id for item in plan.cells]
    assert len(chosen) == told.cells == 60
    assert set(ids[:20]) | set(ids[-3:]) < set(chosen)
    first = {item.turn: (item.cells, item.left_out) for item in told.turns}
    assert (first[Turn.FAILED], first[Turn.NEW]) == ((3, 0), (20, 0))
    assert told.left_out == len(ids) - 60 == plan.deselected - whole.deselected
    assert f"Budget of 1.0 min: 60 cells fit, {len(ids) - 60:,} are left out" in told.words
    again = Plan.model_validate_json("".join(plan.chunks()))
    assert (again.budgets, again.estimate) == (plan.budgets, plan.estimate)
    part = [planned(tmp_path, budget=60.0, shard=(number, 2)).plan for number in (1, 2)]
    assert sorted(item.cell.id for one in part for item in one.cells) == sorted(chosen)


def test_a_budget_in_which_nothing_fits_is_refused() -> None:
    with pytest.raises(InputError, match="no cell fits into this time"):
        planned(budget=1.0)


def test_a_folder_of_past_runs_that_is_not_there_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--project", str(ROOT), "plan", "--shard", "1/2", "--past", str(tmp_path / "x")]) == 2
    assert "--past: there is no such folder" in capsys.readouterr().err


def test_a_digest_has_the_times_of_cells_and_of_builds(tmp_path: Path) -> None:
    folder = factory.write_run(tmp_path / "run")
    data = factory.load(folder)
    image = data.plan.images[0]
    place = folder / "images" / f"{image.role}-{image.key[:16]}" / "build.seconds"
    place.parent.mkdir(parents=True, exist_ok=True)
    for text, seconds in (("12.5", 12.5), ("x" * 99, 0), ("-1.0", 0), ("1e9", 0)):
        place.write_text(text)
        made = compare.digest(factory.load(folder))
        kind = f"{image.role.partition('-')[0]} {image.arch}"
        alike = [item for item in data.plan.images if f"{item.role.partition('-')[0]} {item.arch}" == kind]
        assert made.builds[kind] == round(seconds / len(alike), 1)
    assert made.seconds == {
        result.cell.id: round(result.seconds, 1) for result in data.results if result.trials
    }
