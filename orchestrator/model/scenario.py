"""Scenarios: a question in words, the programs that ask it, and what should be seen."""

import re
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from orchestrator.model.base import Integer, Value
from orchestrator.model.code import UserCode
from orchestrator.model.evidence import WantedFinding
from orchestrator.model.interpreter import InterpreterKind
from orchestrator.model.memory import DEFAULT_MEMORY
from orchestrator.model.serving import Serving
from orchestrator.model.survival import Survival
from orchestrator.supervisor.targets import DRIVER, PROGRAM, Target

LAST_ADDRESS: Final = (1 << 64) - 1
_RANGE: Final = re.compile(r"(?P<relation><=?|>=?|==)\s*(?P<bound>0x[0-9a-fA-F]{1,16}|\d{1,20})")


class OutcomeKind(StrEnum):
    """How a trial ended, as the parent of the process saw it."""

    EXIT = "exit"
    SIGNAL = "signal"
    HANG = "hang"
    OOM = "oom"


class Children(StrEnum):
    """What an expectation says of crashes of other processes than the judged one."""

    FORBIDDEN = "forbidden"
    ALLOWED = "allowed"
    CRASH = "crash"
    """At least one of them must crash; signal, frames, address and message are then looked for in each."""


class AddressRange(Value):
    """Fault addresses from `lowest` to `highest`, both included; `text` is what the scenario says.

    Small offsets from NULL differ by version, so a range tells more than a number.
    """

    lowest: Annotated[int, Field(ge=0, le=LAST_ADDRESS)]
    highest: Annotated[int, Field(ge=0, le=LAST_ADDRESS)]
    text: str

    @classmethod
    def parse(cls, text: str) -> "AddressRange":
        """Read `< 0x2000`, `<= 0x1fff`, `== 0x60`, `>= 0x1000` or `> 0xfff`; raises ValueError."""
        match = _RANGE.fullmatch(text.strip())
        bound = int(match["bound"], 0) if match else -1
        if match is None or bound > LAST_ADDRESS:
            raise ValueError(f"{text[:80]!r} is not a range of addresses; write for example '< 0x2000'")
        lowest, highest = {
            "<": (0, bound - 1),
            "<=": (0, bound),
            "==": (bound, bound),
            ">=": (bound, LAST_ADDRESS),
            ">": (bound + 1, LAST_ADDRESS),
        }[match["relation"]]
        if lowest > highest or highest < 0:
            raise ValueError(f"{text[:80]!r} matches no address")
        return cls(lowest=lowest, highest=highest, text=text.strip())

    def matches(self, address: int) -> bool:
        """Whether an address is in the range."""
        return self.lowest <= address <= self.highest


class Expectation(Value):
    """What a scenario says should be seen in a cell, and why.

    `signal` is the original fault, not the one that a handler raised after it. `frames` are
    functions that must all appear in the crashing thread, top down, in this order; `message` is a
    regular expression that must match somewhere in stdout, stderr or the crash's own message.
    """

    kind: OutcomeKind
    status: Integer | None = None
    signal: str | None = None
    frames: tuple[str, ...] = ()
    fault_address: AddressRange | None = None
    message: str | None = None
    absent: str | None = None
    """A regular expression that must match nowhere there: what a remedy must not lose or bring about."""
    evidence: WantedFinding | None = None
    """What the cell's instrument must have seen."""
    children: Children = Children.ALLOWED
    """Whether other processes of the trial may crash."""
    survive: Survival | None = None
    """What the trials of a cell that should not crash must show; None: a fixed number of trials."""
    because: str
    """Why; may be empty where no crash is expected."""
    source: str | None = None
    where: str | None = None
    is_default: bool = False
    """Whether it is the default, which no entry states: the process and each of its children end cleanly."""

    @property
    def wants_core(self) -> bool:
        """A signal is expected, so a core must arrive for the verdict to be trusted."""
        return self.kind is OutcomeKind.SIGNAL

    @property
    def must_crash(self) -> bool:
        """Whether a crash is expected, of the judged process or of another."""
        return self.wants_core or self.children is Children.CRASH


class Toolchain(StrEnum):
    """What compiles a probe, and with it whose unwinder and runtime the probe brings."""

    ZIG = "zig"
    """clang and, for Rust, the linker, against the lowest glibc; libc++ and LLVM's unwinder are linked in."""
    GCC = "gcc-2.17"
    """gcc 4.8.5 and, for Rust, its linker, against glibc 2.17; libstdc++ and libgcc_s are the base's."""
    NATIVE = "native"
    """The base's own compiler, so that the probe is made once for each base."""


class ProbeKind(StrEnum):
    """What a probe is, which is a value of the probe axis."""

    CPP = "cpp"
    RUST = "rust"
    PYO3 = "pyo3"
    """A crate that is a Python module by PyO3, with its Cargo.lock."""
    C = "c"
    C_EMBED = "c-embed"

    @property
    def is_usual(self) -> bool:
        """Whether every scenario should have one; the others are for questions that need them."""
        return self in (ProbeKind.CPP, ProbeKind.RUST)

    @property
    def is_program(self) -> bool:
        """Whether it is started by itself, where the others are modules that Python loads."""
        return self in (ProbeKind.C, ProbeKind.C_EMBED)


class ProbeSource(Value):
    """The source of one probe, relative to the scenario's folder; `name` is its module's or program's.

    A module is compiled against CPython's stable ABI, so once for every interpreter.
    """

    language: ProbeKind
    source: str
    name: str
    toolchain: Toolchain = Toolchain.ZIG

    def toolchain_for(self, interpreter: InterpreterKind, *, compiled_in: bool = False) -> Toolchain:
        """The compiler of the probe for an interpreter of this kind; `compiled_in`: with an instrument in it.

        A program that embeds Python is linked with one libpython, and uses the compiler of that. An
        instrument is part of a compiler, and its runtime is made for the base's own C library.
        """
        if self.language is not ProbeKind.C_EMBED:
            native = compiled_in and self.language is ProbeKind.C
            return Toolchain.NATIVE if native else self.toolchain
        return Toolchain.NATIVE if interpreter is InterpreterKind.OWN else Toolchain.GCC


def scenario_files(name: str) -> tuple[str, str]:
    """The two places of a scenario's file, relative to the project."""
    return f"scenarios/{name}/scenario.yaml", f"scenarios/{name}.yaml"


class Scenario(Value):
    """One crash question: scenarios/NAME/scenario.yaml, validated.

    `axes` are the scenario's own: they multiply its cells, and no other scenario's.
    """

    name: str
    title: str
    story: str
    """May be empty."""
    question: str = ""
    """What it asks, in one sentence; may be empty."""
    folder: str
    driver: str
    """The Python file that a launcher starts; empty where `code` says what is started."""
    timeout: float
    memory: Integer = DEFAULT_MEMORY
    """The memory limit of a container, in bytes."""
    trials: Integer
    trials_per_container: Integer | None = None
    """How many trials may share a container; None: as many as change nothing."""
    probes: tuple[ProbeSource, ...]
    code: UserCode | None = None
    """What is started instead of the driver, or beside it what the driver needs."""
    serving: Serving | None = None
    """How a server runs the application that `code` names."""
    axes: dict[str, tuple[str, ...]] = {}

    def probe(self, language: str) -> ProbeSource | None:
        """The probe that a value of the probe axis means, if the scenario has it."""
        return next((probe for probe in self.probes if probe.language == language), None)

    @property
    def files(self) -> tuple[str, ...]:
        """The files of its folder that every image of its cells has, beside the probe."""
        return (self.driver,) if self.driver else ()

    def target(self, language: str) -> Target:
        """What a launcher starts: a probe that is a program, else the user's code or the driver."""
        probe = self.probe(language)
        if probe and probe.language.is_program:
            return Target(PROGRAM, probe.name)
        if self.code:
            return self.code.target
        return Target(DRIVER, self.driver)
