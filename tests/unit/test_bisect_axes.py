"""Which values a bisection asks along an axis of the matrix, of an index, of git; and where it asks them."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.errors import InputError
from orchestrator.matrix import Request
from orchestrator.pipeline.along import Along
from orchestrator.pipeline.along_find import clear, find_along, prepare
from orchestrator.pipeline.planning import make_plan
from orchestrator.pipeline.projects import Project
from tests.unit.index_server import IndexServer
from tests.unit.test_locking import project

TAGS = ("cp39-cp39-manylinux_2_17_x86_64", "cp311-cp311-manylinux_2_17_x86_64")


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[IndexServer]:
    with IndexServer(tmp_path / "index") as server:
        for version in ("1.0", "1.1", "1.2", "1.3", "1.10", "2.0rc1"):
            server.add_wheel("native", version, TAGS[1])
        server.add_wheel("native", "0.9", TAGS[0])
        server.add_wheel("web", "1.0", "py3-none-any", requires=("native",))
        for name in ("builder", "pip", "wheel"):
            server.add_wheel(name, "1.0", "py3-none-any")
        server.add_wheel("setuptools", "90.0", "py3-none-any")
        monkeypatch.setenv("UV_DEFAULT_INDEX", server.address(credentials=True))
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
        monkeypatch.setenv("CRASHMATRIX_CACHE", str(tmp_path / "cache"))
        yield server


def along(folder: Path, axis: str, text: str | None = None, request: Request | None = None) -> Along:
    return find_along(Project.load(folder), request or Request(), "repro", axis, text)


@pytest.mark.usefixtures("served")
def test_releases_lie_between_the_versions_that_the_scenario_lists(tmp_path: Path) -> None:
    folder = project(tmp_path / "project", "packages: {native: ['1.10', '1.1']}\n")
    found = along(folder, "native")
    assert found.values == ("1.1", "1.2", "1.3", "1.10")
    assert not found.skipped
    assert found.environment == "py3.11-glibc2.36-x86_64-plain"
    planned = make_plan(found.project, Request(cells=frozenset({found.cell("1.3").id})))
    (cell,) = planned.plan.cells
    assert cell.cell.id == "repro/py3.11-glibc2.36-x86_64-plain+native=1.3"
    (lock,) = planned.locks.values()
    assert lock.pins == {"native": "1.3"}
    assert "native" in planned.plan.ordered


def test_a_release_without_a_wheel_is_asked_where_it_may_be_compiled(
    served: IndexServer, tmp_path: Path
) -> None:
    served.add_sdist("native", "0.9", files={})
    folder = project(tmp_path / "project", "packages: {native: ['0.9', '1.1']}\n")
    request = Request(axes={"python": ("3.11",)})
    assert "0.9" in along(folder, "native", request=request).skipped
    found = along(folder, "native", request=Request(axes=request.axes, build_missing=True))
    assert (found.values, found.skipped) == (("0.9", "1.0", "1.1"), {})


@pytest.mark.usefixtures("served")
def test_a_range_or_a_list_says_which_releases_and_pre_releases_must_be_listed(tmp_path: Path) -> None:
    folder = project(tmp_path / "project", "packages: {native: ['1.1']}\n")
    assert along(folder, "native").values == ("0.9", "1.0", "1.1", "1.2", "1.3", "1.10")
    assert along(folder, "native", "1.2..").values == ("1.2", "1.3", "1.10")
    assert along(folder, "native", "..1.0").values == ("0.9", "1.0")
    assert along(folder, "native", "1.3,1.0,1.10").values == ("1.0", "1.3", "1.10")
    assert along(folder, "native", "0.9..1.1").skipped == {
        "0.9": "native 0.9 has wheels for cp39 on manylinux_2_17 x86_64; none for CPython 3.11"
    }
    for text, said in (
        ("2..3", "no native lies in 2..3"),
        ("1.4", "there is no native '1.4'"),
        ("main..", "names no native"),
        ("", "names no native"),
    ):
        with pytest.raises(InputError, match=said):
            along(folder, "native", text)


@pytest.mark.usefixtures("served")
def test_a_package_that_another_requires_can_be_asked_and_one_that_is_not_installed_cannot(
    tmp_path: Path,
) -> None:
    folder = project(tmp_path / "project", "requires: ['web', 'native>=1.1']\n")
    found = along(folder, "Native", "1.0..1.2")
    planned = make_plan(found.project, Request(cells=frozenset({found.cell("1.0").id})))
    assert next(iter(planned.locks.values())).pins == {"native": "1.0", "web": "1.0"}
    with pytest.raises(InputError, match=r"neither requires builder nor installs it; known: native, web"):
        along(folder, "builder")


@pytest.mark.usefixtures("served")
def test_offline_only_what_the_scenario_lists_can_be_asked(tmp_path: Path) -> None:
    folder = project(tmp_path / "project", "packages: {native: ['1.0', '1.2']}\n")
    assert along(folder, "native", request=Request(offline=True)).values == ("1.0", "1.2")


def test_python_and_glibc_are_asked_where_most_of_their_values_are(tmp_path: Path) -> None:
    folder = project(tmp_path / "project", "")
    found = along(folder, "python", request=Request(axes={"glibc": ("2.43",)}))
    assert found.values[0] == "3.9"
    assert found.environment == "glibc2.43-x86_64-plain"
    assert found.cell("3.12").id == "repro/py3.12-glibc2.43-x86_64-plain"
    glibc = along(folder, "glibc", "2.31..2.41", Request(axes={"python": ("3.11",)}))
    assert glibc.values == ("2.31", "2.34", "2.35", "2.36", "2.39", "2.41")
    assert glibc.environment == "py3.11-x86_64-plain"


@pytest.mark.parametrize(
    ("axis", "text", "said"),
    [
        ("launcher", None, "launcher has no order, its values are names; axes that have one: python, glibc"),
        ("no such", None, "repro has no axis 'no such'"),
        ("commits", "HEAD~1..HEAD", "has no `source:`"),
        ("python", "3.9..3.x", "names no python"),
        ("python", "4.0..", "no python lies in"),
    ],
)
def test_an_axis_that_cannot_be_asked_is_a_mistake(
    tmp_path: Path, axis: str, text: str | None, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        along(project(tmp_path / "project", ""), axis, text)


def test_a_scenario_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean 'repro'"):
        find_along(Project.load(project(tmp_path / "p", "")), Request(), "repo", "python", None)


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=Nobody", "-c", "user.email=nobody@example.com", "-c", "commit.gpgsign=false")
    line = ["/usr/bin/git", *who, *arguments]
    return subprocess.run(line, cwd=folder, check=True, capture_output=True, text=True).stdout


def repository(folder: Path, states: int) -> Path:
    """A repository whose package says in each commit which one it is."""
    project(folder, "source: .\nrequires: [native]\nfiles: []\n")
    git(folder, "init", "--initial-branch", "main")
    (folder / ".gitattributes").write_text("tests export-ignore\n")
    (folder / "tests").mkdir()
    for number in range(states):
        (folder / "state.txt").write_text(f"{number}\n")
        (folder / "tests" / "case.txt").write_text(f"{number}\n")
        git(folder, "add", ".")
        git(folder, "commit", "-m", f"State {number}")
    return folder


@pytest.mark.usefixtures("served")
def test_commits_are_values_whose_files_are_those_of_a_checkout(tmp_path: Path) -> None:
    folder = repository(tmp_path / "project", 5)
    (folder / "state.txt").write_text("not committed\n")
    found = along(folder, "commits", "HEAD~3..HEAD", Request(axes={"python": ("3.11",)}))
    assert [value.partition("+")[0] for value in found.values] == ["0", "1", "2", "3"]
    assert [found.titles[value] for value in found.values] == [f"State {number}" for number in range(1, 5)]
    keys = []
    for value, number in zip(found.values, range(1, 5), strict=True):
        prepare(found, value)
        assert found.states is not None
        assert (found.states / value / "state.txt").read_text() == f"{number}\n"
        assert (found.states / value / "tests" / "case.txt").read_text() == f"{number}\n"
        planned = make_plan(found.project, Request(cells=frozenset({found.cell(value).id})))
        keys.append(planned.plan.cells[0].image)
        assert "commit" in planned.plan.ordered
    assert len(set(keys)) == 4
    clear(found)
    assert not (folder / ".crashmatrix" / "commits").exists()
    assert git(folder, "status", "--porcelain").split("\n")[0] == " M state.txt"


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "a range is missing; write --along commits GOOD..BAD"),
        ("..HEAD", "a range is missing"),
        ("no-such..HEAD", "there is no commit 'no-such'"),
        ("--all..HEAD", "there is no commit '--all'"),
        ("HEAD..HEAD~2", "HEAD is no ancestor of HEAD~2"),
    ],
)
def test_a_range_of_no_commits_is_a_mistake(tmp_path: Path, text: str | None, said: str) -> None:
    folder = repository(tmp_path / "project", 3)
    with pytest.raises(InputError, match=said):
        along(folder, "commits", text)


@pytest.mark.usefixtures("served")
def test_a_source_in_no_repository_has_no_commits(tmp_path: Path) -> None:
    folder = project(tmp_path / "project", "source: .\n")
    with pytest.raises(InputError, match="no git repository has the folder"):
        along(folder, "commits", "a..b")
