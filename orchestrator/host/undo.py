"""Reverts what setup changed, newest first, by setup's record."""

from pathlib import Path
from typing import Final

from orchestrator.adapters import process
from orchestrator.errors import HostError
from orchestrator.host import probe, record
from orchestrator.host.collection_steps import COREDUMP_SYSCTL
from orchestrator.host.facts import HostPaths
from orchestrator.host.record import (
    AccessEntry,
    BinfmtEntry,
    DaemonEntry,
    Entry,
    FileEntry,
    FolderEntry,
    MountEntry,
    PackagesEntry,
    SysctlEntry,
    UnitEntry,
)
from orchestrator.host.setup import Say
from orchestrator.invocation import command

GRACE: Final = 30
"""Seconds that a daemon has to end by itself; dockerd gives its containers 15."""
UNDO_HINT: Final = f"fix that and run `{command('setup', '--undo')}` again; it continues where it stopped"


def undo(say: Say, *, paths: HostPaths | None = None) -> tuple[Entry, ...]:
    """Undo all that setup changed, except packages, which are named; returns what was undone.

    What is undone is struck from the record at once, so an undo that was interrupted can go on.
    Raises HostError and ToolError.
    """
    paths = paths or HostPaths()
    log = record.load(paths.record)
    if log is None:
        say("undo: nothing to do, setup changed nothing here")
        return ()
    if not probe.may_become_root():
        raise HostError("undo must change this host, and sudo gives no root here", hint=process.ROOT_HINT)
    done = tuple(reversed(log.entries))
    for entry in done:
        say(revert(entry, paths))
        log = log.without(entry)
        record.save(log, paths.record)
    record.remove(paths.record)
    say("undo: done")
    return done


def revert(entry: Entry, paths: HostPaths) -> str:
    """Undo one change; returns what was done, in words."""
    match entry:
        case SysctlEntry():
            said = _restore(entry, paths)
        case DaemonEntry():
            said = _stop(entry, paths)
        case UnitEntry():
            process.run(["systemctl", "stop", entry.name], root=True, hint=UNDO_HINT)
            said = f"stopped {entry.name}"
        case FolderEntry():
            said = _remove_folder(entry, paths)
        case FileEntry():
            said = _remove_file(entry, paths)
        case AccessEntry():
            said = _take_access(entry)
        case MountEntry():
            said = _unmount(entry, paths)
        case BinfmtEntry():
            said = _unregister(entry, paths)
        case PackagesEntry():
            said = name_packages(entry, probe.installed(entry.names))
    return said


def _restore(entry: SysctlEntry, paths: HostPaths) -> str:
    file = paths.sysctl / entry.name
    if file.read_text().strip() == entry.original:
        return f"{entry.name} is what it was: {entry.original}"
    process.run(["tee", str(file)], stdin=f"{entry.original}\n".encode(), root=True, hint=UNDO_HINT)
    return f"set {entry.name} back to: {entry.original}"


def _stop(entry: DaemonEntry, paths: HostPaths) -> str:
    pid_file = paths.run / f"{entry.name}.pid"
    if entry.pid is not None and entry.alive:
        process.stop_daemon(entry.pid, grace=GRACE, hint=UNDO_HINT)
        said = f"stopped {entry.name} (pid {entry.pid})"
    else:
        said = f"{entry.name} runs no longer"
    process.run(["rm", "-f", str(pid_file)], root=True, hint=UNDO_HINT)
    return said


def _remove_folder(entry: FolderEntry, paths: HostPaths) -> str:
    """Remove a folder that setup made: ours with all in it, systemd's only where nothing is left in it."""
    path = Path(entry.path)
    if path in (paths.run, paths.log, paths.systemd / "journal"):
        process.run(["rm", "-rf", "--one-file-system", str(path)], root=True, hint=UNDO_HINT)
    elif path == paths.systemd:
        process.run(
            ["rmdir", "--ignore-fail-on-non-empty", str(path)], root=True, check=False, hint=UNDO_HINT
        )
    else:
        raise HostError(
            f"{paths.record} names a folder that setup never makes: {path}",
            hint="somebody edited the record; take that entry out",
        )
    return f"removed {path}"


def _remove_file(entry: FileEntry, paths: HostPaths) -> str:
    """Remove the one file that setup writes, and its folder where nothing else is in it."""
    path = Path(entry.path)
    if path != paths.core_room:
        raise HostError(
            f"{paths.record} names a file that setup never writes: {path}",
            hint="somebody edited the record; take that entry out",
        )
    process.run(["rm", "-f", str(path)], root=True, hint=UNDO_HINT)
    args = ["rmdir", "--ignore-fail-on-non-empty", str(path.parent)]
    process.run(args, root=True, check=False, hint=UNDO_HINT)
    return f"removed {path}"


def _unmount(entry: MountEntry, paths: HostPaths) -> str:
    """Unmount binfmt_misc; in use, it stays. Handlers that others registered there stay in the kernel."""
    if Path(entry.path) != paths.binfmt:
        raise HostError(
            f"{paths.record} names a mount that setup never makes: {entry.path}",
            hint="somebody edited the record; take that entry out",
        )
    if not (paths.binfmt / "register").exists():
        return f"{entry.path} is mounted no longer"
    process.run(["umount", entry.path], root=True, hint=UNDO_HINT)
    return f"unmounted {entry.path}"


def _unregister(entry: BinfmtEntry, paths: HostPaths) -> str:
    file = paths.binfmt / entry.name
    if not file.exists():
        return f"{entry.name} is registered no longer"
    process.run(["tee", str(file)], stdin=b"-1\n", root=True, hint=UNDO_HINT)
    return f"took {entry.name} out of binfmt_misc"


def _take_access(entry: AccessEntry) -> str:
    if Path(entry.path).exists():
        args = ["setfacl", "--remove", f"u:{entry.uid}", entry.path]
        process.run(args, root=True, hint=UNDO_HINT)
    return f"took {entry.user}'s access to {entry.path} away"


def name_packages(entry: PackagesEntry, installed: tuple[str, ...]) -> str:
    """Say which packages are still installed, how to remove them, and what they still do."""
    if not installed:
        return f"no longer installed: {' '.join(entry.names)}"
    names = " ".join(installed)
    said = f"left installed: {names}; to remove them: apt-get purge --auto-remove {names}"
    if "systemd-coredump" in installed:
        said += f" (until then {COREDUMP_SYSCTL} sets kernel.core_pattern again at each boot)"
    if entry.replaced:
        said += f"; apt had removed {' '.join(entry.replaced)}: apt-get install {' '.join(entry.replaced)}"
    return said
