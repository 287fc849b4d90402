"""Adding a backend takes three files, as docs/design.md says: one is added to a copy of the program."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

CORES = Path(__file__).parents[1] / "data/cores"
PROGRAM = Path(__file__).parents[2] / "orchestrator"
DUMMY = """\
from orchestrator.crash.stacks.reading import Frame, Reading, ThreadReading


def read_stacks(path, core, root):
    frames = (Frame(pc=core.threads[0].pc, function="invented", exact=True),)
    thread = ThreadReading(tid=core.threads[0].tid, crashed=True, frames=frames)
    return Reading(backend="dummy", version="7", threads=(thread,))


def goes_first(core):
    return False
"""


def insert(file: Path, before: str, line: str) -> None:
    """Insert a line before the one that begins with a text."""
    lines = file.read_text().splitlines(keepends=True)
    (place,) = (number for number, text in enumerate(lines) if text.startswith(before))
    lines.insert(place, line)
    file.write_text("".join(lines))


def test_a_backend_is_a_module_a_line_in_the_registry_and_a_name(tmp_path: Path) -> None:
    copy, root = tmp_path / "orchestrator", tmp_path / "root"
    shutil.copytree(PROGRAM, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "crash/stacks/dummy.py").write_text(DUMMY)
    insert(
        copy / "crash/stacks/registry.py", "STACK_BACKENDS", "from orchestrator.crash.stacks import dummy\n"
    )
    insert(copy / "crash/stacks/registry.py", '    "elf": elf_backend', '    "dummy": dummy,\n')
    names = copy / "names.py"
    names.write_text(names.read_text().replace('"elf", ', '"elf", "dummy", ', 1))
    (root / "faults").mkdir(parents=True)
    shutil.copy(CORES / "tiny", root / "faults/tiny")

    place = (str(CORES / "tiny.core.zst"), "--sysroot", str(root))
    command = [sys.executable, "-m", "orchestrator", "analyze", *place]
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [*command, "--backend", "dummy", "--json"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    crash = json.loads(done.stdout)
    assert crash["sources"]["native"] == "dummy"
    assert crash["backends"] == {"gdb": None, "elf": None, "dummy": "7", "pystack": None}
    assert crash["crash"]["function"] == "invented"
    assert crash["signature"].endswith(" invented")
