"""`nox -s workflows`: runs ci.yml and nightly.yml on this machine, two nights long, and a user's workflow."""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from rich.console import Console

from tests.chaos.table import Row, show, show_totals
from tests.workflows.ci import smoke
from tests.workflows.due import due
from tests.workflows.lab import Lab
from tests.workflows.story import nights
from tests.workflows.user import action

PARTS: Final[dict[str, Callable[[Lab], Iterator[Row]]]] = {
    "ci": smoke,
    "action": action,
    "due": due,
    "nights": nights,
}
SHORT: Final = ("action", "due")
"""For CI, whose other jobs are the rest of ci.yml."""


def main() -> int:
    """Exit code 1 where anything went otherwise than it must."""
    parser = argparse.ArgumentParser(prog="nox -s workflows --", description=__doc__)
    parser.add_argument("part", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--short", action="store_true", help=f"only {' and '.join(SHORT)}, as CI does")
    parser.add_argument("--act", type=Path, required=True, metavar="FILE", help="the program act")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="use this new folder, and keep it")
    arguments = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 240)
    with tempfile.TemporaryDirectory(prefix="cm-workflows-") as scratch:
        lab = Lab(folder=arguments.keep or Path(scratch), act=arguments.act)
        lab.folder.mkdir(exist_ok=True)
        lab.prepare()
        rows = [
            row
            for part in arguments.part or (SHORT if arguments.short else PARTS)
            for row in PARTS[part](lab)
        ]
    show(rows, console)
    for name, seconds in lab.seconds.items():
        console.print(f"{name} took {seconds:.0f} s", highlight=False)
    show_totals(rows, console)
    return int(not all(row.right for row in rows))


if __name__ == "__main__":
    sys.exit(main())
