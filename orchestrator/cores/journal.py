"""Queries the journal, by journalctl, for what systemd-coredump and the kernel report about crashes.

systemd-coredump writes one entry for each core, last of all, after the core is stored (measured on
systemd 252). Its fields are listed in systemd-coredump(8) and systemd.journal-fields(7). Only named
fields are asked for: COREDUMP_ENVIRON and others hold secrets. A query costs about 6 ms.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from orchestrator.adapters import process
from orchestrator.errors import InputError, ToolError
from orchestrator.invocation import command

MESSAGE_ID: Final = "fc2e22bc6ee647b6b90729ab34a250b1"
"""SD_MESSAGE_COREDUMP of sd-messages(3): one per process that dumped core."""
FIELDS: Final = (
    "COREDUMP_CGROUP", "COREDUMP_COMM", "COREDUMP_EXE", "COREDUMP_FILENAME", "COREDUMP_PROC_STATUS",
    "COREDUMP_SIGNAL_NAME", "COREDUMP_TRUNCATED", "_PID", "_SOURCE_REALTIME_TIMESTAMP",
)  # fmt: skip
DUMP_TIMEOUT: Final = 600
"""Seconds for unpacking one core; a gigabyte takes about two."""
TIMEOUT: Final = 30
"""Seconds for one query; a large journal on a slow disk has been seen to take several."""
HINT: Final = f"run `{command('setup')}`; `{command('doctor')}` shows the state of core collection"
_NS_PID: Final = re.compile(r"^NSpid:\s*([\d\s]+)$", re.MULTILINE)
_KERNEL: Final = re.compile(r"coredump: (\d+)\(.*\): (.+)")
_SKIPPED: Final = re.compile(r"(?:coredump: |Pid )(\d+)\((.*)\):? over core_pipe_limit")
"""The kernel's words of a core for which too many were being read: of Linux 6.18, and of older ones."""
_CONTAINER: Final = re.compile(r"[0-9a-f]{64}")
"""The id of a container, which any driver of cgroups spells out."""
_SLACK: Final = timedelta(seconds=1)
"""Tolerance of times: they are rounded down to whole seconds before they are compared."""


@dataclass(frozen=True, kw_only=True)
class StoredCore:
    """systemd-coredump's record of one core. `pid` is the process's in its innermost pid namespace."""

    filename: str | None
    cgroup: str | None
    pid: int | None
    comm: str
    exe: str | None
    signal: str | None
    truncated: bool
    collector: str | None
    """The pid of the systemd-coredump that wrote this, which also wrote why it stored nothing."""
    time: float | None = None
    """When it was written, in seconds since the epoch. With kernel.core_pipe_limit above 0 the parent of the
    process is told of its end only afterwards (core(5))."""


@dataclass(frozen=True, kw_only=True)
class SkippedCore:
    """A core that the kernel did not hand out; `pid` is that of the process's own namespace."""

    pid: int
    comm: str


@dataclass(frozen=True, kw_only=True)
class DumpedCore:
    """A core that coredumpctl returned, and the container id of its process, if it ran in one."""

    path: Path
    container: str | None = None


def find_cores(hostname: str) -> tuple[StoredCore, ...]:
    """All cores that came from a container of this hostname; raises ToolError."""
    matches = [f"MESSAGE_ID={MESSAGE_ID}", f"COREDUMP_HOSTNAME={hostname}"]
    return tuple(parse_core(entry) for entry in _query([f"--output-fields={','.join(FIELDS)}", *matches]))


def dump(match: str, target: Path) -> DumpedCore:
    """Write the newest stored core of a coredumpctl match (a PID, a program, FIELD=VALUE) to `target`.

    Raises InputError where nothing matches, ToolError where coredumpctl or the journal cannot tell.
    """
    wanted = [f"MESSAGE_ID={MESSAGE_ID}", _field(match)]
    fields = "COREDUMP_CGROUP,COREDUMP_PID,COREDUMP_TIMESTAMP"
    entry = next(iter(_query(["--lines=1", f"--output-fields={fields}", *wanted])), {})
    exactly = [f"{name}={entry[name]}" for name in ("COREDUMP_PID", "COREDUMP_TIMESTAMP") if name in entry]
    done = process.run(
        ["coredumpctl", "--quiet", "--no-pager", f"--output={target}", "dump", "--", *(exactly or [match])],
        root=True, check=False, hint=HINT, timeout=DUMP_TIMEOUT,
    )  # fmt: skip
    if done.status == 0 and target.exists():
        if not process.is_root():
            process.run(["chown", str(os.getuid()), str(target)], root=True, hint=HINT)
        container = _CONTAINER.search(entry.get("COREDUMP_CGROUP", ""))
        return DumpedCore(path=target, container=container[0] if container else None)
    said = done.complaint.splitlines()[-1:] or ["it said nothing"]
    raise InputError(
        f"{match!r} is neither a file nor a core that coredumpctl can give: {said[0]}",
        hint="see `coredumpctl list`",
    )


def _field(match: str) -> str:
    """The journal's match for a match of coredumpctl (coredumpctl(1), "Matching")."""
    if "=" in match:
        return match
    if match.isdecimal():
        return f"COREDUMP_PID={match}"
    return f"COREDUMP_EXE={match}" if "/" in match else f"COREDUMP_COMM={match}"


def reason_not_stored(core: StoredCore) -> str | None:
    """What systemd-coredump logged about a core, for example that it exceeds ExternalSizeMax.

    The messages are in the kernel's log, with its pid as SYSLOG_PID (seen on systemd 252).
    """
    if core.collector is None:
        return None
    matches = ["SYSLOG_IDENTIFIER=systemd-coredump", f"SYSLOG_PID={core.collector}"]
    entries = _query(["--output-fields=MESSAGE", "--boot", *matches])
    said = [entry.get("MESSAGE", "") for entry in entries]
    return said[-1] if said else None


def reason_not_dumped(pid: int | None, since: datetime) -> str | None:
    """Why the kernel says that it dumped no core of a process of this pid.

    The kernel's log has the pid of the process's own namespace (seen on 6.18), so a process of the
    same pid in another container at the same time cannot be told from it.
    """
    after = f"--since=@{(since - _SLACK).timestamp():.0f}"
    entries = _query(["--output-fields=MESSAGE", after, "_TRANSPORT=kernel"])
    found = [match for entry in entries if (match := _KERNEL.search(entry.get("MESSAGE", "")))]
    return next((match[2] for match in reversed(found) if pid is not None and int(match[1]) == pid), None)


def find_skipped(since: datetime) -> tuple[SkippedCore, ...]:
    """The cores that the kernel skipped since a time: more than kernel.core_pipe_limit were being read."""
    after = f"--since=@{(since - _SLACK).timestamp():.0f}"
    entries = _query(["--output-fields=MESSAGE", after, "_TRANSPORT=kernel"])
    found = [match for entry in entries if (match := _SKIPPED.match(entry.get("MESSAGE", "")))]
    return tuple(SkippedCore(pid=int(match[1]), comm=match[2]) for match in found)


def parse_core(entry: Mapping[str, str]) -> StoredCore:
    """Parse the journal's entry of one core."""
    moment = entry.get("_SOURCE_REALTIME_TIMESTAMP", "")
    pids = _NS_PID.search(entry.get("COREDUMP_PROC_STATUS", ""))
    return StoredCore(
        filename=entry.get("COREDUMP_FILENAME"),
        cgroup=entry.get("COREDUMP_CGROUP"),
        pid=int(pids[1].split()[-1]) if pids else None,
        comm=entry.get("COREDUMP_COMM", "?"),
        exe=entry.get("COREDUMP_EXE"),
        signal=entry.get("COREDUMP_SIGNAL_NAME"),
        truncated=entry.get("COREDUMP_TRUNCATED") == "1",
        collector=entry.get("_PID"),
        time=int(moment) / 1e6 if moment.isdecimal() else None,
    )


def parse_entries(output: str) -> tuple[dict[str, str], ...]:
    """Parse `journalctl -o json`, one entry a line; raises ToolError where it is not that.

    A field that is not UTF-8 text comes as a list of bytes, one that was set twice as a list of
    values, of which the last is taken (systemd's docs, "Journal Export Formats").
    """
    try:
        entries = [json.loads(line) for line in output.split("\n") if line.strip()]
        return tuple({name: _text(value) for name, value in entry.items()} for entry in entries)
    except (ValueError, AttributeError, TypeError) as error:
        raise ToolError("the output of journalctl is not its JSON format", hint=HINT) from error


def _text(value: object) -> str:
    if isinstance(value, list):
        numbers = [item for item in value if isinstance(item, int)]
        return bytes(numbers).decode(errors="replace") if len(numbers) == len(value) else _text(value[-1])
    return "" if value is None else str(value)


def _query(arguments: list[str]) -> tuple[dict[str, str], ...]:
    args = ["journalctl", "--quiet", "--no-pager", "--output=json", "--all", *arguments]
    return parse_entries(process.run(args, root=True, hint=HINT, timeout=TIMEOUT).text)
