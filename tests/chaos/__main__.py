"""`nox -s chaos`: what runs must survive, on an engine of the session's own; ends with a table.

`-- --short` is the form for CI. `-- PART...` runs some parts alone.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from rich.console import Console

from tests.chaos.crowds import crowds
from tests.chaos.deeds import deeds
from tests.chaos.full import full
from tests.chaos.journal import journal
from tests.chaos.kills import kills
from tests.chaos.lab import Lab, lab
from tests.chaos.restarts import restarts
from tests.chaos.table import Row, show, show_totals

Part = Callable[..., list[Row]]
PARTS: Final[dict[str, Part]] = {
    "deeds": deeds,
    "kills": kills,
    "crowds": crowds,
    "full": full,
    "journal": journal,
    "restarts": restarts,
}
"""In this order: the last one leaves the engine without its bridge."""


def main() -> int:
    """Run the parts; returns 1 if any case is wrong."""
    parser = argparse.ArgumentParser(prog="nox -s chaos --", description=__doc__)
    parser.add_argument("part", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--short", action="store_true", help="a few cases of each part")
    arguments = parser.parse_args()
    if unknown := set(arguments.part) - PARTS.keys():
        parser.error(f"no part is called {', '.join(sorted(unknown))}")
    console = Console(width=None if sys.stdout.isatty() else 220)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="cm-chaos-") as name, lab(Path(name)) as place:
        for part in arguments.part or PARTS:
            began = time.monotonic()
            found = _rows(part, place, short=arguments.short)
            show(found, console)
            console.print(f"{part} took {time.monotonic() - began:.0f} s\n", highlight=False)
            rows += found
    show_totals(rows, console)
    return int(not all(row.right for row in rows))


def _rows(part: str, place: Lab, *, short: bool) -> list[Row]:
    """The cases of a part. A part that cannot be carried out is one wrong case, and the others continue."""
    try:
        return PARTS[part](place, short=short)
    except Exception as error:  # noqa: BLE001 - whatever it is, the table has it
        said = f"{type(error).__name__}: {error}"
        return [Row(part=part, case="the part itself", expected="to its end", seen=said, right=False)]


if __name__ == "__main__":
    sys.exit(main())
