"""Packages of an index, and one that is built from its source, in real containers."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.model import CellResult, Verdict
from tests.integration.runs import Run, run
from tests.unit.index_server import IndexServer

HERE = ("--glibc", "2.36", "--python", "3.11", "--arch", "x86_64", "--profile", "full")
SETUP = """\
from setuptools import Extension, setup

setup(
    name="crashy", version="1.2", py_modules=["crashy"], install_requires=["markupsafe"],
    ext_modules=[Extension("_crashy", ["src/crashy.c"], include_dirs=["src"])],
)
"""
EXTENSION = """\
#include <Python.h>
#include "crashy.h"

int deref(int *p)
{
    return *p;
}

static PyObject *crash(PyObject *self, PyObject *args)
{
    return PyLong_FromLong(deref((int *)16));
}

static PyMethodDef methods[] = {{"crash", crash, METH_NOARGS, ""}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_crashy", NULL, -1, methods};

PyMODINIT_FUNC PyInit__crashy(void)
{
    return PyModule_Create(&module);
}
"""
CRASH = "import crashy\n\ncrashy.crash()\n"
CRASH_IN_WORK = """\
import ctypes, shutil
import _crashy

shutil.copy(_crashy.__file__, "/work/own.so")
ctypes.CDLL("/work/own.so").deref(16)
"""


def project(folder: Path, scenario: str, files: dict[str, str]) -> Path:
    """A user's project with one scenario."""
    (folder / "scenarios").mkdir(parents=True)
    (folder / "matrix.yaml").write_text("schema: 1\n")
    (folder / "scenarios" / "repro.yaml").write_text(f"schema: 1\nscript: repro.py\n{scenario}")
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def only(ended: Run) -> CellResult:
    (result,) = ended.results.values()
    return result


def test_wheels_of_the_index_are_installed_and_named(tmp_path: Path) -> None:
    script = "import greenlet, markupsafe._speedups as native, sys\nprint(native.__file__, sys.prefix)\n"
    asked = "requires: [greenlet]\npackages: {markupsafe: ['3.0.1', '3.0.2']}\n"
    folder = project(tmp_path / "project", asked, {"repro.py": script})
    ended = run(*HERE, "--launcher", "plain", reports=tmp_path / "reports", project=folder)
    assert ended.code == 0, ended.stdout + ended.stderr
    versions = {result.packages["markupsafe"]: result for result in ended.results.values()}
    assert set(versions) == {"3.0.1", "3.0.2"}
    for version, result in versions.items():
        assert result.judgement.verdict is Verdict.PASS
        lock = (ended.folder / "locks" / f"{result.lock}.txt").read_text()
        assert f"markupsafe=={version} --hash=sha256:" in lock
        (trial,) = result.trials
        said = (ended.folder / trial.outcome.stdout).read_text()
        assert "/opt/crashmatrix/venv/lib/python3.11/site-packages/markupsafe/_speedups.cpython-311" in said
        assert said.split()[-1] == "/opt/crashmatrix/venv"
    (ended.folder / "cells" / versions["3.0.1"].cell.id / "result.json").unlink()
    again = run("--resume", reports=tmp_path / "reports", project=folder)
    assert again.code == 0, again.stdout + again.stderr
    assert {result.lock for result in again.results.values()} == {item.lock for item in versions.values()}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[IndexServer]:
    with IndexServer(tmp_path / "index") as server:
        yield server


def test_no_package_runs_in_the_supervisor_and_no_secret_leaves_the_host(
    served: IndexServer, tmp_path: Path
) -> None:
    told = {
        "spy.pth": "import sys; print('a .pth ran in', sys.argv, flush=True)\n",
        "sitecustomize.py": "print('custom')\n",
    }
    served.add_wheel("spy", "1.0", "py3-none-any", files=told)
    folder = project(tmp_path / "project", "requires: [spy]\n", {"repro.py": "import spy\nprint('end')\n"})
    env = {"UV_DEFAULT_INDEX": served.address(credentials=True), "UV_CACHE_DIR": str(tmp_path / "uv")}
    ended = run(*HERE, "--launcher", "plain", reports=tmp_path / "reports", project=folder, env=env)
    assert ended.code == 0, ended.stdout + ended.stderr
    result = only(ended)
    said = (ended.folder / result.trials[0].outcome.stdout).read_text()
    # CPython reads the .pth files of a virtual environment twice.
    *lines, end = said.splitlines()
    assert end == "end"
    assert lines
    assert all("repro.py" in line and "supervisor" not in line for line in lines), lines
    assert served.secret not in ended.stdout + ended.stderr
    files = [path for path in ended.folder.rglob("*") if path.is_file()]
    assert not [path for path in files if served.secret.encode() in path.read_bytes()]
    for command in (
        f"docker history --no-trunc {result.image_id}",
        f"docker inspect {result.image_id}",
        f"docker run --rm --network none {result.image_id} grep -rl {served.secret} /opt/crashmatrix",
    ):
        done = subprocess.run(command.split(), capture_output=True, text=True, check=False)
        assert not done.stderr
        assert served.secret not in done.stdout
        assert done.returncode == (1 if "grep" in command else 0)


def test_a_package_of_the_user_s_own_is_built_and_its_crash_is_named_wherever_it_lies(tmp_path: Path) -> None:
    files = {
        "setup.py": SETUP,
        "src/crashy.c": EXTENSION,
        "src/crashy.h": "int deref(int *p);\n",
        "crashy.py": "from _crashy import crash\n",
    }
    folder = project(tmp_path / "project", "source: .\n", {**files, "repro.py": CRASH})
    lacking = run(*HERE, "--launcher", "plain", reports=tmp_path / "lacking", project=folder)
    assert lacking.code == 3
    assert "error: the built package also requires markupsafe; name this under `requires:`" in lacking.stdout
    scenario = folder / "scenarios" / "repro.yaml"
    scenario.write_text(scenario.read_text() + "requires: [markupsafe]\n")
    for script, place in (
        (CRASH, "/opt/crashmatrix/venv/lib/python3.11/site-packages/_crashy.cpython-311-x86_64-linux-gnu.so"),
        (CRASH_IN_WORK, "/work/own.so"),
    ):
        (folder / "repro.py").write_text(script)
        reports = tmp_path / Path(place).name
        result = only(run(*HERE, "--launcher", "plain", reports=reports, project=folder))
        crash = result.trials[0].crash
        assert crash is not None
        top = crash.threads[0].native[0]
        assert (top.function, top.module, top.file, top.line) == ("deref", place, "src/crashy.c", 6)


FREE_THREADED = """\
import sys, sysconfig
import markupsafe._speedups as native
import crashy

print(native.__file__, sysconfig.get_config_var("Py_GIL_DISABLED"), flush=True)
crashy.crash()
"""


@pytest.mark.slow
def test_a_free_threaded_interpreter_has_its_own_wheels_and_its_crash_is_named(tmp_path: Path) -> None:
    """The portable 3.13.5t is compiled first, about 5 minutes on two idle cores."""
    files = {"repro.py": FREE_THREADED, "mine/setup.py": SETUP, "mine/src/crashy.c": EXTENSION}
    files |= {"mine/crashy.py": "from _crashy import crash\n", "mine/src/crashy.h": ""}
    asked = "source: mine\nrequires: [markupsafe==3.0.2]\nfiles: [repro.py]\n"
    folder = project(tmp_path / "project", asked, files)
    here = ("--glibc", "2.36", "--python", "3.13t", "--profile", "full", "--launcher", "plain")
    result = only(run(*here, reports=tmp_path / "reports", project=folder))
    (trial,) = result.trials
    said = next(tmp_path.glob(f"reports/*/{trial.outcome.stdout}")).read_text()
    assert "markupsafe/_speedups.cpython-313t-x86_64-linux-gnu.so 1" in said
    assert trial.crash
    assert trial.crash.crashed_thread
    frame = trial.crash.crashed_thread.native[0]
    assert (frame.function, frame.file, frame.line) == ("deref", "src/crashy.c", 6)
    assert any(item.function == "crash" for item in trial.crash.crashed_thread.native)
    assert trial.outcome.versions["python"].startswith("3.13.5")


@pytest.mark.parametrize("kept", ["", "files: [run]\n"])
def test_a_script_beside_the_package_that_it_imports_finds_its_compiled_modules(
    tmp_path: Path, kept: str
) -> None:
    """Python finds the folder of the sources first, in which no module is compiled; unless it is left out."""
    setup = SETUP.replace('py_modules=["crashy"], install_requires=["markupsafe"]', 'packages=["crashy"]')
    files = {
        "setup.py": setup.replace('"_crashy"', '"crashy._crashy"'),
        "src/crashy.c": EXTENSION,
        "src/crashy.h": "int deref(int *p);\n",
        "crashy/__init__.py": "from crashy._crashy import crash\n",
        "run/data": "",
        "repro.py": CRASH,
    }
    folder = project(tmp_path / "project", f"source: .\n{kept}", files)
    result = only(run(*HERE, "--launcher", "plain", reports=tmp_path / "reports", project=folder))
    crash = result.trials[0].crash
    assert crash is not None, result.judgement
    top = crash.threads[0].native[0]
    place = "/opt/crashmatrix/venv/lib/python3.11/site-packages" if kept else "/work/project"
    module = f"{place}/crashy/_crashy.cpython-311-x86_64-linux-gnu.so"
    assert (top.function, top.module, top.file, top.line) == ("deref", module, "src/crashy.c", 6)
    assert next(item.file for item in crash.excerpts) == "src/crashy.c"


def test_a_compiler_s_error_is_said_once_an_image_and_other_cells_go_on(tmp_path: Path) -> None:
    files = {"setup.py": SETUP, "src/crashy.c": EXTENSION.replace("return *p", "retrun *p"),
             "src/crashy.h": "int deref(int *p);\n", "crashy.py": "", "repro.py": ""}  # fmt: skip
    folder = project(tmp_path / "project", "source: .\nrequires: [markupsafe]\n", files)
    (folder / "other.py").write_text("print('fine')\n")
    (folder / "scenarios" / "other.yaml").write_text("schema: 1\nscript: other.py\n")
    ended = run(*HERE, "--launcher", "plain,uwsgi", reports=tmp_path / "reports", project=folder)
    assert ended.code == 3
    said = "src/crashy.c:6:5: error: "
    # Once as the image fails, and once more under the cause at the end.
    building, _, ending = ended.stdout.partition("\nPASS ")
    assert building.count(said) == 1, ended.stdout
    assert ending.count(f"| {said}") == 1, ended.stdout
    results = {result.cell.scenario: result.judgement for result in ended.results.values()}
    assert results["other"].verdict is Verdict.PASS
    assert results["repro"].verdict is Verdict.ERROR
    assert said in results["repro"].reason
    assert "build.log" in results["repro"].reason
    assert "\n" not in results["repro"].reason
    (log,) = ended.folder.glob("images/source-*/build.log")
    assert said in log.read_text()


def test_what_no_environment_has_is_said_before_anything_is_built(tmp_path: Path) -> None:
    for requirement, said in (
        ("markupsafe==3.0.99", "there is no markupsafe ==3.0.99; there are"),
        ("no-such-package-of-anyone", "there is no package 'no-such-package-of-anyone' on "),
        (
            "grpcio==1.30.0",
            "grpcio 1.30.0 has wheels for cp27, cp35 to cp38 on manylinux2010 x86_64; none for",
        ),
    ):
        folder = project(tmp_path / requirement, f"requires: ['{requirement}']\n", {"repro.py": ""})
        ended = run(*HERE, reports=tmp_path / requirement / "reports", project=folder)
        assert ended.code == 2, ended.stdout + ended.stderr
        assert said in ended.stderr.replace("\n", " ")
        assert not list((tmp_path / requirement).glob("reports/*"))


def test_an_environment_without_a_wheel_is_excluded_with_what_there_is(tmp_path: Path) -> None:
    folder = project(tmp_path / "project", "requires: ['grpcio==1.70.0']\n", {"repro.py": ""})
    ended = run("--list", "--json", "--python", "3.11,3.14", "--glibc", "2.36,2.43", "--arch", "x86_64",
                "--launcher", "plain", reports=tmp_path / "reports", project=folder)  # fmt: skip
    plan = json.loads(ended.stdout)
    reasons = {item["reason"] for item in plan["excluded"] if item["axes"]["python"] == ["3.14"]}
    assert reasons == {
        "grpcio 1.70.0 has wheels for cp38 to cp313 on manylinux_2_17 x86_64; none for CPython 3.14 "
        "(--build-missing compiles it)"
    }
