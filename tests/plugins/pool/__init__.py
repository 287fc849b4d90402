"""The launcher `pool`: a master that forks one worker, which serves the driver, as gunicorn does."""

from pathlib import Path
from typing import Final

from orchestrator.launchers import Launcher, Parent, ServerRecipe
from orchestrator.model import CellEnvironment
from orchestrator.supervisor.targets import DRIVER


def _refuse(option: str, _kind: str) -> str | None:
    return f"{option}: pool has one worker" if option.startswith("--workers") else None


def _lacks(environment: CellEnvironment) -> str | None:
    return "pool needs Python 3.10" if environment.python.version == "3.9" else None


def _recipe(_environment: CellEnvironment) -> ServerRecipe:
    return ServerRecipe(
        template="Dockerfile.j2",
        parents={"base": Parent.BASE},
        files=("server.py",),
        values={"program": "bin/pool.py"},
    )


LAUNCHER: Final = Launcher(
    name="pool",
    folder=Path(__file__).parent,
    clean_status=3,
    starts=frozenset({DRIVER}),
    refuse=_refuse,
    lacks=_lacks,
    recipe=_recipe,
)
