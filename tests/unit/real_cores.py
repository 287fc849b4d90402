"""The captured cores of tests/data/cores, unpacked and opened."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.binary.core.corefile import Core, open_core
from orchestrator.binary.core.unpack import plain_core

DATA = Path(__file__).parents[1] / "data" / "cores"


@contextmanager
def opened(name: str) -> Iterator[tuple[Path, Core]]:
    with plain_core(DATA / f"{name}.core.zst") as path, open_core(path) as core:
        yield path, core
