"""The environment of a cell: what its process runs in."""

from dataclasses import dataclass

from orchestrator.binary.arch import Arch
from orchestrator.model.interpreter import Interpreter
from orchestrator.model.root_filesystem import Base


@dataclass(frozen=True, kw_only=True)
class CellEnvironment:
    """A base with an interpreter in it, for the architecture `arch`.

    `host` is the architecture that this machine runs without emulation; compilers run on it.
    """

    base: Base
    python: Interpreter
    arch: Arch
    host: Arch
