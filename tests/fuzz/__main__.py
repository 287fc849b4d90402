"""`nox -s fuzz`: read many mutated cores, on all processors, and say what came of them.

An input that goes wrong is named by its seed: `-- --first SEED --inputs 1` reads it again.
"""

import argparse
import os
import resource
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Final

from tests.fuzz.reading import fuzz

BATCH: Final = 500
MAX_MEMORY: Final = 256
"""MB that a reading process may have used at its most."""


def main() -> int:
    """Exit code 1 where an input went wrong, or took more memory than it may."""
    parser = argparse.ArgumentParser(prog="nox -s fuzz --", description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000, help="how many (default: %(default)s)")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="the first one (default: 0)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: all)")
    arguments = parser.parse_args()
    begin = time.monotonic()
    outcomes, wrong = run(arguments.first, arguments.inputs, arguments.jobs)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10
    counts = ", ".join(f"{number} {name}" for name, number in sorted(outcomes.items()))
    say(f"{outcomes.total()} inputs in {time.monotonic() - begin:.0f} s: {counts}; peak memory {peak} MB")
    for line in wrong:
        say(line)
    if peak > MAX_MEMORY:
        say(f"more memory than the {MAX_MEMORY} MB that a reading may take")
    return int(bool(wrong) or peak > MAX_MEMORY)


def run(first: int, count: int, jobs: int) -> tuple[Counter[str], list[str]]:
    """All outcomes, and what went wrong."""
    outcomes: Counter[str] = Counter()
    wrong: list[str] = []
    end = first + count
    with ProcessPoolExecutor(jobs) as pool:
        batches = [pool.submit(fuzz, seed, min(BATCH, end - seed)) for seed in range(first, end, BATCH)]
        for batch in as_completed(batches):
            error = batch.exception()
            if error is None:
                outcomes += batch.result()
            else:
                wrong.append(str(error))
    return outcomes, wrong


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
