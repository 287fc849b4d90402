"""The registers of unwound frames."""

from collections.abc import Sequence
from typing import Final

from orchestrator.binary.core.notes import ThreadState
from orchestrator.crash.stacks.elf.unwind import Step
from orchestrator.crash.stacks.elf.unwind_arch import UnwindArch
from orchestrator.crash.stacks.reading import Frame, near_frames

THREAD_WIDE: Final = ("fs_base", "gs_base")
"""Registers that have one value in all frames of a thread."""


def frame_registers(
    state: ThreadState, frames: Sequence[Frame], steps: Sequence[Step | None], machine: UnwindArch
) -> dict[int, dict[str, int]]:
    """The registers of the frames near a possible fault, by number; a tail call's has none."""
    # Unwinding does not restore these; the kernel stores them once for each thread.
    noted = {name: state.registers[name] for name in THREAD_WIDE if name in state.registers}
    return {
        number: noted | machine.named(step.registers)
        for number in near_frames(frames)
        if (step := steps[number]) is not None
    }
