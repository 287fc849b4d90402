"""`nox -s inverted -- RUN...`: judge every cell of a run by each inversion of its expectation.

An inversion that does not fail shows a part of an expectation that asserts nothing. Nothing is run: the
results and outputs in the run's folder are judged again.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

from orchestrator.model import CellResult, Verdict
from tests.inverted.inversions import inversions, passing


def main() -> int:
    """Exit code 1 where some inversion does not fail, or where no cell was judged."""
    parser = argparse.ArgumentParser(prog="nox -s inverted --", description=__doc__)
    parser.add_argument("run", nargs="+", type=Path, help="a run's folder under reports/")
    inverted: Counter[str] = Counter()
    idle: list[str] = []
    rules: set[str | None] = set()
    cells = 0
    for folder in parser.parse_args().run:
        for path in sorted(folder.glob("cells/**/result.json")):
            result = CellResult.model_validate_json(path.read_text(encoding="utf-8"))
            if result.judgement.verdict is not Verdict.PASS:
                continue
            cells += 1
            rules.add(result.expectation.where)
            inverted.update(name.partition(" ")[0] for name, _ in inversions(result.expectation))
            idle += [f"{result.cell.id}: {name}" for name in passing(folder, result)]
    parts = ", ".join(f"{number} of {name}" for name, number in sorted(inverted.items()))
    sys.stdout.write(f"{cells} cells under {len(rules)} rules, {inverted.total()} inversions ({parts}): ")
    sys.stdout.write(
        f"{inverted.total() - len(idle)} fail\n" + "".join(f"does not fail: {line}\n" for line in idle)
    )
    return int(bool(idle) or not cells)


if __name__ == "__main__":
    sys.exit(main())
