"""The launcher `gunicorn`: a package of the cell's virtual environment that serves an application."""

from pathlib import Path
from typing import Final

from orchestrator.launchers.launcher import Launcher
from orchestrator.model import Serving
from orchestrator.supervisor.targets import WSGI

NAME: Final = "gunicorn"
WORKER_CLASS: Final = ("-k", "--worker-class")
GEVENT: Final = "gevent"


def refuse(option: str, _kind: str) -> str | None:
    """Refuse a server that leaves its parent: its workers could not be observed."""
    if option in ("-D", "--daemon"):
        return f"{option}: a server in the background is nobody's child, so its end could not be observed"
    return None


def _serve(serving: Serving) -> tuple[str, ...]:
    named = {"workers": serving.processes, "threads": serving.threads, "worker-class": serving.worker_class}
    return tuple(f"--{name}={value}" for name, value in named.items() if value is not None)


def _requires(options: tuple[str, ...]) -> tuple[str, ...]:
    """The requirement of gunicorn with the extra of its worker class."""
    name, words = "", iter(options)
    for option in words:
        spelt, equals, value = option.partition("=")
        if spelt in WORKER_CLASS:
            name = value if equals else next(words, "")
        elif option.startswith("-k"):
            name = option.removeprefix("-k")
    return (f"{NAME}[{GEVENT}]",) if name.startswith(GEVENT) else (NAME,)


LAUNCHER: Final = Launcher(
    name=NAME,
    folder=Path(__file__).parent,
    clean_status=0,
    starts=frozenset({WSGI}),
    refuse=refuse,
    serve=_serve,
    requires=_requires,
    beside=("master.py",),
)
