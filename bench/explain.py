"""`nox -s bench -- explain`: the rules for a run of ten thousand cells, by the clock on the wall.

Three runs: cells that follow a rule, a rule with exceptions, and none at all.
"""

import sys
import time
from typing import Final

from orchestrator.explain import explain
from tests.unit.rules_factory import NOISE, noisy_run

SECONDS: Final = 2.0
"""What explaining 10,000 cells may take."""


def measure(rounds: int) -> int:
    """Print the best time of each run; exit code 1 where one is more than it may be."""
    worst = 0.0
    for noise in NOISE:
        plan, results = noisy_run(noise)
        times = []
        for _ in range(rounds):
            begin, processor = time.monotonic(), time.process_time()
            explain(plan, results)
            times.append((time.monotonic() - begin, time.process_time() - processor))
        seconds, processor = min(times)
        worst = max(worst, seconds)
        sys.stdout.write(
            f"{len(results):,} cells, {noise:.1%} of them against the rule: {seconds:.2f} s "
            f"(may be {SECONDS:.0f}; {processor:.2f} s of the processor)\n"
        )
    return int(worst > SECONDS)
