"""Steps by which the kernel runs programs of another architecture."""

from collections.abc import Iterator
from typing import Final

from orchestrator.host.facts import Facts, HostPaths
from orchestrator.host.record import BinfmtEntry, MountEntry
from orchestrator.host.steps import Command, Goal, Step

EMULATOR: Final = "qemu-user-static"
BINFMT_NAME: Final = "crashmatrix-arm64"
BINFMT_MAGIC: Final = r"\x7fELF\x02\x01\x01" + r"\x00" * 9 + r"\x02\x00\xb7\x00"
BINFMT_MASK: Final = r"\xff" * 7 + r"\x00" + r"\xff" * 8 + r"\xfe\xff\xff\xff"
"""The first bytes of an arm64 program (qemu's scripts/qemu-binfmt-conf.sh). The mask accepts any OS ABI, and
position-independent programs."""
BINFMT_FLAGS: Final = "PF"
"""P: the program keeps the argv[0] that it was called by. F: the emulator works in every root."""


def emulation_steps(facts: Facts, paths: HostPaths) -> Iterator[Step]:
    """Steps by which arm64 programs run in any container; none where they run already, as on an arm64 host.

    The line is our own, not the package's: who registers that one, and with which flags, differs by
    distribution and needs systemd or binfmt-support.
    """
    if facts.arm64.works:
        return
    if not facts.arm64.mounted:
        yield Step(
            goal=Goal.BINFMT,
            change=f"mount binfmt_misc at {paths.binfmt}",
            undone="it is unmounted",
            commands=(Command(args=("mount", "-t", "binfmt_misc", "binfmt_misc", str(paths.binfmt))),),
            entries=(MountEntry(path=str(paths.binfmt)),),
            optional=True,
        )
    emulator = facts.found.get(EMULATOR, "/usr/bin/qemu-aarch64-static")
    line = f":{BINFMT_NAME}:M::{BINFMT_MAGIC}:{BINFMT_MASK}:{emulator}:{BINFMT_FLAGS}"
    yield Step(
        goal=Goal.ARM64,
        change="have the kernel run arm64 programs through qemu-user, in containers too (any user may then)",
        undone="the handler is taken out of binfmt_misc",
        commands=(Command(args=("tee", str(paths.binfmt / "register")), stdin=line),),
        entries=(BinfmtEntry(name=BINFMT_NAME),),
        optional=True,
    )
