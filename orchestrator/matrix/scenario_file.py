"""The format of scenarios/NAME/scenario.yaml: its keys and their values."""

import re
import signal
from pathlib import PurePosixPath
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from orchestrator.adapters.regex import check_pattern
from orchestrator.adapters.suggest import nearest
from orchestrator.adapters.yaml_errors import refuse
from orchestrator.model import (
    AddressRange,
    Children,
    HttpRequest,
    OutcomeKind,
    ProbeKind,
    ServerEnd,
    Survival,
    Toolchain,
    Value,
    WantedFinding,
)
from orchestrator.model.memory import (
    DEFAULT_MEMORY,
    LEAST_MEMORY,
    MEMORY_PATTERN,
    MOST_MEMORY,
    memory_words,
    parse_memory,
)
from orchestrator.model.serving import WorkerClass
from orchestrator.model.survival import MAX_TRIALS

CLEAN: Final = "clean"
SIGNALS: Final = frozenset(item.name for item in signal.Signals)
MAX_ARGUMENT: Final = 4096
MAX_QUESTION: Final = 200
"""Characters of one sentence."""
MAX_TRIALS_PER_CONTAINER: Final = 64
"""A stop waits for the container's end, and more trials would save nothing."""


def _inside(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not re.fullmatch(r"[A-Za-z0-9._/-]{1,200}", name):
        raise ValueError(f"{name[:80]!r} must be a plain path inside the scenario's folder")
    return name


def _signal(name: object) -> object:
    """A signal's name; a number is refused with the name that it has."""
    number = int(name) if isinstance(name, str) and name.isdecimal() else name
    if isinstance(number, int) and not isinstance(number, bool):
        named = next((item.name for item in signal.Signals if item.value == number), None)
        refuse(f"{number} is a number, and signals are named", f"write {named or 'for example SIGSEGV'}")
    if isinstance(name, str) and name not in SIGNALS:
        refuse(f"no signal is called {name!r}", nearest(name, SIGNALS))
    return name


def _memory(size: object) -> int:
    """The bytes of a size with its unit."""
    try:
        found = parse_memory(str(size))
    except ValueError:
        number = re.match(r"\s*(\d{1,7})", str(size))
        unit = "MiB" if re.search("[mM]", str(size)) else "GiB"
        refuse(f"{str(size)[:80]!r} is not a size of memory", f"write {number[1] if number else 4}{unit}")
    if not LEAST_MEMORY <= found <= MOST_MEMORY:
        refuse(
            f"{size} is not between {memory_words(LEAST_MEMORY)} and {memory_words(MOST_MEMORY)}",
            "write for example 4GiB",
        )
    return found


def _addresses(text: str) -> str:
    AddressRange.parse(text)
    return text


def _module(name: str) -> str:
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,63}", name):
        raise ValueError(f"{name[:80]!r} cannot name a Python module")
    return name


def _option(text: str) -> str:
    if not re.fullmatch(r"[\x21-\x7e]{1,200}", text):
        raise ValueError(f"{text[:80]!r} is not one word of a command line")
    return text


def _user_path(name: str) -> str:
    """A file or folder of the user's own, whose name may hold spaces, quotes and other letters."""
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{name[:80]!r} must be a path inside the scenario's folder")
    return _printable(name)


def _printable(text: str) -> str:
    """Text that is one argument of a command line and one line of a message."""
    if re.search(r"[\x00-\x1f\x7f]", text) or len(text) > MAX_ARGUMENT:
        raise ValueError(f"{text[:80]!r} has a control character, or more than {MAX_ARGUMENT} characters")
    return text


def _script(name: str) -> str:
    if name.startswith("-"):
        refuse(f"python3 would read {name[:80]!r} as an option", f"write ./{name[:80]}")
    return _user_path(name)


def _application(text: str) -> str:
    if not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*(\(\))?", text):
        refuse(f"{text[:80]!r} names no application", "write module:object, for example app:application")
    return text


def _variable(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,199}", name):
        refuse(f"{name[:80]!r} cannot name an environment variable", "use letters, digits and _")
    if name == "PATH" or name.startswith("CRASHMATRIX_"):
        refuse(f"{name} is set by crashmatrix", "choose another name, or name a program by its path")
    return name


def _reason(text: str) -> str:
    if not text.strip():
        raise ValueError("the reason is empty; say why these cells are left out")
    return text.strip()


MemoryText = Annotated[str, Field(pattern=MEMORY_PATTERN)]
InsidePath = Annotated[str, AfterValidator(_inside)]
UserPath = Annotated[str, AfterValidator(_user_path)]
ProjectPath = Annotated[str, Field(min_length=1), AfterValidator(_printable)]
"""A path relative to the scenario's folder that may leave it, and not the project."""
Argument = Annotated[str, AfterValidator(_printable)]


class ExclusionFile(Value):
    """One entry of `exclude`: the cells that `when` matches do not run, because of `reason`."""

    when: str
    reason: Annotated[str, AfterValidator(_reason)]


class OptionsFile(Value):
    """One entry of `launcher_options`: options for the cells that `when` matches."""

    when: str
    options: Annotated[tuple[Annotated[str, AfterValidator(_option)], ...], Field(min_length=1)]


class ProbeFile(Value):
    """One entry of `probes`: `module` where Python loads it, `program` where it is started by itself."""

    source: InsidePath
    module: Annotated[str, AfterValidator(_module)] | None = None
    program: Annotated[str, AfterValidator(_module)] | None = None
    toolchain: Toolchain | None = None


class ExpectFile(Value):
    """One entry of `expect`."""

    when: str
    outcome: OutcomeKind
    status: Annotated[int, Field(ge=0, le=255)] | Literal["clean"] | None = None
    signal: Annotated[str | None, BeforeValidator(_signal)] = None
    frames: tuple[str, ...] = ()
    fault_address: Annotated[str, AfterValidator(_addresses)] | None = None
    message: Annotated[str, AfterValidator(check_pattern)] | None = None
    absent: Annotated[str, AfterValidator(check_pattern)] | None = None
    evidence: WantedFinding | None = None
    children: Children = Children.ALLOWED
    survive: Survival | None = None
    because: str = ""
    source: str | None = None


class ServerFile(Value):
    """`server`: how a server runs the application. Missing keys keep the server's defaults."""

    processes: Annotated[int, Field(ge=1, le=64)] | None = None
    threads: Annotated[int, Field(ge=1, le=256)] | None = None
    worker_class: WorkerClass | None = None
    ini: InsidePath | None = None


class ScenarioFile(Value):
    """The file as it is written.

    What is started is one of driver, script, command, pytest and wsgi, or a probe that is a program.
    """

    schema_version: Literal[1] = Field(alias="schema")
    title: str = ""
    question: Annotated[str, Field(max_length=MAX_QUESTION)] = ""
    story: str = ""
    driver: InsidePath | None = None
    script: Annotated[str, AfterValidator(_script)] | None = None
    command: Annotated[tuple[Argument, ...], Field(min_length=1)] | None = None
    pytest: tuple[Argument, ...] | None = None
    wsgi: Annotated[str, AfterValidator(_application)] | None = None
    arguments: tuple[Argument, ...] = ()
    requires: tuple[str, ...] | ProjectPath = ()
    packages: dict[str, tuple[str, ...]] = {}
    source: ProjectPath | None = None
    files: tuple[UserPath, ...] | None = None
    env: dict[Annotated[str, AfterValidator(_variable)], Argument] = {}
    network: bool = False
    server: ServerFile = ServerFile.model_construct()
    requests: Annotated[tuple[HttpRequest, ...], Field(min_length=1, max_length=100)] = (HttpRequest(),)
    end: ServerEnd = ServerEnd.SIGTERM
    timeout: Annotated[float, Field(gt=0, le=3600)] | None = None
    memory: Annotated[
        int,
        BeforeValidator(_memory, json_schema_input_type=MemoryText),
        Field(json_schema_extra={"default": "1GiB"}),
    ] = DEFAULT_MEMORY
    trials: Annotated[int, Field(ge=1, le=MAX_TRIALS)] = 1
    trials_per_container: Annotated[
        Annotated[int, Field(ge=1, le=MAX_TRIALS_PER_CONTAINER)] | None, Field(alias="share")
    ] = None
    axes: dict[str, tuple[str, ...]] = {}
    exclude: tuple[ExclusionFile, ...] = ()
    launcher_options: tuple[OptionsFile, ...] = ()
    probes: dict[ProbeKind, ProbeFile] = {}
    expect: tuple[ExpectFile, ...] = ()
