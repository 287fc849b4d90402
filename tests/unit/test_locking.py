"""The packages of a plan's cells: excluded with a reason, locked, and the same locks used again."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.errors import HostError, InputError
from orchestrator.matrix import Request
from orchestrator.pipeline.plan_again import plan_again
from orchestrator.pipeline.planning import PlannedRun, make_plan
from orchestrator.pipeline.projects import Project
from orchestrator.rundir import RunFolder
from tests.unit.index_server import IndexServer, script_project, use_alone

TAG = "cp311-cp311-manylinux_2_17_x86_64"
CHOSEN = {"arch": ("x86_64",), "glibc": ("2.36",), "launcher": ("plain",)}
PYPROJECT = """\
[build-system]
requires = ["builder"]
[project]
name = "mine"
dependencies = ["native"]
"""


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[IndexServer]:
    with IndexServer(tmp_path / "index") as server:
        for version in ("1.0", "1.1"):
            server.add_wheel("native", version, TAG)
        for name in ("builder", "pip"):
            server.add_wheel(name, "1.0", "py3-none-any")
        use_alone(server, tmp_path, monkeypatch)
        yield server


def project(folder: Path, scenario: str) -> Path:
    script_project(folder, scenario)
    (folder / "pyproject.toml").write_text(PYPROJECT)
    return folder


def planned(folder: Path, *pythons: str, lock: Path | None = None) -> PlannedRun:
    request = Request(profile="full", axes={**CHOSEN, "python": pythons}, lock=lock)
    return make_plan(Project.load(folder), request)


def pins(planned: PlannedRun) -> dict[str, dict[str, str]]:
    return {item.cell.id: planned.locks[item.lock].pins if item.lock else {} for item in planned.plan.cells}


def written(planned: PlannedRun, folder: Path) -> RunFolder:
    run = RunFolder(folder)
    run.write_locks(planned.locks.values())
    run.write_plan(planned.plan)
    return RunFolder(folder)


def test_versions_are_an_axis_and_latest_is_the_one_of_that_day(served: IndexServer, tmp_path: Path) -> None:
    folder = project(tmp_path / "project", "packages: {native: ['1.0', latest]}\n")
    found = pins(planned(folder, "3.11"))
    assert found == {
        f"repro/py3.11-glibc2.36-x86_64-plain+native={version}": {"native": version}
        for version in ("1.0", "1.1")
    }
    served.add_wheel("native", "1.2", TAG)
    assert {item["native"] for item in pins(planned(folder, "3.11")).values()} == {"1.0", "1.2"}


@pytest.mark.usefixtures("served")
def test_a_cell_without_a_wheel_is_excluded_and_where_none_is_left_it_is_a_mistake(tmp_path: Path) -> None:
    folder = project(tmp_path / "project", "requires: ['native==1.0']\n")
    plan = planned(folder, "3.11", "3.9").plan
    assert [item.cell.python for item in plan.cells] == ["3.11"]
    reason = "native 1.0 has wheels for cp311 on manylinux_2_17 x86_64; none for CPython 3.9"
    (item,) = [item for item in plan.excluded if item.reason == reason]
    assert item.axes["python"] == ("3.9",)
    assert [(lacking.axis, lacking.value) for lacking in plan.unavailable] == [("python", "3.9")]
    with pytest.raises(InputError, match=r"native 1\.0 has wheels for cp311"):
        planned(folder, "3.9")


def test_the_locks_of_a_run_are_used_again(
    served: IndexServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project(tmp_path / "project", "requires: [native]\nsource: .\n")
    first = planned(folder, "3.11")
    run = written(first, tmp_path / "run")
    assert {lock.pins["native"] for lock in first.locks.values() if "native" in lock.pins} == {"1.1"}
    assert [(item.lock is None, item.tools is None) for item in run.plan.cells] == [(False, False)]
    served.add_wheel("native", "2.0", TAG)
    served.add_wheel("builder", "2.0", "py3-none-any")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "another"))
    newer = planned(folder, "3.11")
    assert newer.plan.cells[0].image != first.plan.cells[0].image
    again = planned(folder, "3.11", lock=run.path)
    assert [(item.lock, item.tools, item.image) for item in again.plan.cells] == [
        (item.lock, item.tools, item.image) for item in first.plan.cells
    ]
    resumed = plan_again(Project.load(folder), run)
    assert {spec.key for spec in resumed.specs} == {spec.key for spec in first.specs}
    assert resumed.locks == first.locks
    with pytest.raises(InputError, match="--lock has no packages of this cell"):
        planned(folder, "3.13", lock=run.path)


@pytest.mark.usefixtures("served")
def test_one_lock_serves_the_cells_that_it_fits(tmp_path: Path) -> None:
    folder = project(tmp_path / "project", "requires: [native]\n")
    run = written(planned(folder, "3.11"), tmp_path / "run")
    (file,) = (run.path / "locks").iterdir()
    plan = planned(folder, "3.11", "3.13", lock=file).plan
    assert [item.lock for item in plan.cells] == [file.stem]
    assert [item.reason for item in plan.excluded if item.axes["python"] == ("3.13",)] == [
        f"--lock: native-1.1-{TAG}.whl is for cp311 on manylinux_2_17 x86_64, not for CPython 3.13"
    ]
    file.write_text("native==1.1\n")
    with pytest.raises(InputError, match="no lock that a run wrote"):
        planned(folder, "3.11", lock=file)


@pytest.mark.usefixtures("served")
def test_what_builds_a_source_is_resolved_too_and_its_build_has_no_network(tmp_path: Path) -> None:
    folder = project(tmp_path / "project", "source: .\n")
    found = planned(folder, "3.11")
    (cell,) = found.plan.cells
    assert cell.lock
    assert cell.tools
    assert found.locks[cell.lock].pins == {"native": "1.1"}
    assert found.locks[cell.tools].pins == {"builder": "1.0", "pip": "1.0"}
    by_role = {spec.role: spec for spec in found.specs}
    assert by_role["source-bookworm"].offline
    assert not by_role["compiler-bookworm"].offline
    names = {item.name for item in by_role["source-bookworm"].files}
    assert {"src/pyproject.toml", "src/repro.py"} <= names
    assert not [name for name in names if name.startswith(("src/scenarios", "src/matrix"))]


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[build-system\n", "not valid TOML"),
        ("[build-system]\nrequires = 'x'\n", "`build-system.requires` is not a list"),
        ("[project]\ndependencies = ['a b']\n", "is no requirement"),
        ("project = 1\n", "`project` is not a table"),
        (
            "[build-system]\nrequires = ['not-there']\n",
            "there is no package 'not-there'",
        ),
    ],
)
def test_a_mistake_in_a_package_s_own_files_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    folder = project(tmp_path / "project", "source: .\n")
    (folder / "pyproject.toml").write_text(text)
    with pytest.raises(InputError) as caught:
        planned(folder, "3.11")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("served")
def test_a_base_without_a_compiler_builds_nothing(tmp_path: Path) -> None:
    folder = project(tmp_path / "project", "source: .\n")
    request = Request(profile="full", axes={**CHOSEN, "glibc": ("2.17",), "python": ("3.11",)})
    with pytest.raises(InputError, match=r"sysroot-2\.17 brings no compiler to build a package"):
        make_plan(Project.load(folder), request)


MISSING = "there is no package 'not-there' on "


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize(
    ("scenario", "said"),
    [
        ("requires: [native, not-there]\n", f"scenarios/repro.yaml:3:20: {MISSING}"),
        ("requires: [native, 'native==9']\n", "scenarios/repro.yaml:3:20: there is no native ==9; "),
        ("requires: needs.txt\n", f"needs.txt:3:1: {MISSING}"),
        ("requires: [-r more/needs.txt]\n", f"more/needs.txt:3:1: {MISSING}"),
        ('packages: {native: ["1.0", "9"]}\n', "scenarios/repro.yaml:3:28: there is no native ==9"),
        ("packages:\n  not.there: [latest]\n", f"scenarios/repro.yaml:4:15: {MISSING}"),
        ("source: .\n", f"pyproject.toml:5:17: {MISSING}"),
    ],
)
def test_a_requirement_that_no_index_has_is_said_with_its_place(
    tmp_path: Path, scenario: str, said: str
) -> None:
    folder = project(tmp_path / "project", scenario)
    (folder / "more").mkdir()
    for name in ("needs.txt", "more/needs.txt"):
        (folder / name).write_text("# comment\nnative\nnot-there >= 1\n")
    (folder / "pyproject.toml").write_text(PYPROJECT.replace('"native"', '"not-there"'))
    with pytest.raises(InputError) as caught:
        planned(folder, "3.11")
    assert str(caught.value).replace(f"{folder}/", "").startswith(said)


@pytest.mark.parametrize("how", ["stopped", "broken"])
@pytest.mark.parametrize(
    ("scenario", "place"),
    [
        ("requires: [native]\n", "3:12"),
        ("requires: [a, native]\n", "3:15"),
        ("packages:\n  native: [latest]\n", "4:12"),
    ],
)
def test_an_index_that_fails_is_said_with_the_requirement_that_was_asked_for(
    served: IndexServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    how: str,
    scenario: str,
    place: str,
) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    served.add_wheel("a", "1.0", "py3-none-any")
    folder = project(tmp_path / "project", scenario)
    if how == "stopped":
        served.stop()
        place = place.replace("15", "12")  # `a` is asked for first
    else:
        served.broken.add("native")
    with pytest.raises(HostError) as caught:
        planned(folder, "3.11")
    assert str(caught.value).replace(f"{folder}/", "").startswith(f"scenarios/repro.yaml:{place}: ")
    assert served.secret not in str(caught.value)
