"""The disk of a machine: Debian's packages, a user with sudo, a checkout, and a script that the boot runs."""

import shutil
from pathlib import Path
from typing import Final

from orchestrator.adapters import process
from tests.hosts.machine import BROUGHT, HINT, HOME, NAME, RESULTS, Machine

SIZE: Final = 40 << 30
"""Bytes; the file is sparse."""
PACKAGES: Final = (
    *("systemd-sysv", "systemd-resolved", "dbus", "udev", "kmod", "iproute2", "procps", "sudo"),
    *("ca-certificates", "git", "python3", "python3-pip"),
)
"""What the README asks for (git, Python, pip), and what makes a root filesystem a machine with a network."""
ESSENTIAL: Final = ("?essential", "?priority(required)")
CONFIGURE: Final = """\
root=$1 arch=$2
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
echo $arch >$root/var/lib/dpkg/arch  # for this host's dpkg, to which it is foreign
dpkg --root=$root --force-depends --force-unsafe-io --unpack $root/var/cache/apt/archives/*.deb
rm $root/var/lib/dpkg/arch
# All modules in an initrd are minutes of emulated shell; this machine needs one.
mkdir -p $root/etc/initramfs-tools/conf.d
echo MODULES=list >$root/etc/initramfs-tools/conf.d/machine
echo virtio_blk >$root/usr/share/initramfs-tools/modules.d/machine
printf '#!/bin/sh\\nexit 101\\n' >$root/usr/sbin/policy-rc.d  # start nothing
chmod +x $root/usr/sbin/policy-rc.d
mount --bind /proc $root/proc
trap 'umount $root/proc' EXIT
chroot $root dpkg --force-unsafe-io --configure -a
rm $root/usr/sbin/policy-rc.d
"""
AUTHORITIES: Final = Path("/usr/local/share/ca-certificates")
PIP: Final = Path("/etc/pip.conf")
NETWORK: Final = "[Match]\nName=en* eth*\n[Network]\nDHCP=yes\n"
SERVICE: Final = f"""\
[Unit]
Wants=network-online.target
After=network-online.target
SuccessAction=poweroff
FailureAction=poweroff
[Service]
Type=oneshot
ExecStart=/bin/sh {RESULTS}/script
StandardOutput=journal+console
StandardError=journal+console
[Install]
WantedBy=multi-user.target
"""


def make(machine: Machine, checkout: Path, script: str, brought: Path, folder: Path) -> None:
    """Write the disk, the kernel and its initrd into a folder; `brought` is a folder that it has as it is."""
    root = folder / "root"
    _install(machine, root)
    _configure(root, script)
    shutil.copytree(brought, root / BROUGHT[1:])
    _run("git", "clone", "--quiet", str(checkout), f"{root}{HOME}/crashmatrix")
    _run("chroot", str(root), "chown", "-R", f"{NAME}:{NAME}", HOME)
    for name in ("vmlinuz", "initrd.img"):
        shutil.copyfile(root / name, folder / name)
    with (folder / "disk").open("wb") as file:
        file.truncate(SIZE)
    _run("mke2fs", "-q", "-F", "-t", "ext4", "-d", str(root), str(folder / "disk"))
    shutil.rmtree(root)


def _install(machine: Machine, root: Path) -> None:
    if machine.is_foreign:
        _unpack(machine, root)
        return
    line = ["mmdebstrap", "--variant=important", f"--architectures={machine.arch}"]
    if machine.fetched:
        fetch = "apt-get --yes --download-only --no-install-recommends install"
        hook = f'APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" {fetch} {" ".join(machine.fetched)}'
        line += [f"--customize-hook={hook}", "--skip=cleanup/apt"]
    _run(*line, f"--include={_included(machine)}", "--skip=check/qemu", machine.suite, str(root))


def _included(machine: Machine) -> str:
    return ",".join((machine.kernel, *PACKAGES, *machine.packages))


def _unpack(machine: Machine, root: Path) -> None:
    """Install another architecture's packages: this host's dpkg unpacks, and only scripts are emulated.

    The files are there before the scripts run (`extract`), so that the order of the packages does not matter.
    """
    line = ["mmdebstrap", "--variant=extract", f"--architectures={machine.arch}"]
    line += ["--skip=cleanup/apt,check/qemu"]
    line += [f"--include={pattern}" for pattern in ESSENTIAL]
    _run(*line, f"--include={_included(machine)}", machine.suite, str(root))
    _run("sh", "-ec", CONFIGURE, "sh", str(root), machine.arch)


def _configure(root: Path, script: str) -> None:
    """A user with sudo, a network, the authorities that this host trusts, and the script as a service."""

    def write(name: str, text: str) -> None:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    write("etc/systemd/network/proof.network", NETWORK)
    write("etc/systemd/system/proof.service", SERVICE)
    write("etc/sudoers.d/proof", f"{NAME} ALL=(ALL) NOPASSWD: ALL\n")
    write(f"{RESULTS[1:]}/script", script)
    write("etc/hostname", "proof\n")
    write("etc/hosts", "127.0.0.1 localhost proof\n")
    write("etc/fstab", "/dev/vda / ext4 defaults 0 1\n")
    for authority in AUTHORITIES.glob("*.crt"):
        shutil.copy(authority, root / str(AUTHORITIES)[1:])
    if PIP.exists():
        shutil.copy(PIP, root / str(PIP)[1:])
    for command in (
        ("useradd", "--create-home", "--shell", "/bin/bash", NAME),
        ("update-ca-certificates",),
        ("systemctl", "enable", "systemd-networkd", "systemd-resolved", "proof.service"),
        ("systemctl", "set-default", "multi-user.target"),
    ):
        _run("chroot", str(root), *command)


def _run(*line: str) -> None:
    process.run(line, hint=HINT)
