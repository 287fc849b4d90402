"""`nox -s hosts -- NAME...`: whole machines and newer engines, used as a user uses them; prints a table.

trixie and arm64 are machines, booted in qemu; docker, containerd and podman are engines of Debian's newest
suite on this host. Needs root, mmdebstrap, qemu-system-x86 or -arm, and 15 GB of disk in /var/tmp. A machine
takes a quarter of an hour with KVM, hours without.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from rich.console import Console

from tests.chaos.table import Row, show, show_totals
from tests.hosts import disk, engines, images, machine
from tests.hosts.proofs import PROOFS, rows, script_of

ROOT: Final = Path(__file__).resolve().parents[2]


def main() -> int:
    """Exit code 1 where a step did not show what it must."""
    parser = argparse.ArgumentParser(prog="nox -s hosts --", description=__doc__)
    names = (*PROOFS, *engines.KINDS)
    parser.add_argument("name", nargs="+", choices=names, metavar="NAME", help=f"of {', '.join(names)}")
    parser.add_argument("--keep", type=Path, default=Path("build/hosts"), help="where logs go (build/hosts)")
    arguments = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 220)
    found: list[Row] = []
    for name in arguments.name:
        keep = arguments.keep.absolute() / name
        shutil.rmtree(keep, ignore_errors=True)
        keep.mkdir(parents=True)
        with tempfile.TemporaryDirectory(prefix="cm-hosts-", dir="/var/tmp") as place:
            found += (_machine if name in PROOFS else _engine)(name, Path(place), keep)
    show(found, console)
    show_totals(found, console)
    return int(not all(row.right for row in found))


def _machine(name: str, folder: Path, keep: Path) -> list[Row]:
    proof = PROOFS[name]
    brought = images.save(proof.tags(), folder / "brought")
    disk.make(proof.machine, ROOT, script_of(proof), folder / "brought", folder)
    status = machine.boot(proof.machine, folder, keep / "console.log")
    shutil.copytree(machine.results(folder), keep, dirs_exist_ok=True)
    speed = "KVM" if proof.machine.by_kvm else "emulated"
    return [
        Row(part=name, case="images brought", expected="", seen=" ".join(brought), right=True),
        Row(part=name, case=f"boot to power off, {speed}", expected="0", seen=str(status), right=status == 0),
        *rows(proof, name, keep),
    ]


def _engine(name: str, folder: Path, keep: Path) -> list[Row]:
    engines.make_tree(folder / "tree")
    return engines.prove(name, folder / "tree", folder / "engine", keep)


if __name__ == "__main__":
    sys.exit(main())
