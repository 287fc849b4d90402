"""Cells at once do not take more memory than the machine has."""

import pytest

from orchestrator.matrix.expectations import DEFAULT
from orchestrator.model import Arch, Cell, PlannedCell
from orchestrator.model.memory import GIB
from orchestrator.pipeline.jobs import jobs_in_memory


@pytest.mark.parametrize(
    ("asked", "limits", "memory", "jobs", "said"),
    [
        (4, [GIB, GIB], 24 * GIB, 4, ""),
        (4, [GIB, 8 * GIB], 24 * GIB, 3, "a cell may take 8 GiB, and the machine has 24 GiB"),
        (2, [32 * GIB], 24 * GIB, 1, "the kernel may end a process before it reaches its limit"),
        (16, [], 8 * GIB, 8, "a cell may take 1 GiB"),
        (4, [32 * GIB], 0, 4, ""),
    ],
)
def test_jobs_times_memory_fits_into_the_machine(
    asked: int, limits: list[int], memory: int, jobs: int, said: str
) -> None:
    lines: list[str] = []
    cell = Cell(
        scenario="repro", python="3.11", glibc="2.36", arch=Arch.X86_64, launcher="plain", probe="none"
    )
    cells = [
        PlannedCell(cell=cell, expectation=DEFAULT.expectation, trials=1, timeout=1, image="", memory=limit)
        for limit in limits
    ]
    assert jobs_in_memory(asked, cells, memory, lines.append) == jobs
    assert [said in line for line in lines] == ([True] if said else [])
