"""Which lines of gdb's stderr limit the evidence.

gdb writes about everything that it finds unusual. A line matters where names, frames or the registers that
they are computed from may be wrong or missing. Every other line costs nothing, and a reader of warnings
must not see it: "Can't open file /dev/zero (deleted)" for a core that is read in a sysroot, or the size of
a register set that neither gdb's unwinder nor this program reads. That size depends on the processor and
the kernel that wrote the core: on a processor with AMX, gdb 13.1 finds each thread's NT_X86_XSTATE note
larger than it knows, and reads the stacks all the same (gdb/corelow.c, get_core_register_section).
"""

import re
from typing import Final

MAX_COMPLAINTS: Final = 20
_MATTERS: Final = (
    "Could not load shared library", "may not match", "wrong library", "do not match", "mismatch",
    "truncated",
)  # fmt: skip
_REGISTERS: Final = re.compile(
    r"(?:Unexpected size of section|Section) `(?P<section>\.reg[^/']*)(?:/\d+)?' in core file"
    r"|Couldn't find (?P<name>.+) registers in core file"
)
_UNWOUND: Final = frozenset({".reg", "general-purpose", ".reg-aarch-pauth", "pauth"})
"""The register sets that stacks are computed from, by section and by gdb's own name: the general-purpose
registers, and arm64's masks of pointer authentication, without which a return address cannot be read."""


def complaints_in(stderr: str) -> tuple[str, ...]:
    """The lines that say that names, frames or registers may be wrong or missing; each once, at most 20."""
    lines = (line.strip().removeprefix("warning: ") for line in stderr.splitlines())
    return tuple(dict.fromkeys(line for line in lines if _matters(line)))[:MAX_COMPLAINTS]


def _matters(line: str) -> bool:
    if registers := _REGISTERS.match(line):
        return (registers["section"] or registers["name"]) in _UNWOUND
    return any(part in line for part in _MATTERS)
