"""Steps that start something: a unit of systemd, or a daemon where PID 1 is not systemd."""

from pathlib import Path

from orchestrator.host.facts import Facts, HostPaths
from orchestrator.host.record import DaemonEntry, FolderEntry, UnitEntry
from orchestrator.host.steps import Command, Daemon, Goal, Step


def journald_step(facts: Facts, paths: HostPaths) -> Step:
    """Start the journal as a daemon of its own."""
    folders = (paths.systemd, paths.systemd / "journal")
    return daemon_step(
        "systemd-journald", ("/lib/systemd/systemd-journald",), Goal.JOURNALD,
        "start the journal, where cores are found (PID 1 is not systemd)",
        facts=facts, paths=paths, folders=folders,
    )  # fmt: skip


def coredump_step(facts: Facts, paths: HostPaths) -> Step:
    """Serve the socket of systemd-coredump by a daemon of its own."""
    socket = str(paths.systemd / "coredump")
    args = (
        "systemd-socket-activate", "--accept", "--seqpacket", "-l", socket, "/lib/systemd/systemd-coredump",
    )  # fmt: skip
    return daemon_step(
        "systemd-coredump", args, Goal.COREDUMP,
        "serve the socket that stores cores (PID 1 is not systemd)", facts=facts, paths=paths,
    )  # fmt: skip


def daemon_step(
    name: str,
    args: tuple[str, ...],
    goal: Goal,
    change: str,
    *,
    facts: Facts,
    paths: HostPaths,
    folders: tuple[Path, ...] = (),
) -> Step:
    """A step that starts a daemon; `folders` are those that it needs and that may be lacking."""
    made = tuple(folder for folder in (paths.run, paths.log, *folders) if folder not in facts.folders)
    daemon = Daemon(name=name, args=args, pid_file=paths.run / f"{name}.pid", log=paths.log / f"{name}.log")
    return Step(
        goal=goal,
        change=change,
        undone=f"{name} is stopped",
        commands=(Command(args=("mkdir", "-p", *map(str, made))),) if made else (),
        daemon=daemon,
        entries=(*(FolderEntry(path=str(path)) for path in made), DaemonEntry(name=name)),
    )


def unit_step(name: str, goal: Goal, what: str) -> Step:
    """Start a unit of systemd."""
    return Step(
        goal=goal,
        change=f"start {what} ({name})",
        undone=f"{name} is stopped",
        commands=(Command(args=("systemctl", "start", name)),),
        entries=(UnitEntry(name=name),),
    )
