"""`nox -s fuzz`: read many mutated cores, debug files or run folders, and count the outcomes.

`-- debug` reads debug files, `-- folders` run folders. An input that goes wrong is named by its seed:
`-- --first SEED --inputs 1` reads it again.
"""

import argparse
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Final

from tests.fuzz.alarm import limit_memory
from tests.fuzz.debug import fuzz_debug
from tests.fuzz.folders import fuzz_folders
from tests.fuzz.reading import fuzz


@dataclass(frozen=True, kw_only=True)
class Form:
    """What is fuzzed, how many inputs by default and a batch, and the MB that a process may take."""

    fuzz: Callable[[int, int], Counter[str]]
    inputs: int
    batch: int
    memory: int


FORMS: Final = {
    "cores": Form(fuzz=fuzz, inputs=100_000, batch=500, memory=256),
    "debug": Form(fuzz=fuzz_debug, inputs=20_000, batch=100, memory=512),
    "folders": Form(fuzz=fuzz_folders, inputs=10_000, batch=50, memory=512),
}


def main() -> int:
    """Exit code 1 where an input went wrong, or took more memory than it may."""
    parser = argparse.ArgumentParser(prog="nox -s fuzz --", description=__doc__)
    parser.add_argument("form", nargs="?", choices=FORMS, default="cores", help="default: %(default)s")
    parser.add_argument(
        "--inputs", type=int, help="how many (default: 100,000 cores, 20,000 debug, 10,000 folders)"
    )
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="the first one (default: 0)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: all)")
    arguments = parser.parse_args()
    begin = time.monotonic()
    form = FORMS[arguments.form]
    outcomes, wrong = run(form, arguments.first, arguments.inputs or form.inputs, arguments.jobs)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10
    counts = ", ".join(f"{number} {name}" for name, number in sorted(outcomes.items()))
    say(f"{outcomes.total()} inputs in {time.monotonic() - begin:.0f} s: {counts}; peak memory {peak} MB")
    for line in wrong:
        say(line)
    if peak > form.memory:
        say(f"more memory than the {form.memory} MB that a reading may take")
    return int(bool(wrong) or peak > form.memory)


def run(form: Form, first: int, count: int, jobs: int) -> tuple[Counter[str], list[str]]:
    """All outcomes, and what went wrong."""
    outcomes: Counter[str] = Counter()
    wrong: list[str] = []
    end = first + count
    starts = range(first, end, form.batch)
    # Each batch has its own process, as each command has: what one keeps until its end adds up in no other.
    with ProcessPoolExecutor(jobs, initializer=limit_memory, max_tasks_per_child=1) as pool:
        batches = [pool.submit(form.fuzz, seed, min(form.batch, end - seed)) for seed in starts]
        for batch in as_completed(batches):
            error = batch.exception()
            if error is None:
                outcomes += batch.result()
                say(f"{outcomes.total()} of {count} inputs read")
            else:
                wrong.append(str(error))
                say(wrong[-1])
    return outcomes, wrong


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
