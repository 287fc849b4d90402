"""Bisections in real containers: versions of an index that crash at times, and commits of a package in C."""

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.model import Bisection, BisectionFinding
from tests.integration.runs import ROOT, command
from tests.integration.test_packages import EXTENSION, SETUP, project
from tests.unit.index_server import IndexServer
from tests.unit.test_bisect_axes import git

HERE = ("--glibc", "2.36", "--python", "3.11", "--arch", "x86_64", "--launcher", "plain")
RACE = "import os\nif os.urandom(1)[0] < 160:\n    os.abort()\n"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A bisection that ended."""

    code: int
    said: str
    folder: Path

    @property
    def bisection(self) -> Bisection:
        """What it wrote into its run's folder."""
        return Bisection.model_validate_json((self.folder / "bisection.json").read_text())


WEAK = """\
import ctypes

copy = ctypes.CFUNCTYPE(ctypes.c_size_t, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t)
dlsym = ctypes.CDLL(None).dlsym
dlsym.restype, dlsym.argtypes = ctypes.c_void_p, (ctypes.c_void_p, ctypes.c_char_p)
copy(dlsym(None, b"strlcpy") or 0)(ctypes.create_string_buffer(9), b"text", 9)
"""
"""A function that glibc has since 2.38, called without looking whether it is there."""
LATE = """\
import ctypes

call = ctypes.cast(ctypes.pythonapi.PyErr_SetInterrupt, ctypes.c_void_p)
ctypes.CDLL(None).on_exit(call, None)
"""
"""PyErr_SetInterrupt after finalization, which CPython 3.10 to 3.12 do not survive."""


def bisect(
    folder: Path, *arguments: str, env: dict[str, str] | None = None, where: Sequence[str] = HERE
) -> Asked:
    line = command("bisect", "repro", "--along", *arguments, *where, project=folder)
    done = subprocess.run(
        line, cwd=ROOT, env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False
    )
    said = done.stdout + done.stderr
    found = sorted(folder.glob("reports/*/plan.json"))
    assert found, said
    return Asked(code=done.returncode, said=said, folder=found[-1].parent)


def test_the_version_from_which_a_package_crashes_at_times_is_found(tmp_path: Path) -> None:
    with IndexServer(tmp_path / "index") as served:
        for minor in range(8):
            code = RACE if minor >= 5 else ""
            served.add_wheel("racy", f"1.{minor}", "py3-none-any", files={"racy/__init__.py": code})
        env = {"UV_DEFAULT_INDEX": served.address(credentials=True), "UV_CACHE_DIR": str(tmp_path / "uv")}
        folder = project(
            tmp_path / "project", "packages: {racy: ['1.0', '1.7']}\n", {"repro.py": "import racy\n"}
        )
        asked = bisect(folder, "racy", env=env)
        assert asked.code == 0, asked.said
        found = asked.bisection
        assert found.finding is BisectionFinding.FLIP
        assert [(flip.before, flip.after) for flip in found.flips] == [("1.4", "1.5")], asked.said
        assert found.subject == "SIGABRT"
        assert len(found.tested) <= 6
        assert found.confidence is not None
        assert found.confidence > 0.9
        assert found.sentence in asked.said
        # It is a run as any other: its rest is excluded with a reason, and its rule says the same.
        plan = json.loads((asked.folder / "plan.json").read_text())
        assert sum(len(item["axes"]["racy"]) for item in plan["excluded"]) == 8 - len(found.tested)
        rules = json.loads((asked.folder / "explanations.json").read_text())["explanations"]
        assert any('racy >= "1.5"' in item["sentence"] for item in rules), rules
        assert (asked.folder / "index.html").is_file()


def test_the_commit_from_which_a_package_of_c_crashes_is_found_and_named(tmp_path: Path) -> None:
    setup = SETUP.replace(', install_requires=["markupsafe"]', "")
    folder = project(
        tmp_path / "project",
        "source: .\nfiles: []\n",
        {
            "setup.py": setup,
            "src/crashy.c": EXTENSION.replace("return *p", "return 7"),
            "src/crashy.h": "int deref(int *p);\n",
            "crashy.py": "from _crashy import crash\n",
            "repro.py": "import crashy\n\ncrashy.crash()\n",
        },
    )
    git(folder, "init", "--initial-branch", "main")
    for number in range(6):
        (folder / "NEWS").write_text(f"{number}\n")
        if number == 2:
            (folder / "src" / "crashy.c").write_text("does not compile\n")
        if number == 3:
            (folder / "src" / "crashy.c").write_text(EXTENSION)
        git(folder, "add", ".")
        git(folder, "commit", "-m", f"Change {number}")
    asked = bisect(folder, "commits", "HEAD~5..HEAD")
    assert asked.code == 0, asked.said
    found = asked.bisection
    (flip,) = found.flips
    assert [value.partition("+")[0] for value in (flip.before, *flip.between, flip.after)] == ["1", "2", "3"]
    assert f"{flip.before} is 'Change 1'; {flip.after} is 'Change 3'." in found.notes
    assert len(found.tested) <= 5
    assert any(
        note.startswith(f"{flip.between[0]} tells nothing: ") and "error" in note for note in found.notes
    )
    crashed = next(item for item in found.tested if item.value == flip.after)
    result = json.loads((asked.folder / "cells" / crashed.cell / "result.json").read_text())
    assert result["trials"][0]["crash"]["crash"]["function"] == "deref"
    assert "bisect repro --along commits" in result["repeat"]
    assert not (folder / ".crashmatrix" / "commits").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("axis", "values", "where", "script", "flip"),
    [
        ("glibc", "2.31,2.36,2.41,2.43", ("--python", "3.12"), WEAK, ("2.36", "2.41")),
        ("python", "3.10,3.12,3.14,3.15", ("--glibc", "2.43"), LATE, ("3.12", "3.14")),
    ],
)
def test_the_c_library_and_the_python_from_which_a_script_no_longer_crashes_are_found(
    tmp_path: Path, *, axis: str, values: str, where: Sequence[str], script: str, flip: tuple[str, str]
) -> None:
    folder = project(tmp_path / "project", "", {"repro.py": script})
    asked = bisect(folder, axis, values, where=(*where, "--arch", "x86_64", "--launcher", "plain"))
    assert asked.code == 0, asked.said
    found = asked.bisection
    assert found.finding is BisectionFinding.FLIP
    assert [(item.before, item.after) for item in found.flips] == [flip], asked.said
    assert found.subject == "SIGSEGV"
    assert len(found.tested) <= 5
    assert found.sentence in asked.said
