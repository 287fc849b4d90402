"""A journal that other programs fill while cells crash, as fast as they can."""

import logging
import logging.handlers
import threading
from typing import Final

from tests.chaos.lab import Lab, same
from tests.chaos.table import Row

PART: Final = "journal"
CELLS: Final = ("crash", "many-children-crash", "left-behind-and-crashed")
ENTRY: Final = "x" * 1000
MOST: Final = 60_000
"""Entries, of a kilobyte each: journald rotates its files meanwhile, and drops most of a flood."""


def journal(lab: Lab, *, short: bool) -> list[Row]:
    """Cores are found by their fields, however many entries lie between."""
    whole = lab.run(lab.project("quiet-journal", CELLS))
    stop = threading.Event()
    flood = threading.Thread(target=_flood, args=(stop, MOST // 10 if short else MOST))
    flood.start()
    try:
        ran = lab.run(lab.project("flooded-journal", CELLS))
    finally:
        stop.set()
        flood.join()
    return [same(PART, "flooded", whole, ran), *lab.nothing_left(PART)]


def _flood(stop: threading.Event, most: int) -> None:
    """Write to the journal by its socket for syslog, as programs do that know no other."""
    handler = logging.handlers.SysLogHandler("/run/systemd/journal/dev-log")
    logger = logging.Logger("chaos")
    logger.addHandler(handler)
    for number in range(most):
        if stop.is_set():
            break
        logger.info("%d %s", number, ENTRY)
    handler.close()
