"""The program that doctor's trial runs."""

import os
import subprocess
from pathlib import Path

import pytest

from orchestrator.binary.elf.headers import parse_file_header, parse_segments
from orchestrator.host import trial
from orchestrator.model import MATRIX_ARCHES, Arch


@pytest.mark.parametrize("arch", MATRIX_ARCHES)
def test_it_is_a_program_of_its_architecture(tmp_path: Path, arch: Arch) -> None:
    path = tmp_path / "true"
    path.write_bytes(trial.program(arch))
    path.chmod(0o755)
    header = parse_file_header(path.read_bytes())
    assert header is not None
    (segment,) = parse_segments(path.read_bytes(), header)
    assert segment.stored == path.stat().st_size
    if arch is Arch.from_machine(os.uname().machine):
        assert subprocess.run([path], check=False).returncode == 0
