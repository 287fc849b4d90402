"""The messages between a run and its hosts: a document with a schema, then the content of files.

Neither side unpickles any of it, and what a host answers is checked as a run folder from elsewhere is:
unknown fields, other types and numbers without bound are refused, and sizes are compared with what arrived.
"""

from collections.abc import Sequence
from typing import Annotated, Final, Literal, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from orchestrator.errors import HostError
from orchestrator.model import ImageSpec, PlannedCell, Scenario, Value
from orchestrator.model.base import Integer, Line

LENGTH: Final = 8
"""Bytes of the length of the document, which comes first."""
MOST_DOCUMENT: Final = 64 << 20
MOST_FILES: Final = 10_000
CHUNK: Final = 8 << 20
"""Bytes of a file that are sent at a time; what a message holds besides stays below it too."""
Key = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Size = Annotated[int, Field(ge=0, le=1 << 50)]


class File(Value):
    """A file by its name, relative to the run's folder, with its size in bytes."""

    name: str
    size: Size


class Look(Value):
    """Asks what a host can do."""

    kind: Literal["look"] = "look"


class Looked(Value):
    """A host: its program's version, what it can run, and why it takes no cells, if so."""

    kind: Literal["looked"] = "looked"
    version: str
    arch: str
    arches: tuple[str, ...]
    engine: str
    lacks: tuple[str, ...] = ()


class Open(Value):
    """Begins a run at a host. `token` names it there; `memory` is the largest limit of its cells."""

    kind: Literal["open"] = "open"
    token: Key
    scenarios: tuple[Scenario, ...]
    slots: Integer
    memory: Integer
    registry: str | None


class Opened(Value):
    """A host has begun a run: how many containers may be up at once."""

    kind: Literal["opened"] = "opened"
    slots: Annotated[int, Field(ge=1, le=10_000)]
    said: tuple[str, ...] = ()


class Make(Value):
    """Asks for an image, the last of `specs`; `content` are digests of the files that are sent along."""

    kind: Literal["make"] = "make"
    token: Key
    specs: tuple[ImageSpec, ...]
    content: tuple[File, ...] = ()


class Failure(Value):
    """Why there is no image. `recipe`: the recipe failed; else the host or its engine did."""

    recipe: bool
    what: str
    hint: str
    role: str | None = None
    folder: str = ""
    step: str | None = None
    lines: tuple[str, ...] = ()


class Made(Value):
    """An image's id, or the files that its recipe needs and the host lacks, or why it could not be made."""

    kind: Literal["made"] = "made"
    image: str | None = None
    needs: tuple[Key, ...] = ()
    failure: Failure | None = None
    seconds: Annotated[float, Field(ge=0, le=1e9)] = 0.0
    built: tuple[str, ...] = ()
    """The images that were built on the way."""
    said: tuple[str, ...] = ()
    files: tuple[File, ...] = ()
    """Logs and lists of packages, by their names in the folder of images."""


class Run(Value):
    """Asks for the results of cells of one image: groups that may share a container, one after the other."""

    kind: Literal["run"] = "run"
    token: Key
    image: str
    groups: tuple[tuple[PlannedCell, ...], ...]


class Ran(Value):
    """Files of cells, results among them. A cell without a result was not observed: `failed` says why."""

    kind: Literal["ran"] = "ran"
    host: Line
    folder: Line
    """The run's folder at the host, where cores stay."""
    files: tuple[File, ...] = ()
    """Files whose content follows, in this order."""
    left: tuple[File, ...] = ()
    """Files that are asked for by the chunk, since they are large."""
    cores: tuple[File, ...] = ()
    """Cores, which are asked for only where they are wanted."""
    failed: str | None = None
    stopped: bool = False
    """Whether cells were not started since the run was stopped."""


class Read(Value):
    """Asks for a piece of a file."""

    kind: Literal["read"] = "read"
    token: Key
    name: str
    offset: Size


class Piece(Value):
    """A piece of a file, whose content follows."""

    kind: Literal["piece"] = "piece"
    files: tuple[File, ...]


class Failed(Value):
    """A host could not answer, for a reason of its own."""

    kind: Literal["failed"] = "failed"
    what: str


Order = Annotated[Look | Open | Make | Run | Read, Field(discriminator="kind")]
Answer = Annotated[Looked | Opened | Made | Ran | Piece | Failed, Field(discriminator="kind")]
_ORDERS: Final[TypeAdapter[Order]] = TypeAdapter(Order)
_ANSWERS: Final[TypeAdapter[Answer]] = TypeAdapter(Answer)
Kind = TypeVar("Kind")


def pack(message: Value, contents: Sequence[bytes] = ()) -> bytes:
    """A message as bytes."""
    document = message.model_dump_json().encode()
    return b"".join([len(document).to_bytes(LENGTH, "big"), document, *contents])


def unpack_order(frame: bytes) -> tuple[Order, bytes]:
    """An order of a run, and what follows it."""
    return _unpack(_ORDERS, frame)


def unpack_answer(frame: bytes) -> tuple[Answer, bytes]:
    """An answer of a host, and what follows it; raises HostError where it is none."""
    return _unpack(_ANSWERS, frame)


def contents(files: Sequence[File], rest: bytes) -> list[tuple[File, bytes]]:
    """Each file with its content; raises HostError where their sizes are not those of what arrived."""
    if len(files) > MOST_FILES or sum(file.size for file in files) != len(rest):
        raise _damaged(f"{len(files):,} files are not the {len(rest):,} bytes that follow")
    found, place = [], 0
    for file in files:
        found.append((file, rest[place : place + file.size]))
        place += file.size
    return found


def _unpack(kinds: TypeAdapter[Kind], frame: bytes) -> tuple[Kind, bytes]:
    length = int.from_bytes(frame[:LENGTH], "big")
    if len(frame) < LENGTH + length or length > MOST_DOCUMENT:
        raise _damaged(f"a document of {length:,} bytes in {len(frame):,}")
    document = frame[LENGTH : LENGTH + length]
    try:
        return kinds.validate_json(document), frame[LENGTH + length :]
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise _damaged(f"{place}: {first['msg']}") from error


def _damaged(what: str) -> HostError:
    return HostError(f"not a message of this version: {what}", hint="install one version on all hosts")
