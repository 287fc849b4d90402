"""Packages without a wheel: built from their source distributions where that is asked for."""

import io
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import HostError, InputError
from orchestrator.images import COMPILED
from orchestrator.matrix import Request
from orchestrator.model import LockedWheel, PackageLock
from orchestrator.packages.sdist import read_sdist, write_stand_in
from orchestrator.pipeline.plan_again import plan_again
from orchestrator.pipeline.planning import PlannedRun, make_plan
from orchestrator.pipeline.projects import Project
from orchestrator.rundir import RunFolder
from tests.unit.index_server import IndexServer, script_project, use_alone

WHEEL = "cp39-cp39-manylinux_2_17_x86_64"
BUILD = '[build-system]\nrequires = ["builder"]\n'


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[IndexServer]:
    with IndexServer(tmp_path / "index") as server:
        for name in ("builder", "pip", "setuptools", "wheel", "helper"):
            server.add_wheel(name, "90.0", "py3-none-any")
        server.add_wheel("native", "1.0", WHEEL)
        server.add_sdist(
            "native",
            "1.0",
            files={"pyproject.toml": BUILD, "native.egg-info/requires.txt": "helper>=2\n\n[x]\nnot-there\n"},
        )
        use_alone(server, tmp_path, monkeypatch)
        yield server


def planned(
    folder: Path, *, build: bool = True, glibc: tuple[str, ...] = ("2.31", "2.36"), lock: Path | None = None
) -> PlannedRun:
    axes = {"arch": ("x86_64",), "glibc": glibc, "launcher": ("plain",), "python": ("3.9", "3.11")}
    request = Request(axes=axes, profile="full", build_missing=build, lock=lock)
    return make_plan(Project.load(folder), request)


def written(found: PlannedRun, path: Path) -> RunFolder:
    path.mkdir()
    run = RunFolder(path)
    run.write_plan(found.plan)
    run.write_locks(found.locks.values())
    return RunFolder(path)


def built(found: PlannedRun) -> dict[str, tuple[str, ...]]:
    return {f"{item.cell.python} {item.cell.glibc}": item.built for item in found.plan.cells}


def test_a_package_is_built_where_it_has_no_wheel_and_nowhere_else(
    served: IndexServer, tmp_path: Path
) -> None:
    folder = script_project(tmp_path / "project", "requires: [native]\n")
    found = planned(folder)
    sdist = ("native-1.0.tar.gz",)
    assert built(found) == {"3.9 2.31": (), "3.9 2.36": (), "3.11 2.31": sdist, "3.11 2.36": sdist}
    cell = found.plan.cells[-1]
    assert cell.lock
    lock = found.locks[cell.lock]
    # Its own requirements are resolved with the rest, and what builds it has a lock of its own.
    assert lock.pins == {"helper": "90.0", "native": "1.0"}
    (entry,) = lock.sdists
    assert entry.tools
    assert found.locks[entry.tools.digest].pins == {"builder": "90.0", "pip": "90.0"}
    assert f"built by {entry.tools.digest}" in lock.text
    assert served.secret not in lock.text
    by_role = {spec.role: spec for spec in found.specs}
    image = by_role["sdist-native-1-0-bookworm"]
    assert image.offline
    assert (entry.filename, entry.sha256) in [(item.name, item.sha256) for item in image.files]
    assert COMPILED in image.text
    assert "with-native-1-0-bookworm" in by_role


def test_without_the_flag_the_reason_names_it(served: IndexServer, tmp_path: Path) -> None:
    folder = script_project(tmp_path / "project", "requires: [native]\n")
    said = {item.reason for item in planned(folder, build=False).plan.excluded}
    assert (
        "native 1.0 has wheels for cp39 on manylinux_2_17 x86_64; none for CPython 3.11 "
        "(--build-missing compiles it)" in said
    )
    served.add_wheel("old", "1.0", WHEEL)
    served.add_sdist("old", "1.0", files={}, requires_python="<3.10")
    other = script_project(tmp_path / "other", "requires: [old]\n")
    reasons = {item.reason for item in planned(other).plan.excluded}
    assert "old 1.0 has wheels for cp39 on manylinux_2_17 x86_64; none for CPython 3.11" in reasons


def test_a_requirement_of_a_requirement_is_built_too(served: IndexServer, tmp_path: Path) -> None:
    served.add_wheel("app", "1.0", "py3-none-any", requires=["native<2", "zipped"])
    served.add_sdist("zipped", "3.0", files={"setup.py": ""}, suffix="zip")
    folder = script_project(tmp_path / "project", "requires: [app]\n")
    found = built(planned(folder, glibc=("2.36",)))
    assert found == {
        "3.9 2.36": ("zipped-3.0.zip",),
        "3.11 2.36": ("native-1.0.tar.gz", "zipped-3.0.zip"),
    }


def test_the_locks_of_a_run_build_it_again_with_or_without_the_flag(
    served: IndexServer, tmp_path: Path
) -> None:
    folder = script_project(tmp_path / "project", "requires: [native]\n")
    first = planned(folder, glibc=("2.36",))
    run = written(first, tmp_path / "run")
    served.add_wheel("native", "2.0", "py3-none-any")
    again = planned(folder, glibc=("2.36",), lock=run.path, build=False)
    assert [item.image for item in again.plan.cells] == [item.image for item in first.plan.cells]
    assert plan_again(Project.load(folder), run).locks == first.locks
    for path in (tmp_path / "cache" / "sdists").rglob("*.gz"):
        path.write_bytes(b"damaged")  # fetched again
    assert plan_again(Project.load(folder), run).locks == first.locks
    (tmp_path / "index" / "files" / "native-1.0.tar.gz").write_bytes(b"another")
    for path in (tmp_path / "cache" / "sdists").rglob("*.gz"):
        path.unlink()
    with pytest.raises(HostError, match="has sha256"):
        plan_again(Project.load(folder), run)


def test_where_there_is_no_compiler_or_nothing_to_build_with_the_cell_is_excluded(
    served: IndexServer, tmp_path: Path
) -> None:
    folder = script_project(tmp_path / "project", "requires: [native]\n")
    out = planned(folder, glibc=("2.17", "2.36")).plan.excluded
    assert any(
        item.reason.startswith("native 1.0 has no wheel here, and sysroot-2.17 brings no compiler")
        for item in out
    )
    served.add_sdist("loop", "1.0", files={"pyproject.toml": "[build-system]\nrequires = ['loop']\n"})
    served.add_sdist("bad", "1.0", files={"pyproject.toml": "[build-system\n"})
    for name, said in {
        "loop": "what builds loop 1.0 is not there: loop 1.0 has no wheels, only a source distribution",
        "bad": "bad cannot be built: bad-1.0.tar.gz/pyproject.toml:1:14: not valid TOML",
    }.items():
        with pytest.raises(InputError) as caught:
            planned(script_project(tmp_path / name, f"requires: [{name}]\n"), glibc=("2.36",))
        assert said in str(caught.value)


def test_requirements_of_old_and_new_metadata_are_read(tmp_path: Path) -> None:
    def sdist(**files: str) -> Path:
        path = tmp_path / "a-1.tar.gz"
        with tarfile.open(path, "w:gz") as tar:
            for name, text in files.items():
                info = tarfile.TarInfo(f"a-1/{name.replace('__', '/').replace('_', '.')}")
                info.size = len(text)
                tar.addfile(info, io.BytesIO(text.encode()))
        return path

    new = "Metadata-Version: 2.2\nName: a\nProvides-Extra: x\nRequires-Dist: b>1\nRequires-Dist: ???\n"
    said = read_sdist(sdist(**{"PKG-INFO": new}))
    assert (said.requires, said.extras) == (("b>1",), ("x",))
    assert "setuptools>=40.8.0" in said.project.builds
    old = 'b\n\n[:python_version < "3"]\nc\n\n[x:os_name == "posix"]\nd>2\n'
    said = read_sdist(sdist(src__a_egg="", **{"src__a.egg-info__requires_txt": old}))
    assert said.requires == (
        "b",
        'c ; (python_version < "3")',
        'd>2 ; (os_name == "posix") and extra == "x"',
    )
    said = read_sdist(sdist(pyproject_toml=f"{BUILD}[project]\ndependencies = ['e']\n"))
    assert (said.requires, said.project.builds) == (("e",), ("builder", "pip"))


@given(st.binary(max_size=400), st.sampled_from(["a-1.tar.gz", "a-1.zip", "a-1.tar.bz2", "a-1.tar"]))
def test_no_file_breaks_the_reader_of_source_distributions(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, name: str
) -> None:
    path = tmp_path_factory.mktemp("sdist") / name
    path.write_bytes(content)
    with suppress(InputError):
        write_stand_in(path.parent, "a", "1", read_sdist(path))


def test_a_lock_with_what_builds_it_is_its_own_text() -> None:
    tools = PackageLock(wheels=(LockedWheel(name="b", version="2", filename="b.whl", sha256="0" * 64),))
    entry = LockedWheel(name="a", version="1", filename="a-1.tar.gz", sha256="1" * 64, tools=tools)
    lock = PackageLock(wheels=(entry,))
    assert PackageLock.parse(lock.text, {tools.digest: tools}.__getitem__) == lock
    with pytest.raises(ValueError, match="built itself"):
        PackageLock.parse(lock.text)
    assert lock.ready == ()
