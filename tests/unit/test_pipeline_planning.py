"""Planning at the size of real matrices: thousands of cells share a few images."""

import re
from dataclasses import replace
from pathlib import Path
from shutil import copy, copytree
from statistics import fmean

import pytest

from orchestrator.cli.listing import lines
from orchestrator.errors import InputError
from orchestrator.matrix import OtherPlan, Request
from orchestrator.model import (
    STANDARD_AXES,
    Arch,
    ExcludedCell,
    Expectation,
    OutcomeKind,
    Plan,
    PlannedTerms,
)
from orchestrator.model.cell_tables import CellTables
from orchestrator.pipeline.planning import make_plan
from orchestrator.pipeline.projects import Project

ROOT = Path(__file__).parents[2]


def test_an_axis_that_only_programs_read_makes_no_image(tmp_path: Path) -> None:
    for name in ("scenarios", "images"):
        copytree(ROOT / name, tmp_path / name)
    matrix = tmp_path / copy(ROOT / "matrix.yaml", tmp_path)
    variants = ", ".join(f"v{number}" for number in range(6))
    text = re.sub(r"scenario: \[.*\]", "scenario: [tls-atexit]", matrix.read_text(), count=1)
    matrix.write_text(text)
    alone = make_plan(Project.load(tmp_path), Request(profile="full"))
    matrix.write_text(text.replace("axes:\n", f"axes:\n  variant: [{variants}]\n", 1))
    planned = make_plan(Project.load(tmp_path), Request(profile="full"))
    assert len(planned.plan.cells) == 6 * len(alone.plan.cells) > 3000
    assert len(planned.specs) == len(alone.specs)


def test_excluded_cells_are_few_products_however_many_they_are() -> None:
    one = Request(profile="full", axes={"scenario": ("freed-state",)})
    plan = make_plan(Project.load(ROOT), one).plan
    ids = [item.cell.id for item in plan.cells] + [item.cell.id for item in plan.each_excluded()]
    assert len(ids) == len(set(ids)) == len(plan.cells) + plan.excluded_count
    assert plan.excluded_count > 500
    assert len(plan.excluded) < 100


def test_shards_share_few_images_and_take_equally_long() -> None:
    axes = {"scenario": ("freed-state", "environ-walk", "daemon-thread")}
    project = Project.load(ROOT)
    whole, *shards = (
        make_plan(project, Request(profile="full", axes=axes, offline=True, shard=shard))
        for shard in (None, *((number, 4) for number in range(1, 5)))
    )
    assert sum(len(shard.specs) for shard in shards) <= 1.35 * len(whole.specs)
    assert sum(len(shard.plan.cells) for shard in shards) == len(whole.plan.cells)
    told = {shard.plan.estimate.shards for shard in shards if shard.plan.estimate}
    assert len(told) == 1, "shards do not agree on how they are cut"
    (times,) = told
    assert [time for time in times if abs(time - fmean(times)) > fmean(times) / 10] == []


def test_an_instrument_is_installed_once_a_base() -> None:
    axes = {"instrument": ("strace", "valgrind"), "arch": ("x86_64",)}
    specs = make_plan(Project.load(ROOT), Request(profile="full", axes=axes)).specs
    installing = {spec.role: spec.key for spec in specs if "apt-get -qq install strace" in spec.text}
    suites = ("bullseye", "bookworm", "trixie", "forky")
    assert set(installing) == {f"strace-{suite}" for suite in suites}
    with_it = [spec.role for spec in specs if installing["strace-trixie"] in spec.parents]
    versions = ("3-9-2", "3-11-2", "3-13-5", "3-13-15", "3-10-8", "3-12-1", "3-14-3")
    copied = {f"strace-environment-trixie-py{version}" for version in versions}
    assert set(with_it) == {"strace-base-trixie", *copied}


def test_every_cell_says_what_it_is_made_of() -> None:
    planned = make_plan(Project.load(ROOT), Request(profile="full"))
    made_of = {
        (item.cell.python, item.cell.glibc): (item.made_of.base, item.made_of.interpreter)
        for item in planned.plan.cells
        if item.made_of and item.cell.arch == "x86_64"
    }
    assert made_of["3.11", "2.17"] == ("sysroot-2.17", "portable")
    assert made_of["3.11", "2.36"] == ("bookworm", "own")
    assert made_of["3.15", "2.43"] == ("forky", "own")
    assert made_of["3.14", "2.43"] == ("forky", "own")
    assert made_of["3.14", "2.36"] == ("bookworm", "archive")
    assert made_of["3.10", "2.17"] == ("sysroot-2.17", "archive")
    assert ("3.12", "2.17") not in made_of
    assert all(item.made_of for item in planned.plan.cells)
    reasons = {item.reason.split(" (")[0] for item in planned.plan.excluded}
    assert "no source for glibc 2.28 without an image registry" in reasons
    assert "CPython 3.15 for x86_64 only as forky's own binary" in reasons


def project_of(tmp_path: Path, axes: str) -> Project:
    """A project with one script, and these axes beside those of the defaults."""
    (tmp_path / "matrix.yaml").write_text(f"schema: 1\naxes: {{{axes}}}\n")
    (tmp_path / "scenarios" / "hello").mkdir(parents=True)
    (tmp_path / "scenarios" / "hello" / "hello.py").write_text("print('hello')\n")
    (tmp_path / "scenarios" / "hello" / "scenario.yaml").write_text("schema: 1\nscript: hello.py\n")
    return Project.load(tmp_path)


def test_what_is_compiled_first_and_what_an_interpreter_lacks_is_listed(tmp_path: Path) -> None:
    axes = 'python: ["3.10", "3.13", "3.13t"], glibc: ["2.17", "2.41"], arch: [x86_64], launcher: [plain]'
    project = project_of(tmp_path, axes)
    listed = "".join(lines(make_plan(project, Request(profile="full"), listing=True).plan))
    minutes = r" \(about \d+ min on 2 cores\)"
    assert re.search(
        f"must be built first, once on this host: portable CPython 3.13.5 for x86_64{minutes}, "
        f"portable CPython 3.13.5t for x86_64{minutes}\n",
        listed,
    )
    lacking = (
        "CPython 3.10.8 (archive) on trixie (Debian trixie by mmdebstrap) without curses, lzma, readline"
    )
    assert lacking in listed
    quick = "".join(lines(make_plan(project, Request(), listing=True).plan))
    assert "hello/py3.13-glibc2.41-x86_64-plain  " in quick
    assert "must be built first" not in quick


def test_a_free_threaded_interpreter_is_an_environment_of_its_own(tmp_path: Path) -> None:
    axes = 'python: ["3.13", "3.13t", "3.14", "3.14t"], glibc: ["2.41"], arch: [x86_64], launcher: [plain]'
    plan = make_plan(project_of(tmp_path, axes), Request(profile="full")).plan
    made_of = {item.cell.id: item.made_of and item.made_of.version for item in plan.cells}
    assert made_of == {
        "hello/py3.13-glibc2.41-x86_64-plain": "3.13.5",
        "hello/py3.13t-glibc2.41-x86_64-plain": "3.13.5t",
        "hello/py3.14-glibc2.41-x86_64-plain": "3.14.3",
    }
    (without,) = plan.excluded
    assert without.reason.startswith("no source for CPython 3.14t for x86_64 in the catalogue")


@pytest.mark.parametrize("arch", ["x86_64", "arm64"])
@pytest.mark.parametrize(
    ("glibc", "python"), [("2.17", ""), ("2.31", "3.9"), ("2.36", "3.11"), ("2.43", "3.14")]
)
def test_a_flag_for_glibc_alone_finds_cells_in_the_default_profile(
    glibc: str, python: str, arch: str
) -> None:
    asked = Request(axes={"glibc": (glibc,), "arch": (arch,)})
    cells = [item.cell for item in make_plan(Project.load(ROOT), asked).plan.cells]
    assert len(cells) == 4
    portable = {"x86_64": "3.11", "arm64": "3.13"}[arch]
    assert {cell.python for cell in cells} == {python or portable}


def test_what_cannot_be_watched_is_a_skip_with_its_reason() -> None:
    project = Project.load(ROOT)
    axes = {"scenario": ("putenv-system",), "python": ("3.11",), "instrument": ("strace",)}
    narrow = 'change == "shrink" and launcher == "plain"'
    plan = make_plan(project, Request(profile="full", axes=axes, expression=narrow)).plan
    asked = {(item.cell.glibc, item.cell.arch) for item in plan.cells}
    assert asked == {("2.31", "x86_64"), ("2.36", "x86_64"), ("2.41", "x86_64"), ("2.43", "x86_64")}
    left_out = [item for item in plan.each_excluded() if is_the_story(item)]
    reasons = {(item.cell.glibc, item.cell.arch): item.reason for item in left_out}
    assert reasons["2.17", Arch.X86_64] == "instrument strace is installed on Debian's bases only"
    assert "qemu-user knows no ptrace" in reasons["2.36", Arch.ARM64]


def is_the_story(item: ExcludedCell) -> bool:
    """Whether the scenario itself asks for this cell's instrument."""
    axes = item.cell.axes
    wanted = {"execute": "system", "writer": "native", "mitigation": "none", "probe": "cpp"}
    return all(axes[axis] == value for axis, value in wanted.items())


def test_a_plan_that_is_read_back_names_its_cells_locks() -> None:
    terms = PlannedTerms(
        expectation=Expectation(kind=OutcomeKind.EXIT, status=0, because="it ends"),
        trials=1, timeout=1.0, image="k", lock="a" * 64, tools="b" * 64,
    )  # fmt: skip
    axes: dict[str, tuple[str, ...]] = {}
    for axis in STANDARD_AXES:
        axes[axis] = ("x86_64",) if axis == "arch" else ("x",)
    tables = CellTables.of([axes], [terms], [(0,) * 8])
    assert CellTables.model_validate_json(tables.model_dump_json()).planned_terms == (terms,)


def test_a_plan_says_what_its_scenarios_ask_and_no_others() -> None:
    plan = make_plan(Project.load(ROOT), Request(profile="smoke"), listing=True).plan
    (text,) = plan.scenarios
    assert (text.name, text.title[:20]) == ("tls-atexit", "Thread-local storage")
    assert text.question.endswith("?")
    whole = make_plan(Project.load(ROOT), Request(profile="stories"), listing=True).plan
    assert len(whole.scenarios) == 7
    assert all(item.title and item.question for item in whole.scenarios)


def plan_on(machine: str, monkeypatch: pytest.MonkeyPatch, asked: Request | None = None) -> Plan:
    """The listing of the full profile for arm64 as this machine would make it."""
    monkeypatch.setattr("platform.machine", lambda: machine)
    asked = replace(asked or Request(), profile="full", axes={"arch": ("arm64",)}, offline=True)
    return make_plan(Project.load(ROOT), asked, listing=True).plan


def ids(plan: Plan) -> set[str]:
    return {item.cell.id for item in plan.cells}


def test_native_and_emulated_machines_share_arm64_and_lose_no_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compiled on x86_64 only runs emulated there; the rest runs where it is native."""
    native = plan_on("aarch64", monkeypatch)
    emulated = plan_on("x86_64", monkeypatch)
    theirs = OtherPlan(file=Path("due-arm64.json"), cells=frozenset(ids(native)))
    rest = plan_on("x86_64", monkeypatch, Request(without=theirs))
    assert ids(native).isdisjoint(ids(rest))
    assert ids(native) | ids(rest) == ids(native) | ids(emulated)
    assert len(rest.cells) == len(emulated.cells) - len(ids(native) & ids(emulated)) > len(native.cells)
    assert rest.deselected - emulated.deselected == len(ids(native) & ids(emulated))
    assert {item.emulated for item in native.cells} == {False}
    assert {item.emulated for item in rest.cells} == {True}
    assert rest.selection == "--profile full --arch arm64 --except due-arm64.json"
    both = plan_on("x86_64", monkeypatch, Request(only=theirs))
    assert ids(both) == ids(native) & ids(emulated)


def test_a_plan_that_leaves_nothing_over_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    project = Project.load(ROOT)
    every = OtherPlan(file=Path("all.json"), cells=frozenset(ids(make_plan(project, Request()).plan)))
    with pytest.raises(InputError, match=r"all\.json.*--except: this plan has all of these cells"):
        make_plan(project, Request(without=every))
    with pytest.raises(InputError, match="--only: this plan has none of these cells"):
        make_plan(project, Request(only=OtherPlan(file=Path("x.json"), cells=frozenset())))
    assert not make_plan(project, Request(without=every, allow_empty=True)).plan.cells
