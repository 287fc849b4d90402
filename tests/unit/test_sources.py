"""Source lines of frames: of the project's own files, and of nothing else that a program may name."""

from pathlib import Path

import pytest

from orchestrator.model import Crash, NativeFrame, PythonFrame, Scenario, Thread
from orchestrator.model.code import CodeFile, UserCode
from orchestrator.pipeline.sources import LONGEST, MOST, Sources
from tests.unit import run_factory as factory


def scenario(folder: Path, code: UserCode | None = None) -> Scenario:
    return Scenario(
        name="story", title="", story="", folder=str(folder), driver="driver.py", timeout=9, trials=1,
        probes=(), code=code,
    )  # fmt: skip


def crash(*places: tuple[str, int], python: tuple[tuple[str, int], ...] = ()) -> Crash:
    native = tuple(NativeFrame(function="f", module="m", file=file, line=line) for file, line in places)
    frames = tuple(PythonFrame(function="g", file=file, line=line) for file, line in python)
    other = Thread(
        tid=9, crashed=False, native=(NativeFrame(function="h", module="m", file="cpp/a.cpp", line=5),)
    )
    thread = Thread(tid=1, crashed=True, native=native, python=frames)
    return factory.crash().model_copy(update={"threads": (thread, other), "excerpts": ()})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A scenario's folder in a project that has files beside it."""
    place = tmp_path / "scenarios/story"
    (place / "cpp").mkdir(parents=True)
    (place / ".git").mkdir()
    (place / "cpp/a.cpp").write_text("".join(f"line {number}\n" for number in range(1, 8)))
    (place / "driver.py").write_text(f"import a\n{'x' * 500}\nend\n")
    (place / "notes.txt").write_text("secret\n")
    (place / ".git/hook.py").write_text("secret\n")
    (tmp_path / "outside.py").write_text("secret\n")
    (place / "link.py").symlink_to(tmp_path / "outside.py")
    return place


def test_three_lines_of_a_probe_and_of_a_driver_by_the_names_that_frames_have(folder: Path) -> None:
    read = crash(
        ("cpp/a.cpp", 3),
        ("scenarios/story/cpp/a.cpp", 1),
        python=(("/opt/crashmatrix/scenario/driver.py", 3),),
    )
    first, top, driver = Sources(scenario=scenario(folder)).add(read).excerpts
    assert (first.first, first.lines) == (2, ("line 2", "line 3", "line 4"))
    assert (top.file, top.first, top.lines) == ("scenarios/story/cpp/a.cpp", 1, ("line 1", "line 2"))
    assert (driver.line, driver.lines) == (3, ("x" * LONGEST, "end"))


@pytest.mark.parametrize(
    "name",
    [
        "notes.txt", ".git/hook.py", "../../outside.py", "link.py", "/etc/hosts", "missing.py",
        "cpp/../../../outside.py",
        "/opt/crashmatrix/scenario/../../../outside.py", "driver.py\0", "cpp",
    ],
)  # fmt: skip
def test_a_name_leads_to_nothing_else(folder: Path, name: str) -> None:
    assert Sources(scenario=scenario(folder)).add(crash((name, 1))).excerpts == ()


def test_of_a_users_project_only_the_files_count_that_were_copied(tmp_path: Path) -> None:
    for name in ("app.py", "secret.py", "ext/src/ext.cpp"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{name}\n")
    code = UserCode(
        kind="script", file="app.py", source=str(tmp_path / "ext"),
        files=(CodeFile(path=str(tmp_path / "app.py"), name="app.py"),),
    )  # fmt: skip
    names = ("/work/project/app.py", "secret.py", "src/ext.cpp", "myext/src/ext.cpp")
    found = Sources(scenario=scenario(tmp_path, code)).add(crash(*((name, 1) for name in names))).excerpts
    assert [item.lines for item in found] == [("app.py",), ("ext/src/ext.cpp",), ("ext/src/ext.cpp",)]


def test_a_line_that_is_not_there_and_threads_that_did_not_crash_have_none(folder: Path) -> None:
    sources = Sources(scenario=scenario(folder))
    assert sources.add(crash(("cpp/a.cpp", 8))).excerpts == ()
    hang = crash(("cpp/a.cpp", 3)).model_copy(update={"hang": True})
    assert [item.line for item in sources.add(hang).excerpts] == [3, 5]


def test_a_deep_recursion_does_not_fill_the_result(folder: Path) -> None:
    (folder / "cpp/long.cpp").write_text("x\n" * 100)
    read = crash(*(("cpp/long.cpp", number) for number in range(1, 100)))
    assert len(Sources(scenario=scenario(folder)).add(read).excerpts) == MOST
