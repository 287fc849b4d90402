"""The supervisor's account of how the process under question ended.

The supervisor (images/launch/supervisor.py) runs in the container as the parent of that process, so
it knows the true wait status: the container's own exit code cannot tell a signal from `exit(139)`,
and uWSGI's does not tell anything. The account comes out of a container and is untrusted.
"""

import re
import signal
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationError, field_validator

from orchestrator.errors import EngineError
from orchestrator.model import OutcomeKind, Value

FATE_FOLDER: Final = ".crashmatrix"
FATE_NAME: Final = "fate.json"
MAX_BYTES: Final = 64 * 1024
_SIGNALS: Final = frozenset(item.name for item in signal.Signals)
_UNNAMED: Final = re.compile(r"SIG\d{1,2}")
"""A real-time signal between the named ones, as the supervisor writes it."""

Short = Annotated[str, Field(max_length=500)]


class Fate(Value):
    """How the process under question ended; `seconds` is its own wall time."""

    schema_version: Literal[1] = Field(alias="schema")
    pid: Annotated[int, Field(ge=1)] | None
    kind: OutcomeKind
    status: Annotated[int, Field(ge=0, le=255)] | None = None
    signal: Short | None = None
    core_dumped: bool = False
    interrupted: bool = False
    seconds: Annotated[float, Field(ge=0)]
    versions: Annotated[dict[Short, Short], Field(max_length=20)] = {}
    notes: Annotated[tuple[Short, ...], Field(max_length=50)] = ()

    @field_validator("signal")
    @classmethod
    def _known_signal(cls, name: str | None) -> str | None:
        if name is not None and name not in _SIGNALS and not _UNNAMED.fullmatch(name):
            raise ValueError(f"no signal is called {name!r}")
        return name


def parse_fate(raw: bytes) -> Fate:
    """Parse the account; raises EngineError where it is not one, since nothing was seen then."""
    if len(raw) > MAX_BYTES:
        raise _unreadable(f"{len(raw)} bytes long")
    try:
        return Fate.model_validate_json(raw)
    except ValidationError as error:
        raise _unreadable(error.errors()[0]["msg"]) from error


def _unreadable(why: str) -> EngineError:
    return EngineError(
        f"the supervisor's account of the process cannot be read ({why})",
        mend=f"repeat the cell; if it stays, the program under question writes into {FATE_FOLDER}/",
    )
