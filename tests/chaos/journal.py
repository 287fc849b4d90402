"""A journal that other programs write to while cells crash, as fast as they can, and one that is full."""

import json
import logging
import logging.handlers
import threading
from typing import Final

from orchestrator.adapters import process
from orchestrator.adapters.process import as_root
from orchestrator.model import LABEL
from tests.chaos import own_journal
from tests.chaos.engine import HINT
from tests.chaos.lab import ROOT, Lab, same
from tests.chaos.table import Row, matched

PART: Final = "journal"
HOSTNAME: Final = "cm-chaosjournal"
LOST: Final = "core lost: the kernel wrote a core, systemd-coredump reported none"
DELETED: Final = "^lost: systemd-coredump stored the core and deleted it again before it was read"
COLLECTED: Final = {
    "room": ("a core in a journal with room", "^found$"),
    "deleted": ("a core that MaxUse= deletes", DELETED),
    "newer": ("the newer one that stays", "^found$"),
    "full": ("a core in a full journal", "^lost: the kernel wrote a core, systemd-coredump reported none"),
    "again": ("a core when there is room again", "^found$"),
}
"""By the names of tests/chaos/own_journal.py: the cases, and what must be found."""
CELLS: Final = ("crash", "many-children-crash", "left-behind-and-crashed")
ENTRY: Final = "x" * 1000
MOST: Final = 60_000
"""Entries, of a kilobyte each: journald rotates its files meanwhile, and drops most of a flood."""


def journal(lab: Lab, *, short: bool) -> list[Row]:
    """Cores are found by their fields, whatever the number of other entries."""
    whole = lab.run(lab.project("quiet-journal", CELLS))
    stop = threading.Event()
    flood = threading.Thread(target=_flood, args=(stop, MOST // 10 if short else MOST))
    flood.start()
    try:
        ran = lab.run(lab.project("flooded-journal", CELLS))
    finally:
        stop.set()
        flood.join()
    rows = [same(PART, "flooded", whole, ran)]
    return [*rows, *([] if short else [*_collected(lab), _full(lab)]), *lab.nothing_left(PART)]


def _collected(lab: Lab) -> list[Row]:
    """What is found of the cores of a container's process, by a journal and a store of the session's own."""
    with lab.engine.client() as client:
        image = next(image for image in client.images.list(filters={"label": LABEL}) if image.tags)
        made = client.containers.run(
            image, ["sleep", "infinity"], detach=True, hostname=HOSTNAME, network_mode="none"
        )
        try:
            made.reload()
            pid = str(made.attrs["State"]["Pid"])
            line = _as_root(lab, *own_journal.command("cores", pid, str(made.id), HOSTNAME))
            said = process.run(line, hint=HINT).text
        finally:
            made.remove(force=True)
    seen = json.loads(said)
    return [matched(PART, case, pattern, seen[name]) for name, (case, pattern) in COLLECTED.items()]


def _full(lab: Lab) -> Row:
    """A run that reads a full journal, in which no entry of its cell's core arrives."""
    project = lab.project("full-journal", ["crash"])
    ran = lab.end(lab.start(project, within=_as_root(lab, *own_journal.command("run"))), project)
    (judgement,) = (result.judgement for result in ran.results)
    seen = f"exit {ran.code}, {ran.terminal}, {judgement.verdict}: {judgement.reason}"
    return matched(PART, "a run that reads a full one", f"^exit 1, clean, fail: SIGSEGV.*{LOST}", seen)


def _as_root(lab: Lab, *command: str) -> tuple[str, ...]:
    """A command that root runs, with the session's engine and cache, from this checkout."""
    told = (f"{name}={value}" for name, value in lab.environment.items())
    return as_root(("env", f"--chdir={ROOT}", *told, *command))


def _flood(stop: threading.Event, most: int) -> None:
    """Write to the journal by its syslog socket, as many programs do."""
    handler = logging.handlers.SysLogHandler("/run/systemd/journal/dev-log")
    logger = logging.Logger("chaos")
    logger.addHandler(handler)
    for number in range(most):
        if stop.is_set():
            break
        logger.info("%d %s", number, ENTRY)
    handler.close()
