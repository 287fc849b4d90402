"""A machine: what Debian is on it, and its boot in qemu, which runs a script as a service and powers off."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orchestrator.adapters import process

NAME: Final = "maintainer"
"""The user, who is not root and has sudo."""
HOME: Final = f"/home/{NAME}"
RESULTS: Final = "/var/lib/proof"
"""Where the script leaves what it found."""
BROUGHT: Final = "/srv/brought"
"""What the disk holds from the start that a user's machine would fetch or build: images."""
MEMORY: Final = 4 << 10
"""MiB."""
CPUINFO: Final = Path("/proc/cpuinfo")
HINT: Final = (
    "run as root; apt-get install mmdebstrap debian-archive-keyring qemu-system-x86 qemu-system-arm e2fsprogs"
)
TIMEOUT: Final = 3 * 3600
"""Seconds until a machine that does not power off is given up."""
_VIRTUAL: Final = re.compile(r"^flags\t.* (vmx|svm)\b", re.MULTILINE)
_MACHINES: Final = {"amd64": "x86_64", "arm64": "aarch64"}


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A suite of Debian for an architecture, with packages beside those that every Debian has."""

    suite: str
    arch: str = "amd64"
    """dpkg's name of the architecture."""
    packages: tuple[str, ...] = ()
    fetched: tuple[str, ...] = ()
    """Packages that apt finds in its cache and does not have to download; they are not installed."""

    @property
    def kernel(self) -> str:
        """The package of the kernel."""
        return f"linux-image-cloud-{self.arch}"

    @property
    def console(self) -> str:
        """The kernel's name of the serial line."""
        return "ttyS0" if self.arch == "amd64" else "ttyAMA0"

    @property
    def is_foreign(self) -> bool:
        """Whether it has another architecture than this host."""
        return os.uname().machine != _MACHINES[self.arch]

    @property
    def by_kvm(self) -> bool:
        """Whether KVM runs this machine: the architecture is this host's, and the processor is able to.

        On x86 /dev/kvm alone says too little. A host may be a guest of KVM's software mode (module kvm_pvm):
        its processor has neither vmx nor svm, and Debian's kernel ends in its first instructions there
        ("KVM internal error", measured), since that mode runs kernels that are built for it alone.
        """
        if self.is_foreign or not os.access("/dev/kvm", os.W_OK):
            return False
        text = CPUINFO.read_text(encoding="ascii", errors="replace")
        return self.arch == "arm64" or _VIRTUAL.search(text) is not None

    @property
    def program(self) -> tuple[str, ...]:
        """qemu with the machine and its processor.

        Emulated, the processor is the oldest that wheels of today run on (x86-64-v2): wide vectors are slow
        to emulate. The emulator's cache of translated code holds a whole run.
        """
        emulated = ("-accel", "tcg,thread=multi,tb-size=1024")
        if self.arch == "arm64":
            speed = ("-accel", "kvm", "-cpu", "host") if self.by_kvm else (*emulated, "-cpu", "cortex-a57")
            return ("qemu-system-aarch64", "-machine", "virt", *speed)
        speed = ("-accel", "kvm", "-cpu", "host") if self.by_kvm else (*emulated, "-cpu", "Nehalem")
        return ("qemu-system-x86_64", "-machine", "q35", *speed)


def command(machine: Machine, folder: Path, log: Path) -> tuple[str, ...]:
    """The command that boots the disk of a folder; its console goes to a file."""
    words = ["root=/dev/vda", "rw", f"console={machine.console}", "systemd.show_status=0", "quiet"]
    if not machine.by_kvm:
        words.append("mitigations=off")  # they cost an emulated processor much, and it has no leaks
    return (
        *machine.program,
        *("-m", str(MEMORY), "-smp", str(os.cpu_count() or 1), "-no-reboot", "-display", "none"),
        *("-kernel", str(folder / "vmlinuz"), "-initrd", str(folder / "initrd.img")),
        *("-append", " ".join(words)),
        *("-drive", f"file={folder / 'disk'},format=raw,if=virtio,cache=unsafe"),
        *("-nic", "user,model=virtio-net-pci", "-device", "virtio-rng-pci"),
        *("-serial", f"file:{log}", "-monitor", "none"),
    )


def boot(machine: Machine, folder: Path, log: Path) -> int:
    """Boot a machine until it powers off. Returns qemu's exit status."""
    return process.run(command(machine, folder, log), check=False, timeout=TIMEOUT, hint=HINT).status


def results(folder: Path) -> Path:
    """What the script left, copied out of the disk of a machine that is off."""
    place = folder / "results"
    place.mkdir()
    process.run(["debugfs", "-R", f"rdump {RESULTS} {place}", str(folder / "disk")], hint=HINT)
    return place / Path(RESULTS).name
