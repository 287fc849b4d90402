"""Hostile deeds, and the verdict that each must get. project/ does them, by the same names."""

from collections.abc import Mapping, Sequence
from typing import Final

from orchestrator.model import Verdict
from tests.chaos.lab import ENDS, Lab, Ran
from tests.chaos.table import Row, matched

PART: Final = "deeds"
HANGS: Final = 15
"""The time limit in seconds of those that hang, which take it whole."""
SEGV: Final = "^fail: SIGSEGV strlen"
NO_ROOM: Final = "No space left on device"
DENIED: Final = r"^fail: PermissionError: \[Errno 1\] Operation not permitted"
HUNG: Final = "^fail: hang"

DEEDS: Final[Mapping[str, str]] = {
    "nothing": "^pass: ended cleanly$",
    "crash": SEGV,
    # Resources: each cell reaches its own limit and affects no other.
    "fork-bomb": HUNG,
    "threads": "^fail: RuntimeError: can't start new thread",
    "memory": "^fail: out of memory",
    "memory-of-a-child": "^pass: ended cleanly$",
    "memory-of-many": "^fail: out of memory",
    "files": "^fail: OSError: .*Too many open files",
    "disk": rf"^fail: OSError: .*{NO_ROOM}; disk: ",
    "disk-without-a-name": f"^fail: OSError: .*{NO_ROOM}",
    "disk-by-mapping": "^fail: SIGBUS .*; disk: ",
    "inodes": rf"^fail: OSError: .*{NO_ROOM}.*; disk: ",
    "deep-folders": "^pass: ended cleanly$",
    "segments": SEGV,
    "tmp": f"^fail: OSError: .*{NO_ROOM}",
    "shared-memory": f"^fail: OSError: .*{NO_ROOM}",
    "output": "^pass: ended cleanly$",
    "endless-output": HUNG,
    # Its supervisor: a program can neither signal nor trace it, nor write its report.
    "kill-supervisor": DENIED,
    "stop-supervisor": DENIED,
    "kill-init": DENIED,
    "lower-its-memory-score": "^fail: PermissionError",
    "raise-supervisors-memory-score": "^fail: PermissionError",
    "kill-all": "^pass: ended cleanly$",
    "trace-supervisor": SEGV,
    "write-supervisors-memory": "^fail: PermissionError",
    "forge-report": SEGV,
    "forge-report-afterwards": SEGV,
    "delete-report": SEGV,
    "link-in-place-of-report": SEGV,
    # The collection of its core.
    "named-like-a-pattern": SEGV,
    "core-of-another": "^pass: ended cleanly$",
    "no-core-limit": "^fail: SIGSEGV.*core lost: ",
    "not-dumpable": "^fail: SIGABRT.*core lost: ",
    "many-children-crash": "^fail: SIGSEGV strlen.* of child process python3 and 7 more",
    "setuid-program-crashes": "^fail: SIGSEGV .* of child process su",
    "threads-crash": SEGV,
    "left-behind-and-crashed": "^fail: SIGSEGV strlen.* of child process",
    "crash-behind-the-end": "^pass: ended cleanly$",
    "odd-program": "^fail: SIGSEGV strlen.* of child process",
    "program-without-a-file": SEGV,
    "unreadable-program": SEGV,
    "large-environment": SEGV,
    "many-mappings": SEGV,
    "no-file-size": SEGV,
    "removed-folder": SEGV,
    "traced-child-crashes": "^fail: SIGSEGV strlen.* of child process",
    "first-thread-ends": SEGV,
    "crash-in-an-exit": "^(?:fail: SIGSEGV strlen|pass: ended cleanly$)",
    # Unusual ends of a process.
    "exit-like-a-signal": "^fail: exit status 139",
    "kill-itself": "^fail: SIGKILL",
    "stop-itself": HUNG,
    "deaf": HUNG,
    "left-behind": "^pass: ended cleanly$",
    "closed-output": "^pass: ended cleanly$",
    "escape-sequences": "^fail: ValueError: ",
    "long-line": "^fail: exit status 3",
    "like-an-exception": "^fail: exit status 3",
    "like-a-mark": SEGV,
    "names-that-are-no-text": "^fail: FileNotFoundError",
    # The host.
    "become-root": DENIED,
    "mount": DENIED,
    "namespace": DENIED,
    "device": DENIED,
    "clock": DENIED,
    "core-pattern": r"^fail: (?:PermissionError|OSError: .*Read-only file system)",
    "host-name": DENIED,
    "root-filesystem": "^fail: OSError: .*Read-only file system",
    "network": "^fail: OSError: .*Network is unreachable",
    "engine-socket": "^fail: FileNotFoundError",
    "kernel-log": DENIED,
}
"""The start of each verdict with its reason."""
SHORT: Final = (
    *("nothing", "crash", "memory", "disk", "disk-without-a-name", "kill-supervisor", "forge-report"),
    *("delete-report", "many-children-crash", "left-behind", "escape-sequences", "network"),
)


def deeds(lab: Lab, *, short: bool) -> list[Row]:
    """A cell for each deed; each gets its expected verdict, whatever the others do."""
    names = SHORT if short else tuple(DEEDS)
    hanging = [name for name in names if DEEDS[name] == HUNG]
    ending = [name for name in names if name not in hanging]
    rows = _done(lab, "deeds", ending, ENDS)
    rows += _done(lab, "hanging-deeds", hanging, HANGS) if hanging else []
    return [*rows, *lab.nothing_left(PART)]


def _done(lab: Lab, project: str, names: Sequence[str], seconds: int) -> list[Row]:
    ran = lab.run(lab.project(project, names, seconds))
    rows = [matched(PART, name, DEEDS[name], _seen(ran, name)) for name in names]
    return [*rows, matched(PART, f"the terminal, {project}", "^clean$", ran.terminal)]


def _seen(ran: Ran, name: str) -> str:
    result = next((item for item in ran.results if item.cell.axes["deed"] == name), None)
    if result is None:
        return "no result"
    reason = result.judgement.reason
    return f"{Verdict(result.judgement.verdict)}: {reason}"
