"""The command that a trial's container runs, and the shell command that repeats it by hand."""

import csv
import hashlib
import io
import json
import shlex
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from orchestrator.execute import emulation
from orchestrator.instruments import INSTRUMENTS, Instrument
from orchestrator.model import Cell, Expectation, OutcomeKind, Serving
from orchestrator.model.memory import DEFAULT_MEMORY, memory_flag
from orchestrator.supervisor.paths import HOME, PROGRAM, REPORT, REPORT_VOLUME, TESTED_USER, WORK
from orchestrator.supervisor.targets import Target

SUPERVISOR: Final = f"{HOME}/{PROGRAM}"
ISOLATED: Final = "-IS"
"""How python3 starts the supervisor: with the standard library and its own folder alone. PYTHON* variables
are the tested process's (PYTHONWARNINGS would write into its output), and so are installed packages, whose
.pth files and sitecustomize would run here too."""
SUPERVISOR_USER: Final = "0:0"
CAPABILITIES: Final = ("SETUID", "SETGID")
"""By which the supervisor becomes another user than the program, which has none (supervisor/identity.py)."""
SCRATCH: Final = (WORK, "/tmp", "/dev/shm")  # noqa: S108 - inside the container
"""The folders that a process in the container can write to (adapters.engine makes the rest read-only)."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """The settings of one of several trials of a container; its output goes to `folder`."""

    folder: Path
    env: Mapping[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()

    @property
    def json(self) -> str:
        """The same as the supervisor reads it."""
        return json.dumps({"env": dict(self.env), "options": self.options, "arguments": self.arguments})


@dataclass(frozen=True, kw_only=True)
class TrialCommand:
    """How a container runs a cell's target; `timeout` is each trial's time limit in seconds.

    `emulated`: the cell's architecture is not the host's, so it runs under qemu-user.
    """

    cell: Cell
    target: Target
    timeout: float
    emulated: bool = False
    options: tuple[str, ...] = ()
    """Options of the launcher's program."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Variables of the process that the scenario states."""
    network: bool = False
    """Whether the container has a network beside its loopback."""
    memory: int = DEFAULT_MEMORY
    """The memory limit of the container, in bytes."""
    serving: Serving | None = None
    """The requests to an application, and what ends its workers."""

    @property
    def instrument(self) -> Instrument | None:
        """The tool that watches the process, if any."""
        return INSTRUMENTS.get(self.cell.instrument)

    def single(self) -> tuple[str, ...]:
        """The command of a single trial."""
        limit, cell = f"{self.timeout:g}", self.cell
        command = (
            "python3", ISOLATED, SUPERVISOR, "--report", REPORT, "--user", TESTED_USER,
            "--launcher", cell.launcher, "--timeout", limit,
        )  # fmt: skip
        emulated = ("--emulated",) if self.emulated else ()
        argv = self.instrument.argv if self.instrument else ()
        # In one word: argparse before 3.13 drops a value that is `--`.
        wrapped = (f"--wrap={shlex.join(argv)}",) if argv else ()
        return (
            *command,
            "--target",
            self.target.kind,
            self.target.file,
            *(f"--argument={item}" for item in self.target.arguments),
            *emulated,
            *wrapped,
            *(f"--option={item}" for item in self.options),
            *(f"--env={name}={value}" for name, value in self.env.items()),
            *((f"--serving={self.serving.plan}",) if self.serving else ()),
        )

    def shared(self, count: int, going_on: str, variants: Iterable["Variant"] = ()) -> tuple[str, ...]:
        """The command of several trials: the next one starts only after an exit as `going_on` names it."""
        scratch = (word for folder in SCRATCH for word in ("--scratch", folder))
        shared = ("--trials", str(count), "--while", going_on)
        return (*self.single(), *shared, *scratch, *(f"--variant={item.json}" for item in variants))

    def environment(self, *, to_file: bool = True) -> dict[str, str]:
        """The cell as its process sees it: CRASHMATRIX_LAUNCHER=uwsgi, and so on, own axes too.

        `to_file`: an instrument that the environment configures writes to its file, else to stderr.
        """
        values = axis_variables(self.cell)
        if self.instrument:
            values |= self.instrument.environment
            for name, more in self.instrument.file_environment.items() if to_file else ():
                values[name] += more
        return {**values, **(emulation.ENVIRONMENT if self.emulated else {})}

    def by_hand(self, tag: str, declared: Set[str] = frozenset()) -> str:
        """The shell command that repeats a trial without this tool, under the same restrictions.

        `declared` are the folders that the image declares as volumes, which the engine would leave writable.
        What a program writes to /work counts as memory, since no disk is made by hand.
        """
        tmpfs = (
            "--tmpfs", f"{WORK}:exec,size=1g,mode=1777",
            "--tmpfs", "/tmp:size=64m,mode=1777",  # noqa: S108 - inside the container
            "--tmpfs", f"{REPORT_VOLUME}:mode=755",
        )  # fmt: skip
        volumes = _read_only(tag, declared - {*SCRATCH, REPORT_VOLUME})
        network = () if self.network else ("--network", "none")
        locked = (
            *network, "--user", SUPERVISOR_USER, "--cap-drop", "ALL",
            *(word for name in CAPABILITIES for word in ("--cap-add", name)),
            "--security-opt", "no-new-privileges", "--read-only",
        )  # fmt: skip
        limits = (
            "--memory", memory_flag(self.memory), "--memory-swap", memory_flag(self.memory),
            "--pids-limit", "512",
            "--ulimit", "core=-1", "--ulimit", "nofile=1024:4096",
        )  # fmt: skip
        seen = self.environment(to_file=False)
        axes = [part for name, value in seen.items() for part in ("--env", f"{name}={value}")]
        options = ("--rm", "--init", *locked, *tmpfs, *volumes, *limits, *axes)
        options += ("--platform", self.cell.arch.platform)
        return shlex.join(["docker", "run", *options, tag, *self.single()])


def _read_only(tag: str, paths: Set[str]) -> Iterator[str]:
    """Flags for volumes with the image's files that cannot be written to.

    Docker refuses such a volume without a name. It stays, and the next run removes it by its name.
    """
    for number, path in enumerate(sorted(paths), 1):
        name = f"cm-{hashlib.sha256(tag.encode()).hexdigest()[:12]}-{number}"
        line = io.StringIO()
        fields = ("type=volume", f"source={name}", f"destination={path}", "readonly")
        csv.writer(line, lineterminator="").writerow(fields)
        yield from ("--mount", line.getvalue())


def axis_variables(cell: Cell) -> dict[str, str]:
    """The axis values of a cell as variables of its process."""
    return {f"CRASHMATRIX_{axis.upper()}": value for axis, value in cell.axes.items()}


def goes_on_while(expectation: Expectation) -> str:
    """The exit after which the next trial may follow at once: one that settles nothing and leaves no core.

    Any other exit is examined with its core before more trials run.
    """
    status = expectation.status
    return "exit" if expectation.kind is not OutcomeKind.EXIT or status is None else f"exit:{status}"
