"""The record of what setup changed. Each change is on disk before it is made, so that undo can revert it."""

import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from orchestrator.adapters import process
from orchestrator.errors import HostError
from orchestrator.host import probe
from orchestrator.host.facts import Sysctl
from orchestrator.model import Value

WRITE_HINT = "see that the folder can be written as root, and run setup again"


class SysctlEntry(Value):
    """A kernel setting and the value it had before setup first ran."""

    kind: Literal["sysctl"] = "sysctl"
    name: Sysctl
    original: str

    @property
    def about(self) -> str:
        """What the entry is about; the record holds one entry of a kind for each."""
        return self.name


class PackagesEntry(Value):
    """Packages that setup had apt install; apt installed their dependencies too."""

    kind: Literal["packages"] = "packages"
    names: tuple[str, ...]
    replaced: tuple[str, ...] = ()
    """Packages that apt removed because they conflict."""

    @property
    def about(self) -> str:
        """What the entry is about."""
        return " ".join(self.names)


class DaemonEntry(Value):
    """A daemon that setup started. `pid` is None until it was started; `started` in ticks since boot."""

    kind: Literal["daemon"] = "daemon"
    name: str
    pid: int | None = None
    started: int | None = None
    boot: str | None = None

    @property
    def about(self) -> str:
        """What the entry is about."""
        return self.name

    @property
    def alive(self) -> bool:
        """Whether the very process that was started still runs: never true for a recycled pid."""
        if self.pid is None or self.started is None or self.boot != probe.boot_id():
            return False
        return probe.start_time(self.pid) == self.started


class UnitEntry(Value):
    """A systemd unit that setup started."""

    kind: Literal["unit"] = "unit"
    name: str

    @property
    def about(self) -> str:
        """What the entry is about."""
        return self.name


class FolderEntry(Value):
    """A folder that setup made."""

    kind: Literal["folder"] = "folder"
    path: str

    @property
    def about(self) -> str:
        """What the entry is about."""
        return self.path


class FileEntry(Value):
    """A file that setup wrote."""

    kind: Literal["file"] = "file"
    path: str

    @property
    def about(self) -> str:
        """What the entry is about."""
        return self.path


class AccessEntry(Value):
    """An access right that setup gave a user on a socket."""

    kind: Literal["access"] = "access"
    path: str
    user: str
    uid: int

    @property
    def about(self) -> str:
        """What the entry is about."""
        return f"{self.user} {self.path}"


class MountEntry(Value):
    """A file system that setup mounted."""

    kind: Literal["mount"] = "mount"
    path: str

    @property
    def about(self) -> str:
        """What the entry is about."""
        return self.path


class BinfmtEntry(Value):
    """A handler that setup registered in binfmt_misc."""

    kind: Literal["binfmt"] = "binfmt"
    name: str

    @property
    def about(self) -> str:
        """What the entry is about."""
        return self.name


Entry = Annotated[
    SysctlEntry
    | PackagesEntry
    | DaemonEntry
    | UnitEntry
    | FolderEntry
    | FileEntry
    | AccessEntry
    | MountEntry
    | BinfmtEntry,
    Field(discriminator="kind"),
]


class Record(Value):
    """setup.json: what was changed, in the order in which it was changed."""

    schema_version: Literal[1] = 1
    made: str
    entries: tuple[Entry, ...] = ()

    @classmethod
    def empty(cls) -> "Record":
        """The empty record, of a host that setup has not changed."""
        return cls(made=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"))

    def adding(self, entry: Entry) -> "Record":
        """This record with one entry more.

        A daemon started anew replaces its old entry. Of anything else the first entry stays: after a
        reboot the value found is no longer the original one.
        """
        same = [old for old in self.entries if (old.kind, old.about) == (entry.kind, entry.about)]
        if same and not isinstance(entry, DaemonEntry):
            return self
        kept = tuple(old for old in self.entries if old not in same)
        return self.model_copy(update={"entries": (*kept, entry)})

    def without(self, entry: Entry) -> "Record":
        """This record without an entry that was undone."""
        kept = tuple(old for old in self.entries if old != entry)
        return self.model_copy(update={"entries": kept})


def load(path: Path) -> Record | None:
    """Read the record; None where setup has changed nothing. Raises HostError for a damaged one."""
    try:
        return Record.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise HostError(
            f"{path}, the record of what setup changed, cannot be read: {str(error).splitlines()[0]}",
            hint="restore it, or undo by hand what it lists and remove it",
        ) from error


def save(record: Record, path: Path) -> None:
    """Write the record as root, atomically: whole and on the disk before the change that it announces."""
    new = path.with_suffix(".new")
    process.run(["mkdir", "-p", str(path.parent)], root=True, hint=WRITE_HINT)
    process.run(
        ["dd", f"of={new}", "conv=fsync", "status=none"],
        stdin=record.model_dump_json(indent=2).encode() + b"\n",
        root=True,
        hint=WRITE_HINT,
    )
    process.run(["mv", "-f", str(new), str(path)], root=True, hint=WRITE_HINT)


def remove(path: Path) -> None:
    """Remove the record, and its folder where nothing else is in it."""
    process.run(["rm", "-f", str(path), str(path.with_suffix(".new"))], root=True, hint=WRITE_HINT)
    process.run(
        ["rmdir", "--ignore-fail-on-non-empty", str(path.parent)], root=True, check=False, hint=WRITE_HINT
    )
